//! Broken snapshot bytes: they are refused or read as something else, but never panic and never
//! take memory out of proportion to what they are.

#![expect(unsafe_code, reason = "an allocator that counts is one")]

mod allocation;
mod engine_harness;

use std::collections::BTreeSet;
use std::sync::Arc;

use allocation::most_held;
use engine_harness::streams::{clicks, config, items, user};
use engine_harness::{Engine, model, query, sections};
use headwater::engine::config::{StateLimits, StreamConfig};
use headwater::engine::events::event::{EventType, EventTypeSet};
use headwater::engine::facts::codec::Corrupt;
use headwater::engine::facts::history::History;
use headwater::engine::facts::sections::FAMILIES;
use headwater::engine::facts::state::PartitionState;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Damage {
    Cut(prop::sample::Index),
    Flip(prop::sample::Index, u8),
    /// A length or a number that is as large as it can be, or small and wrong.
    Number(prop::sample::Index, u32),
    Insert(prop::sample::Index, Vec<u8>),
}

fn damages() -> impl Strategy<Value = Vec<(usize, Damage)>> {
    let place = any::<prop::sample::Index>;
    let number = prop_oneof![Just(u32::MAX), Just(i32::MAX as u32), 0..100_u32, any::<u32>()];
    let damage = prop_oneof![
        place().prop_map(Damage::Cut),
        (place(), 0..8_u8).prop_map(|(place, bit)| Damage::Flip(place, bit)),
        (place(), number).prop_map(|(place, number)| Damage::Number(place, number)),
        (place(), prop::collection::vec(any::<u8>(), 1..20))
            .prop_map(|(place, bytes)| Damage::Insert(place, bytes)),
    ];
    prop::collection::vec((0..FAMILIES.len(), damage), 1..4)
}

fn apply(damage: &Damage, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    match damage {
        Damage::Cut(place) => bytes.truncate(place.index(bytes.len())),
        Damage::Flip(place, bit) => {
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
        }
        Damage::Number(place, number) => {
            let place = place.index(bytes.len());
            for (byte, new) in bytes[place..].iter_mut().zip(number.to_le_bytes()) {
                *byte = new;
            }
        }
        Damage::Insert(place, new) => {
            let place = place.index(bytes.len());
            bytes.splice(place..place, new.iter().copied());
        }
    }
}

fn tight() -> StreamConfig {
    let limits = StateLimits { users: 4, ..StateLimits::default() };
    StreamConfig { limits, ..config() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn broken_bytes_never_panic_and_never_take_more_memory_than_they_are_worth(
        clicks in clicks(120),
        damages in damages(),
    ) {
        let config = tight();
        let mut engine = Engine::new(config.clone(), &items(), model(&config), 1);
        engine.apply_all(&clicks);
        let mut bytes = sections(&engine.states[0]);
        damages.iter().for_each(|(section, damage)| apply(damage, &mut bytes[*section]));
        let size: usize = bytes.iter().map(Vec::len).sum();
        let (read, taken) = most_held(|| {
            PartitionState::from_sections(Arc::clone(&engine.config), bytes.iter().map(Vec::as_slice))
        });
        prop_assert!(taken <= 64 * size as i64 + (1 << 16), "{} bytes took {}", size, taken);
        let Ok(state) = read else { return Ok(()) };
        // What was read is a state like any other: it can be asked, fed and written.
        engine.states[0] = state;
        engine.apply_all(&clicks);
        let t = engine.newest().max(engine.floor());
        let pools = engine.pools(t);
        for place in 0..3 {
            let _ = engine.ask(&pools, &user(place), &query(10, t));
            let _ = engine.report(&user(place), t);
        }
        prop_assert!(!sections(&engine.states[0]).is_empty());
    }
}

/// Three users, 23 items, seven categories, 100 events.
fn small() -> Engine {
    let config = tight();
    let mut engine = Engine::new(config.clone(), &items(), model(&config), 1);
    for place in 0..100_usize {
        engine.apply(&engine_harness::Click {
            id: Some(format!("e{place}")),
            user: user(place % 3),
            item: format!("i{}", place % 23),
            kind: (place % 8) as u8,
            ts: 1_700_000_000_000 + place as i64 * 20_000,
            logged: None,
            session: None,
            categories: vec![format!("c{}", place % 7)],
        });
    }
    engine
}

fn read(engine: &Engine, bytes: &[Vec<u8>]) -> Result<PartitionState, Corrupt> {
    PartitionState::from_sections(Arc::clone(&engine.config), bytes.iter().map(Vec::as_slice))
}

#[test]
fn every_cut_is_noticed() {
    let engine = small();
    let whole = sections(&engine.states[0]);
    assert!(read(&engine, &whole).is_ok());
    for section in 0..whole.len() {
        for length in 0..whole[section].len() {
            let mut cut = whole.clone();
            cut[section].truncate(length);
            assert!(read(&engine, &cut).is_err(), "{} cut to {length} bytes", FAMILIES[section].tag);
        }
        let mut longer = whole.clone();
        longer[section].push(0);
        assert_eq!(read(&engine, &longer).err(), Some(Corrupt::Long(1)));
    }
}

#[test]
fn a_number_that_points_nowhere_is_named() {
    let engine = small();
    // Popularity starts with the floor, the number of recent events, and the first of these.
    let event = 8 + 4;
    let cases: [(&str, usize, &[u8], &str); 6] = [
        ("popularity", 0, &[0xff; 8], "byte 0 does not hold a valid time"),
        ("popularity", 8, &[0xff; 4], "byte 8 does not hold a valid count"),
        ("popularity", event, &[0x7f; 8], "byte 12 does not hold a valid time"),
        ("popularity", event + 8, &[8], "byte 20 does not hold a valid event type"),
        ("popularity", event + 9, &[23, 0, 0, 0], "byte 21 does not hold a valid item"),
        // The name of the first category is made that of the second.
        ("categories", 4 + 4 + 3, b"0", "byte 8 does not hold a valid category name"),
    ];
    for (section, at, bytes, message) in cases {
        let mut broken = sections(&engine.states[0]);
        let place = FAMILIES.iter().position(|family| family.tag == section).expect("one of all");
        broken[place][at..at + bytes.len()].copy_from_slice(bytes);
        let error = read(&engine, &broken).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some(message));
    }
}

