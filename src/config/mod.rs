//! Configuration: what people write, read once into types that cannot be wrong.
//!
//! Layers, weakest first: defaults, `headwater.toml`, `HEADWATER_SECTION__KEY`, `--set`. Every key
//! is defined once, in `keys.rs`; every mistake is named, in one run. `models/*.toml` are read here
//! too, as they are validated against the stream's configuration, and [`ModelWatcher`] rereads
//! them while the service runs.

mod check;
mod document;
mod keys;
mod layers;
mod mistake;
mod model_file;
mod models;
mod properties;
mod render;
mod rules;
mod settings;
mod watcher;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

pub use mistake::{Mistake, Problem, Source};
pub use model_file::{ModelError, parse_model};
pub use models::{BUILT_IN_MODEL, ModelSet, ModelsError};
pub use render::{default_toml, docs};
pub use settings::{
    Assignment, AwsEnvironment, DataSettings, IngestSettings, JournalSettings, KafkaSettings, LogFormat,
    ModelsSettings, Place, RecordFormat, S3Settings, ServerSettings, SnapshotSettings, TelemetrySettings,
};
pub use watcher::{ModelEvent, ModelWatcher};

use crate::engine::stream::StreamConfig;
use layers::Layers;

/// The file that is read when none is named, if it is there.
pub const DEFAULT_FILE: &str = "headwater.toml";

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
    kafka: KafkaSettings,
    /// Where each option that is not the default was written.
    sources: BTreeMap<String, Source>,
}

/// Why there is no configuration: every mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// In the order of the layers.
    pub mistakes: Vec<Mistake>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        mistake::write_list(f, "the configuration can't be used", &self.mistakes)
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads all layers. With no `file`, [`DEFAULT_FILE`] of the working directory counts if it is
    /// there. Relative paths are relative to the working directory. Of `environment`,
    /// `HEADWATER_SECTION__KEY` counts, and `AWS_...` where snapshots go to a bucket; `set` holds `section.key=value` texts.
    ///
    /// # Errors
    /// Every mistake, with its source, key, value and what was expected.
    pub fn load(
        file: Option<&Path>,
        environment: &BTreeMap<String, String>,
        set: &[String],
    ) -> Result<Self, ConfigError> {
        let mut layers = Layers::new();
        let default = Path::new(DEFAULT_FILE);
        if let Some(path) = file.or_else(|| default.exists().then_some(default)) {
            layers.file(path);
        }
        layers.environment(environment);
        layers.command_line(set);
        let (mut config, mut mistakes) = layers.finish();
        config.derive();
        config.snapshot.s3.environment = AwsEnvironment::of(environment);
        mistakes.extend(check::check(&config, &mistakes));
        if mistakes.is_empty() { Ok(config) } else { Err(ConfigError { mistakes }) }
    }

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

    fn defaults() -> Self {
        Self {
            server: ServerSettings::default(),
            data: DataSettings::default(),
            journal: JournalSettings::default(),
            models: ModelsSettings::default(),
            snapshot: SnapshotSettings::default(),
            ingest: IngestSettings::default(),
            stream: StreamConfig::default(),
            telemetry: TelemetrySettings::default(),
            kafka: KafkaSettings::default(),
            sources: BTreeMap::new(),
        }
    }

    /// Fills in what follows from other options.
    fn derive(&mut self) {
        self.journal.dir = self.data.dir.join("journal");
        if !self.sources.contains_key("snapshot.url") {
            let dir = self.data.dir.join("snapshots");
            self.snapshot.place = Place::Folder(std::path::absolute(&dir).unwrap_or(dir));
        }
        if !self.sources.contains_key("kafka.dead_letters_topic") {
            self.kafka.dead_letters_topic = format!("{}.dlq", self.kafka.clicks_topic);
        }
    }
}

#[cfg(test)]
mod tests;
