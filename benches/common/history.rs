//! A history on a log: generated events and items, as `Publish` would have put them there.

use headwater::generate::{Generator, write_item_json};
use headwater::log::{Log, NewRecord, Topic};

/// Records of one append.
const CHUNK: usize = 10_000;

/// Appends it. How many events it holds.
pub async fn append(log: &dyn Log, generator: &Generator) -> usize {
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
