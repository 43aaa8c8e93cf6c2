//! Forests in the engine: what they look at is what can be counted by hand, and lists follow them.

mod engine_harness;

use std::sync::Arc;

use engine_harness::streams::{ITEMS, clicks, config, items, models, user};
use engine_harness::{Engine, query};
use headwater::engine::rank::forest::Forest;
use headwater::engine::rank::forest::reranking::Reranking;
use headwater::engine::rank::forest::signals::signals;
use headwater::engine::rank::forest::tree::{Missing, Split, Threshold, Tree, TreeNode};
use headwater::engine::rank::pipeline::Ranked;
use proptest::prelude::*;

/// A tree of one question.
fn stump(number: usize, threshold: f64, values: [f64; 2]) -> Tree {
    let split = Split {
        number,
        threshold: Threshold::AtMost(threshold),
        missing: Missing::NaN,
        missing_first: true,
        children: [1, 2],
    };
    let root = TreeNode { value: f64::midpoint(values[0], values[1]), split: Some(split) };
    let leaves = values.map(|value| TreeNode { value, split: None });
    Tree { nodes: [vec![root], leaves.to_vec()].concat() }
}

/// A forest that looks at all there is.
fn reranking() -> impl Strategy<Value = Reranking> {
    let signals = signals(&config());
    let width = signals.len();
    let values = prop::array::uniform2(-1.0..1.0);
    let tree = (0..width, prop::sample::select(vec![-0.5, 0.0, 0.2, 0.7, 1.1, 4.0]), values);
    (prop::collection::vec(tree, 1..30), 1..12_usize).prop_map(move |(trees, candidates)| {
        let trees: Vec<Tree> =
            trees.into_iter().map(|(number, threshold, values)| stump(number, threshold, values)).collect();
        let forest = Forest::new(width, &trees).expect("a sound forest");
        Reranking { forest, signals: signals.clone(), candidates, source: String::new() }
    })
}