/// The same state, read under other limits.
fn limited(engine: &Engine, limits: StateLimits) -> PartitionState {
    let config = StreamConfig { limits, ..(*engine.config).clone() };
    let bytes = sections(&engine.states[0]);
    PartitionState::from_sections(Arc::new(config), bytes.iter().map(Vec::as_slice)).expect("it can be read")
}

#[test]
fn limits_that_were_raised_change_nothing_that_is_read() {
    let engine = small();
    let raised = limited(&engine, StateLimits::NONE);
    assert_eq!(sections(&raised), sections(&engine.states[0]));
}

#[test]
fn a_limit_on_users_that_was_lowered_holds_and_those_that_were_idle_for_longest_are_gone() {
    let engine = small();
    let read = limited(&engine, StateLimits { users: 1, ..StateLimits::default() });
    assert_eq!((read.users_len(), read.counters().users_evicted), (1, 2));
    // The last event, number 99, is of the first of three users.
    assert!(read.user(&user(0)).is_some());
}

#[test]
fn a_limit_on_items_that_was_lowered_drops_what_is_known_of_those_that_came_last() {
    let mut engine = small();
    // As many may be those of the catalog.
    let read = limited(&engine, StateLimits { items: 5, ..StateLimits::default() });
    let names: Vec<&str> = read.items().names().collect();
    assert_eq!(names, (0..10).map(|item| format!("i{item}")).collect::<Vec<_>>());
    // Of 100 events on 23 items in turn 4 or 5 were on each; those that no window covers are gone anyway.
    let kept = (0..100).filter(|event| event % 23 < 10).count() as u64;
    let dropped = read.counters().item_limit;
    assert!((1..=100 - kept).contains(&dropped), "{dropped} were dropped");
    assert!(read.popularity().recent_len() as u64 <= kept);
    // What is left is a state like any other, and its limit holds from now on.
    let again = PartitionState::from_sections(
        Arc::clone(read.config()),
        read.to_sections().iter().map(Vec::as_slice),
    );
    assert_eq!(sections(&again.expect("it can be read")), sections(&read));
    engine.states[0] = read;
    let t = engine.newest().max(engine.floor());
    let pools = engine.pools(t);
    for place in 0..3 {
        let answer = engine.ask(&pools, &user(place), &query(10, t)).expect("everyone can be answered");
        assert!(answer.items.iter().all(|ranked| ranked.score.is_finite()));
    }
}

#[test]
fn the_other_limits_hold_too_when_they_were_lowered() {
    let engine = small();
    let limits =
        StateLimits { coarse_counts_per_user: 8, recent_events: 10, event_ids: 16, ..StateLimits::default() };
    let read = limited(&engine, limits);
    assert!(read.popularity().recent_len() <= 10, "{} recent events", read.popularity().recent_len());
    assert!(read.event_ids_len() <= 16, "{} event ids", read.event_ids_len());
    assert!(read.counters().counts_dropped > 0, "each user had more than 8 coarse counts");
}

#[test]
fn what_was_kept_together_is_taken_apart_when_it_is_read() {
    let together = StreamConfig { passive_event_types: EventTypeSet::NONE, ..config() };
    let mut engine = Engine::new(together.clone(), &items(), model(&together), 1);
    // More than are kept one by one; every fourth is an impression.
    for place in 0..60_u8 {
        engine.apply(&engine_harness::Click {
            user: user(0),
            item: format!("i{}", place % 20),
            kind: [1, 7, 4, 6][usize::from(place % 4)],
            ts: 1_700_000_000_000 + i64::from(place) * 1000,
            ..engine_harness::Click::default()
        });
    }
    let t = engine.newest();
    let before = engine.report(&user(0), t).expect("now is held");
    let bytes = sections(&engine.states[0]);
    let apart = Arc::new(config());
    let read = PartitionState::from_sections(Arc::clone(&apart), bytes.iter().map(Vec::as_slice));
    engine.states[0] = read.expect("it can be read");
    (engine.config, engine.model) = (Arc::clone(&apart), Arc::new(model(&apart)));
    let profile = engine.states[0].user(&user(0)).expect("somebody");
    let kinds = |history: &History| {
        let (raw, coarse) = history.to_snapshot(engine.states[0].interest_windows());
        let counted = coarse.iter().flat_map(|(_, counts)| counts.iter().map(|count| count.kind));
        raw.iter().map(|event| event.kind()).chain(counted).collect::<BTreeSet<_>>()
    };
    assert_eq!(kinds(profile.acted()), [EventType(1), EventType(4), EventType(6)].into());
    assert_eq!(kinds(profile.shown().expect("it is apart")), [EventType(7)].into());
    let after = engine.report(&user(0), t).expect("now is held");
    // All of it is within the longest windows; in the shorter ones the far edge is as coarse as it was.
    assert_eq!(after.last(), before.last());
    let again = sections(&engine.states[0]);
    let written =
        PartitionState::from_sections(apart, again.iter().map(Vec::as_slice)).expect("it can be read");
    assert_eq!(sections(&written), again);
}
