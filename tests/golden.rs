//! The golden snapshots: files of each format version and set of sections, kept for ever. Today's code
//! must read them and give the answers that were written down with them.
//!
//! `UPDATE_GOLDEN=1 cargo test --test golden -- --test-threads=1` makes that of today if it is not
//! there, and writes the answers anew, for when scoring has changed. It never replaces a snapshot:
//! bytes that have to change are another version of a section or of the format.

mod engine_harness;

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use engine_harness::{Click, Engine, model, query};
use headwater::engine::config::{DAY, HOUR, MINUTE, SECOND, StateLimits, StreamConfig};
use headwater::engine::events::event::{EventType, EventTypeSet, EventTypes};
use headwater::engine::events::item::Item;
use headwater::engine::facts::state::PartitionState;
use headwater::log::{Offset, Partition};
use headwater::snapshot::format::{Decoded, Header, decode, encode};

const START: i64 = 1_700_000_000_000;
const CLICKS: i64 = 400;
/// Before what users were shown was kept apart, and the items that they have acted on were.
const FIRST: &str = "snapshot-2";
/// Before event ids were remembered with their users.
const ACTED: &str = "snapshot-2-acted";
/// Before items were given back.
const IDS: &str = "snapshot-2-ids";
/// Before sessions and postings.
const COMPACTIONS: &str = "snapshot-2-compactions";
const TODAY: &str = "snapshot-2-postings";

/// Every option is spelled out, as the golden files must not follow a change of the defaults.
fn config() -> StreamConfig {
    StreamConfig {
        event_types: EventTypes::new([
            "view",
            "click",
            "add_to_cart",
            "purchase",
            "like",
            "dislike",
            "hide",
            "impression",
        ]),
        passive_event_types: [EventType(7)].into_iter().collect(),
        context_event_type: EventType(1),
        interest_windows: vec![HOUR, DAY, 7 * DAY],
        popularity_windows: vec![5 * MINUTE, HOUR, DAY],
        recent_events_per_user: 4,
        max_out_of_orderness: 30 * SECOND,
        max_clock_skew: 5 * MINUTE,
        dedup_horizon: HOUR,
        as_of_horizon: 15 * MINUTE,
        limits: StateLimits {
            users: 15,
            items: 24,
            categories: 1 << 20,
            coarse_counts_per_user: 40,
            acted_items: 3,
            lasting_items: 5,
            lasting_event_types: [EventType(3), EventType(6)].into_iter().collect(),
            recent_events: 200,
            event_ids: 120,
            postings_per_item: 4,
            postings: 60,
        },
    }
}

/// The first half of the items that events name, so that the others live by the events' own
/// categories.
fn items() -> Vec<Item> {
    (0..12).map(|place| Item::new(format!("i{place}"), [format!("c{}", place % 5)])).collect()
}

/// Two days of 18 people, of whom not all fit; with late events, retries, clocks that are ahead, and
/// more items than fit, of which some are of people who never come back.
fn clicks() -> impl Iterator<Item = Click> {
    (0..CLICKS).map(|place| {
        let ts = START + place * 7 * MINUTE - if place % 9 == 0 { 3 * HOUR } else { 0 };
        Click {
            id: (place % 4 != 0).then(|| format!("e{}", place - place % 10 / 9)),
            user: if place < 3 { format!("guest{place}") } else { format!("u{}", place * 7 % 18) },
            item: if place < 3 { format!("gone{place}") } else { format!("i{}", place * 11 % 26) },
            kind: (place % 8) as u8,
            ts: if place % 50 == 49 { ts - 8 * DAY } else { ts },
            logged: (place % 3 == 0).then_some(ts - if place % 30 == 0 { HOUR } else { 0 }),
            session: (place % 3 > 0).then(|| format!("s{}", place / 40)),
            categories: (place % 5 == 0).then(|| format!("c{}", place % 7)).into_iter().collect(),
        }
    })
}

fn engine() -> Engine {
    let config = config();
    let model = model(&config);
    Engine::new(config, &items(), model, 1)
}