fn place(name: &str) -> usize {
    signals(&config()).iter().position(|named| named.name == name).unwrap_or_else(|| panic!("no {name}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// The best candidates of the linear score are in the order of the forest, and the others behind them in their own.
    #[test]
    fn a_forest_ranks_the_best_of_the_linear_score_and_asking_for_more_changes_nothing_above(
        clicks in clicks(120), model in models(), reranking in reranking(), n in 1..ITEMS + 5,
    ) {
        let linear = headwater::engine::rank::model::Model { max_category_share: 1.0, ..model };
        let mut model = linear.clone();
        let (best, forest) = (reranking.candidates, reranking.forest.clone());
        model.reranking = Some(Arc::new(reranking));
        let mut engine = Engine::new(config(), &items(), linear, 2);
        engine.apply_all(&clicks);
        let t = engine.newest();
        let linear_pools = engine.pools(t);
        engine.model = Arc::new(model);
        let pools = engine.pools(t);
        for name in (0..3).map(user) {
            let mut question = query(ITEMS + 5, t);
            question.explain = true;
            let before = engine.ask(&linear_pools, &name, &question).expect("now is held").items;
            let all = engine.ask(&pools, &name, &question).expect("now is held").items;
            let by_forest = all.iter().take_while(|item| item.signals.is_some()).count();
            prop_assert!(by_forest <= best);
            prop_assert!(all[by_forest..].iter().all(|item| item.signals.is_none()));
            let rows = |items: &[Ranked]| items.iter().map(|item| item.row).collect::<Vec<_>>();
            // Those that it has ranked are the first of before, and the others are where they were.
            let (mut ranked, mut first) = (rows(&all[..by_forest]), rows(&before[..by_forest]));
            ranked.sort_unstable();
            first.sort_unstable();
            prop_assert_eq!(ranked, first);
            prop_assert_eq!(&all[by_forest..], &before[by_forest..]);
            for pair in all[..by_forest].windows(2) {
                let place = |item: &Ranked| before.iter().position(|other| other.row == item.row);
                prop_assert!(pair[0].score > pair[1].score
                    || pair[0].score == pair[1].score && place(&pair[0]) < place(&pair[1]));
            }
            for item in &all[..by_forest] {
                let signals = item.signals.as_deref().expect("told");
                let told = forest.contributions(signals).iter().fold(forest.bias(), |sum, part| sum + part);
                prop_assert_eq!(told.to_bits(), item.score.to_bits());
                let explained = engine.explain(&pools, &name, &query(1, t), item.row).expect("now is held");
                prop_assert_eq!(&explained.ranked, item);
            }
            question.n = n;
            let some = engine.ask(&pools, &name, &question).expect("now is held").items;
            prop_assert_eq!(&some[..], &all[..n.min(all.len())]);
        }
    }

    /// With a cap on categories, too.
    #[test]
    fn a_longer_list_begins_with_the_shorter_one_whatever_a_category_may_have(
        clicks in clicks(80), model in models(), reranking in reranking(), n in 1..ITEMS,
    ) {
        let mut model = model;
        model.reranking = Some(Arc::new(reranking));
        let mut engine = Engine::new(config(), &items(), model, 1);
        engine.apply_all(&clicks);
        let t = engine.newest();
        let pools = engine.pools(t);
        let all = engine.ask(&pools, &user(0), &query(ITEMS + 5, t)).expect("now is held").items;
        let some = engine.ask(&pools, &user(0), &query(n, t)).expect("now is held").items;
        prop_assert_eq!(&some[..], &all[..n.min(all.len())]);
    }

    #[test]
    fn what_a_forest_looks_at_is_what_is_counted_by_hand(clicks in clicks(120), model in models()) {
        let mut engine = Engine::new(config(), &items(), model, 2);
        engine.apply_all(&clicks);
        let t = engine.newest();
        let pools = engine.pools(t);
        let signals = signals(&config());
        let listed = engine.candidates(&pools, &user(0), &query(8, t), &signals).expect("now is held");
        let rows: Vec<&[f32]> = listed.signals.chunks(signals.len()).collect();
        prop_assert_eq!(rows.len(), listed.rows.len());
        let counts: Vec<f64> = listed.rows.iter().map(|row| f64::from(pools.counts(*row)[1])).collect();
        let mut sorted = counts.clone();
        sorted.sort_by(f64::total_cmp);
        for (index, row) in rows.iter().enumerate() {
            let near = |name: &str, expected: f64| {
                let found = f64::from(row[place(name)]);
                assert!((found - expected).abs() < 1e-5, "{name} is {found}, expected {expected}");
            };
            let (count, most) = (counts[index], sorted[sorted.len() - 1]);
            let greater = counts.iter().filter(|other| **other > count).count() as f64;
            near("count_1m", (1.0 + count).ln());
            near("count_1m_share", if most > 0.0 { count / most } else { 0.0 });
            near("count_1m_rank", (1.0 + greater).ln());
            near("count_1m_median", ((1.0 + count) / (1.0 + sorted[sorted.len() / 2])).ln());
            let longer = f64::from(pools.counts(listed.rows[index])[2]);
            near("momentum_1m_5m", ((5.0 * count + 1.0) / (longer + 1.0)).ln());
            let item = pools.layout.item(listed.rows[index]).and_then(|item| item.created_at());
            near("age", item.map_or(-1.0, |created| (1.0 + (t - created.0).max(0) as f64 / 60_000.0).ln()));
            near("list_length", rows.len() as f64);
            let best = f64::from(rows[0][place("linear")]);
            near("linear_behind", best - f64::from(row[place("linear")]));
            near("linear", engine.explain(&pools, &user(0), &query(1, t), listed.rows[index])
                .expect("now is held").ranked.score);
        }
        prop_assert!(rows.windows(2).all(|pair| pair[0][place("linear")] >= pair[1][place("linear")]));
        prop_assert!(listed.signals.iter().all(|value| value.is_finite()));
    }
}
