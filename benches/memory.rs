//! What a user and what an item cost in memory.
//!
//! `memory.user`: a million generated users with twelve events each, in partition states as the service
//! has them. The events are made by another process, so that nothing of the generator's counts.
//! `memory.item`: see `items.rs`; in another process, so that neither finds what the other has freed.

#[path = "common/catalog.rs"]
mod catalog;
mod common;
#[path = "memory/items.rs"]
mod items;

use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use common::{Part, bar, resident_bytes};
use headwater::codec::{Encoding, decode_event, decode_item};
use headwater::engine::config::StreamConfig;
use headwater::engine::events::catalog::Catalog;
use headwater::engine::events::item::ItemChange;
use headwater::engine::facts::state::PartitionState;
use headwater::generate::{GenerateSettings, Generator, write_item_json};
use headwater::log::partition_of;

const USERS: u32 = 1_000_000;
const EVENTS_A_USER: u32 = 12;
const ITEMS: u32 = 2_000;
const PARTITIONS: u32 = 4;
/// Longer than the allocator keeps what was freed.
const PURGED: Duration = Duration::from_millis(3000);
/// The argument that makes this program the generator.
const GENERATE: &str = "generate";
/// The argument that makes this program measure items.
const MEASURE_ITEMS: &str = "items";

fn main() {
    match common::part().as_deref() {
        Some(GENERATE) => generate().expect("the reader reads"),
        Some(MEASURE_ITEMS) => items::run(),
        _ => {
            users();
            let mut items = Part::start(MEASURE_ITEMS, None);
            io::copy(&mut items.child.stdout.take().expect("piped"), &mut io::stdout()).expect("it prints");
        }
    }
}

fn users() {
    let config = Arc::new(StreamConfig::default());
    let mut part = Part::start(GENERATE, None);
    let mut lines = BufReader::with_capacity(1 << 20, part.child.stdout.take().expect("piped"));
    let mut line = Vec::new();
    let empty = resident();

    let mut catalog = Catalog::default();
    for _ in 0..ITEMS {
        let item = decode_item(next(&mut lines, &mut line).expect("an item"), Encoding::Json);
        catalog.apply(ItemChange::Put(item.expect("a valid item")), usize::MAX);
    }
    let with_catalog = resident();
    let mut states: Vec<PartitionState> =
        (0..PARTITIONS).map(|_| PartitionState::new(Arc::clone(&config))).collect();
    let mut events = 0_u64;
    while let Some(bytes) = next(&mut lines, &mut line) {
        let draft = decode_event(bytes, Encoding::Json).expect("JSON");
        let event = draft.check(&config.event_types).expect("a valid event");
        let partition = partition_of(event.user_id.as_bytes(), PARTITIONS).index();
        states[partition].apply(&event, None, &catalog);
        events += 1;
    }
    let full = resident();

    let users: usize = states.iter().map(PartitionState::users_len).sum();
    let applied: u64 = states.iter().map(|state| state.counters().applied).sum();
    assert_eq!(users, USERS as usize);
    assert_eq!(applied, u64::from(USERS) * u64::from(EVENTS_A_USER));
    println!(
        "memory: {events} events, {applied} distinct; resident: {:.1} MB empty, {:.1} MB with {ITEMS} items, {:.1} MB full",
        empty / 1e6,
        with_catalog / 1e6,
        full / 1e6
    );
    bar("memory.user", (full - empty) / users as f64, "bytes");
}

fn next<'a>(lines: &mut impl BufRead, line: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    line.clear();
    (lines.read_until(b'\n', line).expect("the generator writes") > 0).then_some(line.as_slice())
}

fn generate() -> io::Result<()> {
    let settings = GenerateSettings {
        users: USERS,
        items: ITEMS,
        events_per_user: Some(EVENTS_A_USER),
        ..GenerateSettings::default()
    };
    let generator = Generator::new(settings).expect("settings in their ranges");
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    for item in generator.items() {
        write_item_json(item, &mut out)?;
        out.write_all(b"\n")?;
    }
    for event in generator.events() {
        event.write_json(&mut out)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// What this process holds in RAM once the allocator has given back what was freed, in bytes.
fn resident() -> f64 {
    // It does so when something is allocated, which a service that answers does all the time.
    let until = Instant::now() + PURGED;
    while Instant::now() < until {
        drop((0..10_000).map(|_| Box::new([0_u8; 64])).collect::<Vec<_>>());
        thread::sleep(Duration::from_millis(50));
    }
    resident_bytes(std::process::id())
}
