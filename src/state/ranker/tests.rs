//! What those meet who ask for lists while states and models come and go.

use std::collections::BTreeMap;
use std::thread;

use super::*;
use crate::engine::config::{DAY, StateLimits, StreamConfig};
use crate::engine::events::event::{EventDraft, EventType};
use crate::engine::events::item::{Item, ItemChange};
use crate::engine::facts::state::{Outcome, PartitionState};
use crate::engine::position::{Offset, Partition};
use crate::engine::rank::filters::Filter;
use crate::engine::rank::pipeline::Ranked;
use crate::models::{BUILT_IN_MODEL, parse_model};
use crate::state::Positioned;

fn models(version: usize) -> Arc<ModelSet> {
    let text = format!("# {version}\n{BUILT_IN_MODEL}");
    let config = StreamConfig::default();
    let model = parse_model("default", "default.toml".as_ref(), &text, &config).expect("a valid model");
    let models = BTreeMap::from([("default".to_owned(), Arc::new(model))]);
    Arc::new(ModelSet::new(models, "default").expect("a default model"))
}

#[test]
fn the_old_model_answers_until_the_pools_of_the_new_one_are_made() {
    let state = Arc::new(State::empty(Arc::new(StreamConfig::default()), 1));
    let ranker = Arc::new(Ranker::new(state, models(0)));
    let version = || ranker.pools("").expect("the default model").model.version.clone();
    let (old, new) = (version(), models(1));
    // It can't get beyond this before any are made.
    let brought = ranker.brought.lock();
    let (loader, loaded) = (Arc::clone(&ranker), Arc::clone(&new));
    let loading = thread::spawn(move || loader.load(loaded, Timestamp(0)));
    while ranker.index.try_lock().is_some() {
        thread::yield_now();
    }
    assert_eq!(version(), old);
    drop(brought);
    loading.join().expect("it ends");
    assert_eq!(version(), new.get("").expect("the default model").version);
}

#[test]
fn a_partition_that_comes_answers_once_the_pools_know_of_it() {
    let config = Arc::new(StreamConfig::default());
    let state = Arc::new(State::away(Arc::clone(&config), 1));
    let ranker = Ranker::new(Arc::clone(&state), models(0));
    let filter = Filter::default();
    let held = || {
        let query = Query {
            n: 1,
            as_of: Timestamp(0),
            context: &[],
            context_kind: EventType(1),
            exclude: &[],
            filter: &filter,
            include_seen: false,
            explain: false,
            explore: None,
        };
        let pools = ranker.pools("").expect("the default model");
        match ranker.recommend(&pools, "u", &query, &mut Scratch::default()) {
            Ok(_) => Ok(()),
            Err(Unanswerable::NotHeld(not)) => Err(not.restoring),
            Err(error) => panic!("{error:?}"),
        }
    };
    assert_eq!(held(), Err(false));
    state.expect(Partition(0));
    ranker.refresh(Timestamp(0));
    assert_eq!(held(), Err(true));
    let come = || Positioned { state: PartitionState::new(Arc::clone(&config)), next_offset: Offset::ZERO };
    state.hold(Partition(0), come());
    assert_eq!(held(), Err(true), "no refresh has seen it");
    ranker.refresh(Timestamp(0));
    assert_eq!(held(), Ok(()));
    // Another one in its place is not known either.
    state.hold(Partition(0), come());
    assert_eq!(held(), Err(true));
    ranker.refresh(Timestamp(0));
    assert_eq!(held(), Ok(()));
}

