//! The history: generated events and items in a journal, as `Publish` would have put them there.

use std::sync::Arc;

use headwater::clock::wall_clock;
use headwater::config::Config;
use headwater::generate::{GenerateSettings, Generator, write_item_json};
use headwater::log::journal::JournalLog;
use headwater::log::{Log, NewRecord, Topic};

use super::{EVENTS_A_USER, ITEMS, USERS};

/// Records of one append.
const CHUNK: usize = 10_000;

/// Makes the journal of a configuration. How many events it holds.
pub async fn fill(config: &Config) -> usize {
    let log = JournalLog::open(config.journal.clone(), Arc::new(wall_clock)).expect("a journal");
    let settings = GenerateSettings {
        users: USERS,
        items: ITEMS,
        events_per_user: Some(EVENTS_A_USER),
        ..GenerateSettings::default()
    };
    let generator = Generator::new(settings).expect("settings in their ranges");
    let items = generator.items().iter().map(|item| {
        record(&item.item_id, |value| write_item_json(item, value).expect("memory can be written"))
    });
    log.append(Topic::Items, items.collect()).await.expect("items are appended");

    let mut count = 0;
    let mut events = generator.events().map(|event| {
        record(&event.user_id(), |value| event.write_json(value).expect("memory can be written"))
    });
    loop {
        let chunk: Vec<NewRecord> = events.by_ref().take(CHUNK).collect();
        if chunk.is_empty() {
            return count;
        }
        count += chunk.len();
        log.append(Topic::Clicks, chunk).await.expect("events are appended");
    }
}

fn record(key: &str, write: impl FnOnce(&mut Vec<u8>)) -> NewRecord {
    let mut value = Vec::new();
    write(&mut value);
    NewRecord { key: key.as_bytes().to_vec(), value: Some(value), headers: Vec::new() }
}
