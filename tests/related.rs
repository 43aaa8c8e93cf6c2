//! What people turn to from the items that the user was last on: next, and in the same visit.

mod engine_harness;

use std::collections::{BTreeMap, BTreeSet};

use engine_harness::streams::{START, USERS, clicks, config, items, user};
use engine_harness::{Click, Engine, model, query};
use headwater::engine::config::{HOUR, MINUTE, SECOND, StreamConfig};
use headwater::engine::events::event::EventType;
use headwater::engine::events::item::Item;
use headwater::engine::index::pools::Pools;
use headwater::engine::rank::candidates::SOURCES;
use headwater::engine::rank::features::FEATURES;
use headwater::engine::rank::model::Model;
use headwater::engine::rank::pipeline::Query;
use headwater::engine::rank::reason::Reason;
use headwater::engine::rank::scorer::Scorer;
use proptest::prelude::*;

const NEXT: usize = 1;
const COVISITS: usize = 2;

/// A model of what is related and of nothing else.
fn related(config: &StreamConfig, next: f64, covisits: f64) -> Model {
    let mut model = model(config);
    model.scorer = Scorer::linear([0.0, next, covisits, 0.0, 0.0, 0.0, 0.0, 0.0]);
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
    let items: Vec<Item> = ["a", "b", "c", "d", "e"].into_iter().map(|id| Item::new(id, ["x"])).collect();
    Engine::new(StreamConfig::default(), &items, model, partitions)
}

/// A list in names, with the value of each feature.
fn list(engine: &mut Engine, user: &str, query: &Query<'_>) -> Vec<(String, [f64; FEATURES.len()], Reason)> {
    let pools = engine.pools(query.as_of.0);
    let answer = engine.ask(&pools, user, query).expect("now can be answered");
    let told = answer.items.iter().map(|ranked| {
        let explained = engine.explain(&pools, user, query, ranked.row).expect("now can be answered");
        assert_eq!(explained.ranked, *ranked, "the list and what is told of it");
        for (feature, relation) in [NEXT, COVISITS].into_iter().zip(0..) {
            let sum =
                explained.related.iter().fold(0.0, |sum, (_, share, values)| sum + share * values[relation]);
            assert_eq!(sum.to_bits(), ranked.features[feature].to_bits(), "to the last bit");
        }
        let sum = ranked.contributions(&pools).iter().fold(0.0, |sum, part| sum + part);
        assert_eq!(sum.to_bits(), ranked.score.to_bits());
        (pools.layout.id(ranked.row).to_owned(), ranked.features, ranked.reason)
    });
    told.collect()
}

fn names(list: &[(String, [f64; FEATURES.len()], Reason)]) -> Vec<&str> {
    list.iter().map(|(name, ..)| name.as_str()).collect()
}

#[test]
fn the_names_of_features_and_sources_are_those_of_the_manual() {
    assert_eq!((FEATURES[NEXT].name, FEATURES[COVISITS].name), ("next", "covisits"));
    assert_eq!(SOURCES[0].name, "related");
}

#[test]
fn what_others_turned_to_next_comes_first_and_counts_by_how_many_they_were() {
    for partitions in [1, 3] {
        let mut engine = engine(related(&StreamConfig::default(), 1.0, 0.0), partitions);
        for other in 0..6 {
            let then = if other < 4 { "b" } else { "c" };
            engine.apply_all(&visit(&format!("other{other}"), START, &["a", then, "d"]));
        }
        engine.apply_all(&visit("me", START + 10 * MINUTE, &["a"]));
        let list = list(&mut engine, "me", &query(5, START + 11 * MINUTE));
        // d came one later, for all six of them: half of that each.
        assert_eq!(names(&list)[..3], ["b", "d", "c"]);
        let shares = [&list[0], &list[1], &list[2]].map(|(_, features, _)| features[NEXT]);
        assert_eq!(shares, [4.0, 3.0, 2.0].map(|count| count / (9.0 + 3.0)));
        let a = engine.pools(START + 11 * MINUTE).layout.row("a").expect("it is in the catalog");
        assert_eq!(list[0].2, Reason::Related(NEXT as u8, a));
    }
}

#[test]
fn what_others_did_before_it_in_the_same_visit_counts_for_covisits_and_not_for_next() {
    let mut engine = engine(related(&StreamConfig::default(), 0.5, 1.0), 1);
    engine.apply_all(&visit("other", START, &["b", "a"]));
    // Another visit: nothing to do with it.
    engine.apply_all(&visit("other", START + 2 * HOUR, &["c"]));
    engine.apply_all(&visit("me", START + 2 * HOUR, &["a"]));
    let list = list(&mut engine, "me", &query(5, START + 2 * HOUR + MINUTE));
    assert_eq!(names(&list)[0], "b");
    assert_eq!((list[0].1[NEXT], list[0].1[COVISITS]), (0.0, 1.0 / 4.0));
    assert!(list[1..].iter().all(|(_, features, _)| features[COVISITS] == 0.0), "{list:?}");
}