/// Everything that the state can be asked, as text: doubles as the shortest text that gives the
/// same bits back.
fn answers(engine: &mut Engine) -> String {
    let mut text = String::new();
    let state = &engine.states[0];
    let (users, ids) = (state.users_len(), state.event_ids_len());
    writeln!(text, "newest {} watermark {:?}", state.newest().0, state.watermark().map(|time| time.0))
        .unwrap();
    writeln!(text, "users {users} items {} event_ids {ids}", state.items().len()).unwrap();
    writeln!(text, "{:?}", state.counters()).unwrap();
    for t in [engine.newest(), engine.newest() + HOUR] {
        let pools = engine.pools(t);
        for user in (0..18).map(|user| format!("u{user}")).chain(["nobody".to_owned()]) {
            let answer = engine.ask(&pools, &user, &query(5, t)).expect("state can answer for it");
            let newest = answer.profile_as_of.map(|time| time.0);
            write!(text, "{t} {user} {newest:?}").unwrap();
            for ranked in &answer.items {
                write!(text, " {}={:?}", pools.layout.id(ranked.row), ranked.score).unwrap();
            }
            for window in engine.report(&user, t).expect("state can answer for it") {
                write!(text, " | {} {:?}", window.events, window.total_weight).unwrap();
                for category in &window.categories {
                    write!(text, " {}={:?}", category.category, category.weight).unwrap();
                }
            }
            text.push('\n');
        }
    }
    text
}

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn snapshot(name: &str) -> Decoded {
    let bytes = fs::read(golden(&format!("{name}.snap"))).expect("the golden file");
    decode(&bytes, Arc::new(config())).expect("it can be read")
}

fn header(stream: &StreamConfig) -> Header {
    Header {
        topic: "clicks".to_owned(),
        partition: Partition(0),
        partitions: 1,
        next_offset: Offset(CLICKS as u64),
        written_at: START + 2 * DAY,
        stream: stream.facts_text(),
    }
}

fn encoded(state: &PartitionState) -> Vec<u8> {
    encode(&header(&config()), &state.to_sections()).expect("it can be packed").concat()
}

/// The state that the clicks make today.
fn applied() -> Engine {
    let mut engine = engine();
    engine.apply_all(clicks().collect::<Vec<_>>().iter());
    engine
}

/// The answers of a golden snapshot are those that were written down, which are written anew if that was asked for.
fn gives_its_answers(name: &str, state: PartitionState) {
    let mut engine = engine();
    engine.states[0] = state;
    let (told, file) = (answers(&mut engine), golden(&format!("{name}.txt")));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&file, &told).expect("a golden file");
    }
    assert_eq!(told, fs::read_to_string(file).expect("the golden file"));
}

#[test]
fn the_first_snapshot_of_format_2_gives_its_answers() {
    let Decoded { header: found, state, .. } = snapshot(FIRST);
    assert_eq!(found, header(&StreamConfig { passive_event_types: EventTypeSet::NONE, ..config() }));
    gives_its_answers(FIRST, state);
}

#[test]
fn the_snapshot_of_before_event_ids_had_their_users_gives_its_answers() {
    gives_its_answers(ACTED, snapshot(ACTED).state);
}

#[test]
fn the_snapshot_of_before_items_were_given_back_gives_its_answers() {
    gives_its_answers(IDS, snapshot(IDS).state);
}

#[test]
fn the_snapshot_of_before_postings_gives_its_answers_and_loses_none_that_histories_hold() {
    let state = snapshot(COMPACTIONS).state;
    assert!((30..=60).contains(&state.postings_len()), "{} postings", state.postings_len());
    gives_its_answers(COMPACTIONS, state);
}

#[test]
fn the_snapshot_of_today_gives_its_answers_and_its_bytes() {
    let file = golden(&format!("{TODAY}.snap"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() && !file.exists() {
        fs::write(&file, encoded(&applied().states[0])).expect("a golden file");
    }
    let Decoded { header: found, state, .. } = snapshot(TODAY);
    assert_eq!(found, header(&config()));
    assert!(state.acted_items_len() > 0);
    assert!(state.compactions().items > 0, "nothing was given back");
    let profiles = state.user_ids().filter_map(|id| state.user(id));
    let events: Vec<_> = profiles.flat_map(|profile| profile.acted().raw()).collect();
    assert!(
        events.iter().any(|event| event.session() > 0) && events.iter().any(|event| event.session() == 0)
    );
    assert!((30..=60).contains(&state.postings_len()), "{} postings", state.postings_len());
    let bytes = fs::read(file).expect("the golden file");
    assert!(encoded(&state) == bytes, "read and written again it has other bytes");
    let today = encoded(&applied().states[0]);
    assert!(today == bytes, "the state that these clicks make, or the way it is written, has changed");
    gives_its_answers(TODAY, state);
}