#[test]
fn a_state_that_is_numbered_anew_goes_on_answering_as_it_did() {
    const START: i64 = 1_700_000_000_000;
    let limits = StateLimits { items: 4, ..StateLimits::default() };
    let config = Arc::new(StreamConfig { limits, ..StreamConfig::default() });
    let state = Arc::new(State::empty(Arc::clone(&config), 1));
    let ranker = Ranker::new(Arc::clone(&state), models(0));
    for (id, category) in [("a", "red"), ("b", "blue"), ("c", "blue"), ("d", "red")] {
        state.apply_item(ItemChange::Put(Item::new(id, [category])));
    }
    let mut offsets = (0..).map(Offset);
    let mut click = |user_id: &str, item_id: &str, days: i64| {
        let click = EventDraft {
            user_id: Some(user_id.into()),
            item_id: Some(item_id.into()),
            kind: Some("click".into()),
            ts: Some(START + days * DAY),
            ..EventDraft::default()
        };
        let click = click.check(&config.event_types).expect("an event");
        let offset = offsets.next().expect("there are more");
        assert_eq!(state.apply(Partition(0), offset, None, &click), Some(Outcome::Applied));
    };
    for item_id in ["x", "y"] {
        click("gone", item_id, 0);
    }
    click("u", "b", 40);
    ranker.refresh(Timestamp(START + 40 * DAY));
    let filter = Filter::default();
    let list = |user_id: &str, t: i64| {
        let query = Query {
            n: 3,
            as_of: Timestamp(t),
            context: &[],
            context_kind: EventType(1),
            exclude: &[],
            filter: &filter,
            include_seen: false,
            explain: false,
            explore: None,
        };
        let pools = ranker.pools("").expect("the default model");
        let answer = ranker.recommend(&pools, user_id, &query, &mut Scratch::default()).expect("a list");
        let told = |ranked: &Ranked| (pools.layout.id(ranked.row).to_owned(), ranked.score);
        answer.items.iter().map(told).collect::<Vec<_>>()
    };
    let before = list("u", START + 40 * DAY);
    assert_eq!(before.first().map(|(id, _)| id.as_str()), Some("c"), "{before:?}");
    click("v", "a", 40);
    click("v", "d", 40);
    let numbered_anew = state.partition(Partition(0)).expect("it is here").state.compactions();
    assert_eq!((numbered_anew.count, numbered_anew.items), (1, 2), "x and y are given back");
    assert_eq!(list("u", START + 40 * DAY), before, "by the pools of before");
    ranker.refresh(Timestamp(START + 40 * DAY));
    let pools = ranker.pools("").expect("the default model");
    let counted: Vec<u32> =
        ["a", "b", "c", "d"].map(|id| pools.counts(pools.layout.row(id).expect("a row"))[0]).into();
    assert_eq!(counted, [1, 1, 0, 1]);
    assert!(pools.maps[0].is_of(&state.partition(Partition(0)).expect("it is here").state));
}

#[test]
fn what_is_applied_as_pools_of_an_instant_are_begun_is_in_them() {
    let state = Arc::new(State::empty(Arc::new(StreamConfig::default()), 1));
    let ranker = Ranker::new(Arc::clone(&state), models(0));
    let (models, now) = (ranker.models(), Timestamp(1_700_000_000_000));
    ranker.refresh(now);
    let model = models.get("").expect("the default model");
    let clicks = |offset: u64| {
        let click = EventDraft {
            user_id: Some("u".into()),
            item_id: Some("i".into()),
            kind: Some("click".into()),
            ts: Some(now.0 - 1),
            ..EventDraft::default()
        };
        let click = click.check(&state.config().event_types).expect("an event");
        state.apply(Partition(0), Offset(offset), None, &click).expect("it is applied");
    };
    for offset in 0..2 {
        let pools = ranker.at(model, now, || clicks(offset));
        assert_eq!(u64::from(pools.most()[0]), offset + 1);
        // Taken by a refresh: what had not been there is missed all the same.
        ranker.refresh(now);
        // What is known now lacks nothing, until the next one comes as it is asked for.
        ranker.at(model, now, || ());
    }
}

#[test]
fn a_refresh_never_brings_back_models_that_were_replaced() {
    let state = Arc::new(State::empty(Arc::new(StreamConfig::default()), 2));
    let ranker = Arc::new(Ranker::new(state, models(0)));
    let refreshing = Arc::clone(&ranker);
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stop = Arc::clone(&done);
    let refresher = thread::spawn(move || {
        let mut now = 0;
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            now += 1;
            refreshing.refresh(Timestamp(now));
        }
    });
    for version in 1..100 {
        let loaded = models(version);
        ranker.load(Arc::clone(&loaded), Timestamp(0));
        for _ in 0..10 {
            let pools = ranker.pools("").expect("the default model");
            assert_eq!(pools.model.version, loaded.get("").expect("the default model").version);
            thread::yield_now();
        }
    }
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    refresher.join().expect("it ends");
}
