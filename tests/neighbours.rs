//! What others turned to whose visits have most in common with what a user is on.

mod engine_harness;

use std::collections::{BTreeMap, BTreeSet};

use engine_harness::streams::{START, USERS, clicks, config, items, user};
use engine_harness::{Click, Engine, model, query};
use headwater::engine::config::{HOUR, MINUTE, SECOND, StreamConfig};
use headwater::engine::events::event::EventType;
use headwater::engine::events::item::Item;
use headwater::engine::rank::features::FEATURES;
use headwater::engine::rank::model::Model;
use headwater::engine::rank::pipeline::Query;
use headwater::engine::rank::reason::Reason;
use headwater::engine::rank::scorer::Scorer;
use proptest::prelude::*;

const NEIGHBOURS: usize = 3;

/// A model of neighbours and of nothing else.
fn neighbours(config: &StreamConfig) -> Model {
    let mut model = model(config);
    model.scorer = Scorer::linear([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    model
}

/// What a user does, one thing a minute.
fn visit(user: &str, from: i64, items: &[&str]) -> Vec<Click> {
    let click = |(minute, item): (i64, &&str)| Click {
        user: user.into(),
        item: (*item).into(),
        kind: 1,
        ts: from + minute * MINUTE,
        ..Click::default()
    };
    (0..).zip(items).map(click).collect()
}

fn engine(model: Model, partitions: usize) -> Engine {
    let items: Vec<Item> =
        ["a", "b", "c", "d", "e", "f"].into_iter().map(|id| Item::new(id, ["x"])).collect();
    Engine::new(StreamConfig::default(), &items, model, partitions)
}

/// Items with what they have of neighbours, the first of the list first, as far as they have anything.
fn list(engine: &mut Engine, user: &str, query: &Query<'_>) -> Vec<(String, f64)> {
    let pools = engine.pools(query.as_of.0);
    let answer = engine.ask(&pools, user, query).expect("now can be answered");
    let told = answer.items.iter().map(|ranked| {
        let explained = engine.explain(&pools, user, query, ranked.row).expect("now can be answered");
        assert_eq!(explained.ranked, *ranked, "the list and what is told of it");
        let value = ranked.features[NEIGHBOURS];
        let sum = explained.related.iter().fold(0.0, |sum, (_, share, values)| sum + share * values[2]);
        assert_eq!(sum.to_bits(), value.to_bits(), "to the last bit");
        (pools.layout.id(ranked.row).to_owned(), value)
    });
    told.filter(|(_, value)| *value > 0.0).collect()
}

fn names(list: &[(String, f64)]) -> Vec<&str> {
    list.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn the_feature_has_the_name_of_the_manual() {
    assert_eq!(FEATURES[NEIGHBOURS].name, "neighbours");
}

#[test]
fn what_a_visit_had_that_shares_more_is_before_what_more_visits_had_that_share_less() {
    for partitions in [1, 3] {
        let mut engine = engine(neighbours(&StreamConfig::default()), partitions);
        for other in 0..2 {
            engine.apply_all(&visit(&format!("one{other}"), START, &["f", "a", "c"]));
        }
        engine.apply_all(&visit("both", START, &["a", "b", "d"]));
        engine.apply_all(&visit("me", START + 10 * MINUTE, &["a", "b"]));
        let query = query(6, START + 12 * MINUTE);
        let list = list(&mut engine, "me", &query);
        // b is the newer one: whoever had only a counts half for having it, and half for having it longer ago.
        assert_eq!(names(&list), ["d", "c", "f"]);
        let (both, one) = (1.5 / 3_f64.sqrt() * 0.5, 0.5 / 3_f64.sqrt() * 0.5);
        let all = both + 4.0 * 0.5 * one + 3.0;
        for ((_, found), expected) in list.iter().zip([both, one, one].map(|count| count / all)) {
            assert!((found - expected).abs() < 1e-5, "{list:?}");
        }
        let pools = engine.pools(query.as_of.0);
        let row = |id| pools.layout.row(id).expect("it is in the catalog");
        let reason = engine.explain(&pools, "me", &query, row("d")).expect("it is held").ranked.reason;
        assert_eq!(reason, Reason::Related(NEIGHBOURS as u8, row("b")));
    }
}

#[test]
fn an_anonymous_session_has_the_list_of_a_known_user_who_was_on_its_items() {
    let others = |engine: &mut Engine| {
        for (other, then) in ["d", "d", "e", "f"].into_iter().enumerate() {
            engine.apply_all(&visit(&format!("other{other}"), START, &["a", "b", "c", then]));
        }
        engine.apply_all(&visit("one", START, &["c", "e", "f"]));
    };
    let t = START + 12 * MINUTE;
    let context = ["a".to_owned(), "c".to_owned()];
    let session = Query { context: &context, context_kind: EventType(1), ..query(3, t) };
    let model = neighbours(&StreamConfig::default());
    let (mut with, mut without) = (engine(model.clone(), 2), engine(model, 2));
    others(&mut with);
    others(&mut without);
    with.apply_all(&visit("me", START + 10 * MINUTE, &["a", "c"]));
    let known = list(&mut with, "me", &query(3, t));
    assert_eq!(names(&known), ["b", "d", "e"]);
    assert_eq!(known, list(&mut without, "", &session));
    // Neither does it matter whether the own visit was told as that of somebody else: it has nothing but these items.
    assert_eq!(known, list(&mut with, "", &session));
    // Of a longer one more is known than what is looked at.
    with.apply_all(&visit("you", START + 10 * MINUTE, &["f", "e", "a", "d", "c"]));
    let context = ["f", "e", "a", "d", "c"].map(str::to_owned);
    without.apply_all(&visit("me", START + 10 * MINUTE, &["a", "c"]));
    let t = START + 15 * MINUTE;
    let session = Query { context: &context, context_kind: EventType(1), ..query(3, t) };
    let known = list(&mut with, "you", &query(3, t));
    assert_eq!(names(&known), ["b"]);
    assert_eq!(known, list(&mut without, "", &session));
}

#[test]
fn where_neighbours_had_little_what_goes_with_that_comes_behind() {
    for (beyond, expected) in [(0.0, &["b"][..]), (0.25, &["b", "c"])] {
        let mut model = neighbours(&StreamConfig::default());
        model.related.beyond = beyond;
        let mut engine = engine(model, 1);
        engine.apply_all(&visit("other", START, &["a", "b"]));
        engine.apply_all(&visit("another", START, &["b", "c"]));
        engine.apply_all(&visit("me", START, &["a"]));
        let list = list(&mut engine, "me", &query(6, START + 5 * MINUTE));
        assert_eq!(names(&list), expected, "{list:?}");
        if let Some((_, value)) = list.get(1) {
            // c is one of the two things that others had with b, to which the evidence of 3 is added.
            assert!((value - beyond * list[0].1 / 5.0).abs() < 1e-9, "{list:?}");
        }
    }
}

#[test]
fn a_model_that_does_not_weigh_them_neither_finds_nor_tells_them() {
    let mut model = neighbours(&StreamConfig::default());
    model.scorer = Scorer::linear([0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    let mut engine = engine(model, 1);
    engine.apply_all(&visit("other", START, &["b", "a"]));
    engine.apply_all(&visit("me", START, &["a"]));
    assert!(list(&mut engine, "me", &query(6, START + MINUTE)).is_empty());
    let pools = engine.pools(START + MINUTE);
    assert!(!FEATURES[NEIGHBOURS].in_use(&pools.model) && FEATURES[1].in_use(&pools.model));
}

/// What neighbours of a user turned to, counted from the events themselves.
fn expected(clicks: &[Click], who: &str, t: i64, model: &Model) -> BTreeMap<String, f64> {
    let mut by_user: BTreeMap<&str, Vec<&Click>> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for click in clicks {
        let is_new = click.id.as_ref().is_none_or(|id| ids.insert((&click.user, id)));
        // Impressions are no part of visits.
        if is_new && click.ts <= t && click.kind != 7 {
            by_user.entry(&click.user).or_default().push(click);
        }
    }
    let weight = |click: &Click| model.event_weights[usize::from(click.kind)];
    let mut visits: Vec<Vec<&Click>> = Vec::new();
    for (user, clicks) in &mut by_user {
        clicks.sort_by_key(|click| click.ts);
        visits.extend(clicks.chunk_by(|a, b| b.ts - a.ts <= 30 * MINUTE).map(<[_]>::to_vec));
        if *user == who {
            visits.pop();
        }
    }
    let mut mine: Vec<&Click> = by_user.get(who).into_iter().flatten().copied().collect();
    mine.retain(|click| weight(click) > 0.0);
    mine.sort_by_key(|click| (std::cmp::Reverse(click.ts), click.item.clone()));
    let is_back = mine.first().is_some_and(|click| click.ts + 30 * MINUTE < t);
    let mut session: Vec<&str> = Vec::new();
    for click in mine {
        // Items that are not in the catalog have no rows.
        let known = click.item[1..].parse::<usize>().is_ok_and(|item| item < 20);
        if known && !session.contains(&click.item.as_str()) && session.len() < model.related.items {
            session.push(&click.item);
        }
    }
    let share = |place: usize| model.related.fade.powi(place as i32);
    let (mut sums, mut total) = (BTreeMap::<String, f64>::new(), 0.0);
    for visit in &visits {
        let liked: Vec<&Click> = visit.iter().copied().filter(|click| weight(click) > 0.0).collect();
        let shared: Vec<usize> = (0..session.len())
            .filter(|place| liked.iter().any(|click| click.item == session[*place]))
            .collect();
        let Some(newest) = shared.first() else { continue };
        let instants: BTreeSet<i64> = visit.iter().map(|click| click.ts).collect();
        let step = |click: &Click| instants.range(..click.ts).count();
        let last = liked.iter().rfind(|click| session.contains(&click.item.as_str())).expect("one is shared");
        let age = t - visit.last().expect("it has events").ts;
        let faded =
            model.related.half_life.map_or(1.0, |half_life| (-(age as f64) / half_life as f64).exp2());
        let alike = shared.iter().map(|place| share(*place)).sum::<f64>() / (liked.len() as f64).sqrt();
        for click in &liked {
            let apart = step(click).abs_diff(step(last));
            if apart > model.related.steps {
                continue;
            }
            let near = model.related.near.powi(apart as i32);
            let count = share(*newest) * faded * alike * near * weight(click);
            *sums.entry(click.item.clone()).or_default() += count;
            if !session.contains(&click.item.as_str()) {
                total += count;
            }
        }
    }
    let counts = if is_back { model.related.new_visit } else { 1.0 };
    sums.values_mut().for_each(|sum| *sum *= counts / (total + model.related.evidence));
    sums
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever the order in which events come, and however they are spread.
    #[test]
    fn what_neighbours_had_is_what_a_count_of_the_events_says(
        clicks in clicks(60),
        partitions in 1..4_usize,
        later in 0..2 * HOUR,
        settings in (1..6_usize, 0.1..1.0_f64, 1..6_usize, 0.5..5.0_f64, 0.0..1.0_f64, 0.1..1.0_f64),
        half_life in prop::option::of(MINUTE..HOUR),
    ) {
        // Enough events of each are exact.
        let config = StreamConfig { recent_events_per_user: 200, ..config() };
        let mut model = neighbours(&config);
        (model.related.items, model.related.fade, model.related.steps) = (settings.0, settings.1, settings.2);
        (model.related.evidence, model.related.new_visit) = (settings.3, settings.4);
        (model.related.near, model.related.half_life) = (settings.5, half_life);
        let mut engine = Engine::new(config, &items(), model.clone(), partitions);
        engine.apply_all(&clicks);
        let newest = clicks.iter().map(|click| click.ts).max().unwrap_or(START);
        // Neither so late that a user may have been forgotten.
        let t = (newest + later).min(newest + 30 * SECOND).max(engine.floor());
        let pools = engine.pools(t);
        for user in (0..USERS).map(user) {
            let expected = expected(&clicks, &user, t, &model);
            for row in pools.layout.in_order() {
                let told = engine.explain(&pools, &user, &query(1, t), row).expect("it can be answered");
                let expected = expected.get(pools.layout.id(row)).copied().unwrap_or_default();
                let found = told.ranked.features[NEIGHBOURS];
                prop_assert!((found - expected).abs() < 1e-5, "{} {}: {} {}", user, pools.layout.id(row), found, expected);
            }
        }
    }
}
