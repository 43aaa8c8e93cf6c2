//! The validated configuration: the settings of each part, side by side.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::mistake::Source;
use crate::engine::config::{LASTING, PASSIVE, StreamConfig};
use crate::engine::events::event::EventTypeSet;
use crate::ingest::IngestSettings;
use crate::log::journal::JournalSettings;
use crate::log::kafka::{Assignment, KafkaSettings};
use crate::models::ModelsSettings;
use crate::serving::ServerSettings;
use crate::snapshot::{Location, SnapshotSettings};
use crate::telemetry::TelemetrySettings;

/// Where data lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSettings {
    /// The folder of the journal and of local snapshots.
    pub dir: PathBuf,
}

impl Default for DataSettings {
    fn default() -> Self {
        Self { dir: "./headwater-data".into() }
    }
}

/// The validated configuration of the program.
#[derive(Clone, Debug)]
pub struct Config {
    /// How the service is reached and how it stops.
    pub server: ServerSettings,
    /// Where data lives.
    pub data: DataSettings,
    /// The embedded journal.
    pub journal: JournalSettings,
    /// Scoring models.
    pub models: ModelsSettings,
    /// Saved state.
    pub snapshot: SnapshotSettings,
    /// How records become state.
    pub ingest: IngestSettings,
    /// Which facts state keeps, and how many.
    pub stream: StreamConfig,
    /// Logs.
    pub telemetry: TelemetrySettings,
    pub(super) kafka: KafkaSettings,
    /// As they were written; `stream` has them as types.
    pub(super) context_event_type: String,
    pub(super) passive_event_types: Vec<String>,
    pub(super) lasting_event_types: Vec<String>,
    /// The file that was read.
    pub(super) file: Option<PathBuf>,
    /// Where each option that is not the default was written.
    pub(super) sources: BTreeMap<String, Source>,
}

impl Config {
    /// Kafka's settings; none when the embedded journal is the log.
    pub fn kafka(&self) -> Option<&KafkaSettings> {
        (!self.kafka.brokers.is_empty()).then_some(&self.kafka)
    }

    /// Whether a consumer group decides which partitions this process takes.
    pub fn is_shared(&self) -> bool {
        self.kafka().is_some_and(|kafka| kafka.assignment == Assignment::Group)
    }

    /// Where the value in force of an option was written.
    pub fn source(&self, key: &str) -> Source {
        self.sources.get(key).cloned().unwrap_or_default()
    }

    pub(super) fn defaults() -> Self {
        let stream = StreamConfig::default();
        Self {
            server: ServerSettings::default(),
            data: DataSettings::default(),
            journal: JournalSettings::default(),
            models: ModelsSettings::default(),
            snapshot: SnapshotSettings::default(),
            ingest: IngestSettings::default(),
            context_event_type: stream.event_types.name(stream.context_event_type).to_owned(),
            passive_event_types: PASSIVE.map(str::to_owned).to_vec(),
            lasting_event_types: LASTING.map(str::to_owned).to_vec(),
            stream,
            telemetry: TelemetrySettings::default(),
            kafka: KafkaSettings::default(),
            file: None,
            sources: BTreeMap::new(),
        }
    }

    /// Fills in what follows from other options.
    pub(super) fn derive(&mut self) {
        // What is no type of the stream is refused when all is checked.
        if let Some(kind) = self.stream.event_types.get(&self.context_event_type) {
            self.stream.context_event_type = kind;
        }
        let types = &self.stream.event_types;
        // The defaults are those that are there.
        let sets = [
            ("stream.passive_event_types", &mut self.passive_event_types),
            ("limits.lasting_event_types", &mut self.lasting_event_types),
        ];
        for (key, names) in sets {
            if !self.sources.contains_key(key) {
                names.retain(|name| types.get(name).is_some());
            }
        }
        let of = |names: &[String]| EventTypeSet::of(types, names.iter().map(String::as_str));
        let (passive, lasting) = (of(&self.passive_event_types), of(&self.lasting_event_types));
        self.stream.passive_event_types = passive;
        self.stream.limits.lasting_event_types = lasting;
        self.journal.dir = self.data.dir.join("journal");
        if !self.sources.contains_key("snapshot.url") {
            let dir = self.data.dir.join("snapshots");
            self.snapshot.location = Location::Folder(std::path::absolute(&dir).unwrap_or(dir));
        }
        if !self.sources.contains_key("kafka.dead_letters_topic") {
            self.kafka.dead_letters_topic = format!("{}.dlq", self.kafka.clicks_topic);
        }
    }
}
