//! What a user was on before, where a model lets it come again.

mod engine_harness;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use engine_harness::streams::{START, USERS, clicks, config, items, user};
use engine_harness::{Click, Engine, model, query};
use headwater::engine::config::{DAY, HOUR, MINUTE, SECOND, StreamConfig};
use headwater::engine::events::event::EventType;
use headwater::engine::events::item::Item;
use headwater::engine::rank::features::FEATURES;
use headwater::engine::rank::model::{Away, Model};
use headwater::engine::rank::pipeline::Query;
use headwater::engine::rank::reason::Reason;
use headwater::engine::rank::related::OwnSettings;
use headwater::engine::rank::scorer::Scorer;
use headwater::models::parse_model;
use proptest::prelude::*;

const OWN: usize = 4;

/// A model of what the user was on and of nothing else, which lets everything come again.
fn own(config: &StreamConfig, settings: OwnSettings) -> Model {
    let mut model = model(config);
    model.scorer = Scorer::linear([0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
    model.seen.fill(Away::Never);
    model.own = settings;
    model
}

const PLAIN: OwnSettings = OwnSettings { half_life: Some(HOUR), evidence: 2.0 };

fn engine(model: Model, partitions: usize) -> Engine {
    let items: Vec<Item> = ["a", "b", "c", "d"].into_iter().map(|id| Item::new(id, ["x"])).collect();
    Engine::new(StreamConfig::default(), &items, model, partitions)
}

fn click(user: &str, item: &str, kind: u8, ts: i64) -> Click {
    Click { user: user.into(), item: item.into(), kind, ts, ..Click::default() }
}

/// Items with what they have of it, the first of the list first, as far as they have anything.
fn list(engine: &mut Engine, user: &str, query: &Query<'_>) -> Vec<(String, f64)> {
    let pools = engine.pools(query.as_of.0);
    let answer = engine.ask(&pools, user, query).expect("now can be answered");
    let told = answer.items.iter().map(|ranked| {
        let explained = engine.explain(&pools, user, query, ranked.row).expect("now can be answered");
        assert_eq!(explained.ranked, *ranked, "the list and what is told of it");
        let value = ranked.features[OWN];
        let sum = explained.related.iter().fold(0.0, |sum, (_, share, values)| sum + share * values[3]);
        assert_eq!(sum.to_bits(), value.to_bits(), "to the last bit");
        if value > 0.0 {
            assert_eq!(
                ranked.reason,
                Reason::Related(OWN as u8, ranked.row),
                "the reason is the item itself"
            );
        }
        (pools.layout.id(ranked.row).to_owned(), value)
    });
    told.filter(|(_, value)| *value > 0.0).collect()
}

#[test]
fn the_feature_has_the_name_of_the_manual() {
    assert_eq!(FEATURES[OWN].name, "own");
}

#[test]
fn an_item_has_its_part_of_what_the_user_did_half_as_much_after_a_half_life() {
    for partitions in [1, 3] {
        let mut engine = engine(own(&StreamConfig::default(), PLAIN), partitions);
        // A click counts 1, an add_to_cart 2 an hour ago; what others did says nothing.
        let t = START + 2 * HOUR;
        engine.apply_all(&[
            click("me", "b", 2, t - HOUR),
            click("me", "a", 1, t),
            click("me", "b", 1, t - HOUR),
            click("you", "c", 1, t),
        ]);
        let told = list(&mut engine, "me", &query(4, t));
        assert_eq!(told, [("b".to_owned(), 1.5 / 4.5), ("a".to_owned(), 1.0 / 4.5)]);
        assert_eq!(list(&mut engine, "nobody", &query(4, t)), []);
        // The items of a session count as events of now.
        let context = ["d", "a"].map(str::to_owned);
        let session =
            Query { context: &context, context_kind: EventType(1), include_seen: true, ..query(4, t) };
        let told = list(&mut engine, "", &session);
        assert_eq!(told, [("a".to_owned(), 0.25), ("d".to_owned(), 0.25)]);
    }
}

#[test]
fn what_stays_away_stays_away_until_its_time_is_over() {
    let mut model = own(&StreamConfig::default(), PLAIN);
    model.seen[1] = Away::For(30 * MINUTE);
    model.seen[3] = Away::Always;
    let mut engine = engine(model, 1);
    engine.apply_all(&[click("me", "a", 1, START), click("me", "b", 3, START)]);
    engine.apply(&click("me", "c", 0, START + 29 * MINUTE));
    let names = |told: Vec<(String, f64)>| told.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(list(&mut engine, "me", &query(4, START + 29 * MINUTE))), ["c"]);
    engine.apply(&click("me", "d", 7, START + 30 * MINUTE));
    let told = list(&mut engine, "me", &query(4, START + 30 * MINUTE));
    // The click counts twice as much as the view; a purchase is not forgotten, and an impression is none of the user's acts.
    assert_eq!(names(told), ["a", "c"]);
}

#[test]
fn a_model_that_does_not_weigh_it_finds_nothing_out() {
    let mut model = own(&StreamConfig::default(), PLAIN);
    model.scorer = Scorer::linear([0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    let mut engine = engine(model, 1);
    engine.apply(&click("me", "a", 1, START));
    let (pools, asked) = (engine.pools(START), query(4, START));
    let answer = engine.ask(&pools, "me", &asked).expect("now can be answered");
    assert!(answer.items.iter().all(|ranked| ranked.features[OWN] == 0.0));
    for ranked in &answer.items {
        let explained = engine.explain(&pools, "me", &asked, ranked.row).expect("now can be answered");
        assert_eq!(explained.related, []);
    }
}

proptest! {
    #[test]
    fn what_a_user_was_on_is_what_a_count_of_the_events_says(
        clicks in clicks(120),
        half_life in prop_oneof![Just(None), (SECOND..HOUR).prop_map(Some)],
        evidence in 0.1..5.0_f64,
    ) {
        // Every event is exact.
        let config = StreamConfig { recent_events_per_user: 1000, ..config() };
        let model = own(&config, OwnSettings { half_life, evidence });
        let weights = model.event_weights.clone();
        let mut engine = Engine::new(config, &items(), model, 2);
        engine.apply_all(&clicks);
        let t = engine.newest();
        let mut once: Vec<&Click> = Vec::new();
        for click in &clicks {
            let is_again = click.id.is_some() && once.iter().any(|other| other.id == click.id);
            if !is_again {
                once.push(click);
            }
        }
        let pools = engine.pools(t);
        for name in (0..USERS).map(user) {
            let mut counts: BTreeMap<&str, f64> = BTreeMap::new();
            let known = |click: &&&Click| pools.layout.row(&click.item).is_some() && weights[usize::from(click.kind)] > 0.0;
            for click in once.iter().filter(|click| click.user == name).filter(known) {
                let left = half_life.map_or(1.0, |half_life| (-((t - click.ts) as f64) / half_life as f64).exp2());
                *counts.entry(&*click.item).or_default() += weights[usize::from(click.kind)] * left;
            }
            let all: f64 = counts.values().sum::<f64>() + evidence;
            let answer = engine.ask(&pools, &name, &query(25, t)).expect("now can be answered");
            for ranked in &answer.items {
                let expected = counts.get(pools.layout.id(ranked.row)).copied().unwrap_or(0.0) / all;
                let value = ranked.features[OWN];
                prop_assert!((value - expected).abs() < 1e-4, "{} is {}, expected {}", pools.layout.id(ranked.row), value, expected);
            }
        }
    }
}

#[test]
fn in_a_shop_what_was_looked_at_comes_again_after_a_week_and_what_was_bought_after_a_month() {
    let (config, path) = (StreamConfig::default(), Path::new("models/retail.toml"));
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("the model");
    let mut engine = engine(parse_model("retail", path, &text, &config).expect("a sound model"), 1);
    // As who buys a thing: it was clicked before.
    engine.apply_all(&[click("me", "a", 1, START), click("me", "b", 1, START), click("me", "b", 3, START)]);
    engine.apply(&click("me", "d", 1, START + 20 * DAY));
    let mut at = |days: i64| {
        let told = list(&mut engine, "me", &query(4, START + days * DAY));
        told.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    // `d` was clicked on the twentieth day, and is back a week later.
    assert_eq!(at(26), ["a"]);
    assert_eq!(at(28), ["d", "a"]);
    engine.apply(&click("you", "c", 1, START + 30 * DAY));
    let told = list(&mut engine, "me", &query(4, START + 30 * DAY));
    assert!(told.iter().any(|(name, _)| name == "b"), "{told:?}");
}