#[test]
fn the_items_of_an_anonymous_session_count_as_those_of_a_known_user() {
    let mut engine = engine(related(&StreamConfig::default(), 1.0, 0.5), 2);
    for other in 0..5 {
        engine.apply_all(&visit(&format!("other{other}"), START, &["a", "b", "c", "e", "d"]));
    }
    engine.apply_all(&visit("me", START + 10 * MINUTE, &["a", "c"]));
    let t = START + 12 * MINUTE;
    let known = list(&mut engine, "me", &query(3, t));
    let context = ["a".to_owned(), "c".to_owned()];
    let session = Query { context: &context, context_kind: EventType(1), ..query(3, t) };
    // The own visit is one of those that are counted, for both alike.
    assert_eq!(names(&known), names(&list(&mut engine, "", &session)));
    assert_eq!(names(&known)[0], "e");
}

#[test]
fn who_comes_back_is_told_less_of_what_the_last_visit_was_about() {
    let config = StreamConfig::default();
    let mut model = related(&config, 1.0, 0.0);
    model.related.new_visit = 0.25;
    let mut engine = engine(model, 1);
    engine.apply_all(&visit("other", START, &["a", "b"]));
    engine.apply_all(&visit("me", START, &["a"]));
    let mut value = |t| list(&mut engine, "me", &query(1, t))[0].1[NEXT];
    assert_eq!((value(START + 30 * MINUTE), value(START + 30 * MINUTE + 1)), (0.25, 0.0625));
}

#[test]
fn what_everybody_turns_to_anyway_is_not_what_an_item_leads_to() {
    for (expected, first) in [(0.0, "e"), (1.0, "b")] {
        let mut model = related(&StreamConfig::default(), 1.0, 0.0);
        model.related.expected = expected;
        let mut engine = engine(model, 2);
        for other in 0..27 {
            let what = match other {
                0..4 => ["a", "e"],
                4..7 => ["a", "b"],
                _ => ["c", "e"],
            };
            engine.apply_all(&visit(&format!("other{other}"), START, &what));
        }
        engine.apply_all(&visit("me", START, &["a"]));
        let list = list(&mut engine, "me", &query(5, START + 2 * MINUTE));
        assert_eq!(names(&list)[0], first, "{list:?}");
        let value =
            |name| list.iter().find(|(item, ..)| item == name).map_or(0.0, |(_, features, _)| features[NEXT]);
        // Of 7 who went on from there 4, where 24 of all 55 events are on it.
        let more = 4.0 - expected * 7.0 * 24.0 / 55.0;
        assert!((value("e") - more / 10.0).abs() < 1e-6, "{}", value("e"));
    }
}

#[test]
fn dislikes_lead_nowhere_and_nothing_leads_to_what_was_disliked() {
    let mut engine = engine(related(&StreamConfig::default(), 1.0, 0.0), 1);
    for other in 0..5 {
        let mut visit = visit(&format!("other{other}"), START, &["a", "b", "c"]);
        visit[1].kind = 5;
        engine.apply_all(&visit);
    }
    engine.apply_all(&visit("me", START, &["a"]));
    let list = list(&mut engine, "me", &query(5, START + 10 * MINUTE));
    assert_eq!(names(&list)[0], "c");
    assert!(list[1..].iter().all(|(_, features, _)| features[NEXT] == 0.0), "{list:?}");
}

#[test]
fn a_model_that_weighs_nothing_related_neither_finds_nor_tells_it() {
    let mut engine = engine(related(&StreamConfig::default(), 0.0, 0.0), 1);
    engine.apply_all(&visit("other", START, &["a", "b"]));
    engine.apply_all(&visit("me", START, &["a"]));
    let pools = engine.pools(START + MINUTE);
    let answer = engine.ask(&pools, "me", &query(5, START + MINUTE)).expect("now can be answered");
    assert_eq!(answer.candidates[0], 0);
    assert!(!FEATURES[NEXT].in_use(&pools.model));
}

/// What part of all that everybody turns to is each item, as popularity weighs the windows.
fn parts_of_all(pools: &Pools, model: &Model) -> BTreeMap<String, f64> {
    let rows: Vec<u32> = pools.layout.in_order().collect();
    let of_window = |window: usize| {
        let counts = rows.iter().map(move |row| f64::from(pools.counts(*row)[window]));
        (counts.clone().fold(0.0, f64::max), counts.sum::<f64>())
    };
    let (mut passed_on, mut weights, mut parts) = (0.0, 0.0, BTreeMap::<String, f64>::new());
    for (window, weight) in model.popularity_windows.iter().enumerate() {
        let (most, total) = of_window(window);
        let weight = weight + passed_on;
        let said = weight * most / (most + model.popularity_evidence);
        passed_on = weight - said;
        weights += said;
        for row in rows.iter().filter(|_| total > 0.0) {
            let part = said * f64::from(pools.counts(*row)[window]) / total;
            *parts.entry(pools.layout.id(*row).to_owned()).or_default() += part;
        }
    }
    parts.values_mut().for_each(|part| *part /= if weights > 0.0 { weights } else { 1.0 });
    parts
}

