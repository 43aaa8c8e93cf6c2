//! What a list costs that a forest has ranked: all sources, what is related to the user's last items, and 100 trees.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use headwater::engine::config::StreamConfig;
use headwater::engine::events::event::{EventType, Timestamp};
use headwater::engine::events::item::ItemChange;
use headwater::engine::index::pools::Pools;
use headwater::engine::position::{Offset, Partition};
use headwater::engine::rank::filters::Filter;
use headwater::engine::rank::forest::Forest;
use headwater::engine::rank::forest::reranking::Reranking;
use headwater::engine::rank::forest::signal::Named;
use headwater::engine::rank::forest::signals::signals;
use headwater::engine::rank::forest::tree::{Missing, Split, Threshold, Tree, TreeNode};
use headwater::engine::rank::model::Model;
use headwater::engine::rank::models::ModelSet;
use headwater::engine::rank::pipeline::{Query, Scratch};
use headwater::models::{BUILT_IN_MODEL, parse_model};
use headwater::state::State;
use headwater::state::ranker::Ranker;

use crate::common::{Data, median, micros, percentile};
use crate::{N, USERS};

const TREES: usize = 100;
const LEAVES: usize = 31;
/// What the library that trains them takes for the least by default in our recipe.
const ROWS_A_LEAF: usize = 200;
/// How many candidates the forest ranks.
const CANDIDATES: usize = 200;
/// How many users' candidates the trees are made for.
const ASKED: usize = 200;

/// The median in us.
pub fn recommend(data: &Data, config: &Arc<StreamConfig>) -> f64 {
    let state = Arc::new(State::empty(Arc::clone(config), 1));
    for item in &data.items {
        state.apply_item(ItemChange::Put(item.clone()));
    }
    for (offset, draft) in (0..).map(Offset).zip(&data.events) {
        state.apply(Partition(0), offset, None, &draft.check(&config.event_types).expect("a valid event"));
    }
    let as_of = state.watermark().expect("some events");
    let linear = parse_model("linear", "models/default.toml".as_ref(), BUILT_IN_MODEL, config);
    let linear = Arc::new(linear.expect("the built-in model"));
    let ranker = ranker_of(&state, &linear, as_of);
    let looked_at = candidates(&ranker, data, as_of, &signals(config));
    let reranking = Reranking {
        forest: forest(&looked_at, signals(config).len()),
        signals: signals(config),
        candidates: CANDIDATES,
        source: String::new(),
    };
    let model =
        Model { name: "forest".into(), reranking: Some(Arc::new(reranking)), ..Model::clone(&linear) };
    let without = timed(&ranker, data, as_of);
    let mut with = timed(&ranker_of(&state, &Arc::new(model), as_of), data, as_of);
    println!(
        "forest: {} users, {TREES} trees of {LEAVES} leaves rank {CANDIDATES} by {} numbers: median {:.1} us, p99 {:.1} us; without {:.1} us",
        with.len(),
        signals(config).len(),
        median(with.clone()),
        percentile(&mut with, 0.99),
        median(without),
    );
    median(with)
}

fn ranker_of(state: &Arc<State>, model: &Arc<Model>, as_of: Timestamp) -> Ranker {
    let models = ModelSet::new(BTreeMap::from([(model.name.clone(), Arc::clone(model))]), &model.name);
    let ranker = Ranker::new(Arc::clone(state), Arc::new(models.expect("a model")));
    ranker.refresh(as_of);
    ranker
}

fn pools(ranker: &Ranker) -> Arc<Pools> {
    ranker.pools("").expect("pools of the default model")
}

fn query(n: usize, as_of: Timestamp, filter: &Filter) -> Query<'_> {
    Query {
        n,
        as_of,
        context: &[],
        context_kind: EventType(1),
        exclude: &[],
        filter,
        include_seen: false,
        explain: false,
        explore: None,
    }
}

fn timed(ranker: &Ranker, data: &Data, as_of: Timestamp) -> Vec<f64> {
    let (pools, filter, mut scratch) = (pools(ranker), Filter::default(), Scratch::default());
    let query = query(N, as_of, &filter);
    let one = |user| {
        let started = Instant::now();
        let answer = ranker.recommend(&pools, black_box(user), &query, &mut scratch);
        let time = micros(started.elapsed());
        assert_eq!(answer.expect("now can be answered").items.len(), N);
        time
    };
    data.users(USERS).into_iter().map(one).collect()
}

/// The candidates of some users, each with its numbers.
fn candidates(ranker: &Ranker, data: &Data, as_of: Timestamp, signals: &[Named]) -> Vec<Vec<f32>> {
    let (pools, filter, mut scratch) = (pools(ranker), Filter::default(), Scratch::default());
    let query = query(CANDIDATES, as_of, &filter);
    let mut rows = Vec::new();
    for user in data.users(ASKED) {
        let listed = ranker.candidates(&pools, user, &query, signals, &mut scratch);
        let listed = listed.expect("now can be answered");
        rows.extend(listed.signals.chunks_exact(signals.len()).map(<[f32]>::to_vec));
    }
    rows
}

/// Trees as a library would grow them but for what it learns: leaf by leaf, at what the candidates have.
fn forest(rows: &[Vec<f32>], width: usize) -> Forest {
    let mut seed = 0_usize;
    // Steele, Lea, Flood: Fast splittable pseudorandom number generators (2014).
    let mut random = |below: usize| {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    };
    let trees: Vec<Tree> = (0..TREES).map(|_| tree(rows, width, &mut random)).collect();
    Forest::new(width, &trees).expect("sound trees")
}

fn tree(rows: &[Vec<f32>], width: usize, random: &mut dyn FnMut(usize) -> usize) -> Tree {
    let mut nodes = vec![TreeNode { value: 0.0, split: None }];
    // The leaves, each with its candidates.
    let mut leaves = vec![(0, (0..rows.len()).collect::<Vec<_>>())];
    while leaves.len() < LEAVES {
        let leaf = random(leaves.len());
        let (node, members) = &leaves[leaf];
        let number = random(width);
        let threshold = rows[members[random(members.len())]][number];
        let (first, second): (Vec<_>, Vec<_>) =
            members.iter().partition(|member| rows[**member][number] <= threshold);
        if first.len().min(second.len()) < ROWS_A_LEAF {
            continue;
        }
        let children = [nodes.len(), nodes.len() + 1];
        nodes[*node].split = Some(Split {
            number,
            threshold: Threshold::AtMost(threshold.into()),
            missing: Missing::None,
            missing_first: false,
            children,
        });
        leaves.swap_remove(leaf);
        leaves.extend(children.into_iter().zip([first, second]));
        let value = |random: &mut dyn FnMut(usize) -> usize| random(2001) as f64 / 1e5 - 0.01;
        nodes.extend([value(random), value(random)].map(|value| TreeNode { value, split: None }));
    }
    Tree { nodes }
}
