//! Where events and items come from: generated, or read from the files of a real clickstream.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use headwater::engine::config::{DAY, SECOND};
use headwater::engine::events::event::Timestamp;
use headwater::generate::{GenerateSettings, Generator};
use headwater::proto;

use super::oracle::Thing;
use super::sandbox::messages::event;

/// A catalog and the events on it, in the order of their arrival.
pub struct DataSet {
    pub things: Vec<Thing>,
    pub events: Vec<proto::Event>,
}

/// Sixty days with retries, and with events that come too late to count.
pub fn generated() -> DataSet {
    let settings = GenerateSettings {
        seed: 11,
        users: 300,
        items: 600,
        events: 40_000,
        start: Timestamp(1_700_000_000_000),
        span_ms: 60 * DAY,
        late_share: 0.2,
        max_late_ms: 40 * SECOND,
        very_late_share: 0.02,
        max_very_late_ms: 45 * DAY,
        duplicate_share: 0.05,
        ..GenerateSettings::default()
    };
    let generator = Generator::new(settings).expect("valid settings");
    let thing = |item: &headwater::engine::events::item::Item| Thing {
        id: item.item_id.clone(),
        categories: item.categories.clone(),
        created_at: item.created_at.map(|at| at.0),
        expires_at: item.expires_at.map(|at| at.0),
        available: item.available,
    };
    let event = |generated: headwater::generate::GeneratedEvent<'_>| proto::Event {
        event_id: generated.event_id(),
        value: generated.value.map(f64::from),
        session_id: generated.session_id(),
        surface: generated.surface.into(),
        ..event(&generated.user_id(), &generated.item.item_id, generated.kind, generated.ts.0)
    };
    DataSet {
        things: generator.items().iter().map(thing).collect(),
        events: generator.events().map(event).collect(),
    }
}

/// A real data set, if it is there.
pub fn real(name: &str) -> Option<DataSet> {
    let root = std::env::var("HEADWATER_TEST_DATA").unwrap_or_else(|_| "../shared/data".into());
    let folder: PathBuf = Path::new(&root).join(name);
    if !folder.is_dir() {
        println!("{} is not there: only the generated stream is compared", folder.display());
        return None;
    }
    let thing = |row: HashMap<String, String>| Thing {
        id: row["item_id"].clone(),
        categories: row["categories"].split('|').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        created_at: row["created_at"].parse().ok(),
        expires_at: None,
        available: true,
    };
    let event = |row: HashMap<String, String>| proto::Event {
        event_id: row["event_id"].clone(),
        ..event(
            &row["user_id"],
            &row["item_id"],
            &row["type"],
            row["ts"].parse().expect("a time in milliseconds"),
        )
    };
    Some(DataSet {
        things: rows(&folder.join("items.csv.zst")).map(thing).collect(),
        events: rows(&folder.join("events.csv.zst")).map(event).collect(),
    })
}

fn rows(path: &Path) -> impl Iterator<Item = HashMap<String, String>> {
    let file = std::fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let reader = csv::Reader::from_reader(zstd::Decoder::new(file).expect("a zstd file"));
    reader.into_deserialize().map(|row| row.expect("a row with a value for each column"))
}