/// What others did after and around each of a user's last items, counted from the events themselves.
fn expected(
    clicks: &[Click],
    who: &str,
    t: i64,
    model: &Model,
    parts_of_all: &BTreeMap<String, f64>,
) -> BTreeMap<String, [f64; 2]> {
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
    for clicks in by_user.values_mut() {
        clicks.sort_by_key(|click| click.ts);
        visits.extend(clicks.chunk_by(|a, b| b.ts - a.ts <= 30 * MINUTE).map(<[_]>::to_vec));
    }
    let mut mine: Vec<&Click> = by_user.get(who).into_iter().flatten().copied().collect();
    mine.retain(|click| weight(click) > 0.0);
    mine.sort_by_key(|click| (std::cmp::Reverse(click.ts), click.item.clone()));
    let is_back = mine.first().is_some_and(|click| click.ts + 30 * MINUTE < t);
    let mut last: Vec<&str> = Vec::new();
    for click in mine {
        // Items that are not in the catalog have no rows.
        let known = click.item[1..].parse::<usize>().is_ok_and(|item| item < 20);
        if known && !last.contains(&click.item.as_str()) && last.len() < model.related.items {
            last.push(&click.item);
        }
    }
    let mut values: BTreeMap<String, [f64; 2]> = BTreeMap::new();
    for (place, item) in (0..).zip(last) {
        let mut sums: BTreeMap<&str, [f64; 2]> = BTreeMap::new();
        let mut totals = [0.0; 2];
        for visit in &visits {
            let Some(here) = visit.iter().rfind(|click| click.item == item) else { continue };
            let instants: BTreeSet<i64> = visit.iter().map(|click| click.ts).collect();
            let step = |ts| instants.range(..ts).count() as i64;
            for click in visit.iter().filter(|click| click.item != item && weight(click) > 0.0) {
                let apart = step(click.ts) - step(here.ts);
                let next = [1.0, 0.5].get((apart - 1) as usize).copied().unwrap_or(0.0);
                if apart == 0 || apart.unsigned_abs() as usize > model.related.steps {
                    continue;
                }
                let counts = [next, 1.0 / apart.abs() as f64].map(|count| count * weight(click));
                for index in 0..2 {
                    totals[index] += counts[index];
                    sums.entry(&click.item).or_default()[index] += counts[index];
                }
            }
        }
        let share = model.related.fade.powi(place) * if is_back { model.related.new_visit } else { 1.0 };
        for (item, sums) in sums {
            let anyway = model.related.expected * parts_of_all.get(item).copied().unwrap_or_default();
            for index in 0..2 {
                let more = (sums[index] - anyway * totals[index]).max(0.0);
                values.entry(item.to_owned()).or_default()[index] +=
                    share * more / (totals[index] + model.related.evidence);
            }
        }
    }
    values
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever the order in which events come, and however they are spread.
    #[test]
    fn what_is_related_is_what_a_count_of_the_events_says(
        clicks in clicks(60),
        partitions in 1..4_usize,
        later in 0..2 * HOUR,
        settings in (1..6_usize, 0.1..1.0_f64, 1..6_usize, 0.5..5.0_f64, 0.0..1.0_f64, 0.0..1.0_f64),
    ) {
        // Enough events of each are exact.
        let config = StreamConfig { recent_events_per_user: 200, ..config() };
        let mut model = related(&config, 1.0, 0.5);
        (model.related.items, model.related.fade, model.related.steps) = (settings.0, settings.1, settings.2);
        (model.related.evidence, model.related.new_visit) = (settings.3, settings.4);
        model.related.expected = settings.5;
        let mut engine = Engine::new(config, &items(), model.clone(), partitions);
        engine.apply_all(&clicks);
        let newest = clicks.iter().map(|click| click.ts).max().unwrap_or(START);
        // Neither so late that a user may have been forgotten.
        let t = (newest + later).min(newest + 30 * SECOND).max(engine.floor());
        let pools = engine.pools(t);
        let parts_of_all = parts_of_all(&pools, &model);
        for user in (0..USERS).map(user) {
            let expected = expected(&clicks, &user, t, &model, &parts_of_all);
            for row in pools.layout.in_order() {
                let told = engine.explain(&pools, &user, &query(1, t), row).expect("it can be answered");
                let id = pools.layout.id(row);
                let expected = expected.get(id).copied().unwrap_or_default();
                for (feature, expected) in [NEXT, COVISITS].into_iter().zip(expected) {
                    let found = told.ranked.features[feature];
                    prop_assert!((found - expected).abs() < 1e-5, "{} {}: {} {}", user, id, found, expected);
                }
            }
        }
    }
}
