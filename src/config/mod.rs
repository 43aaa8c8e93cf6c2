//! Configuration: what people write, read once into types that cannot be wrong.
//!
//! Layers, weakest first: defaults, `headwater.toml`, `HEADWATER_SECTION__KEY`, `--set`. Every key
//! is defined once, in `keys.rs`; every mistake is named, in one run.

mod check;
pub(crate) mod document;
pub(crate) mod keys;
mod layers;
pub(crate) mod mistake;
mod properties;
mod render;
pub(crate) mod rules;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

pub use mistake::{Mistake, Problem, Source};
pub use render::{default_toml, docs};

use crate::engine::config::StreamConfig;
use crate::ingest::IngestSettings;
use crate::log::journal::JournalSettings;
use crate::log::kafka::{Assignment, KafkaSettings};
use crate::models::ModelsSettings;
use crate::serving::ServerSettings;
use crate::snapshot::{AwsEnvironment, Location, SnapshotSettings};
use crate::telemetry::TelemetrySettings;
use layers::Layers;

/// The file that is read when none is named, if it is there.
pub const DEFAULT_FILE: &str = "headwater.toml";

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
            self.snapshot.place = Location::Folder(std::path::absolute(&dir).unwrap_or(dir));
        }
        if !self.sources.contains_key("kafka.dead_letters_topic") {
            self.kafka.dead_letters_topic = format!("{}.dlq", self.kafka.clicks_topic);
        }
    }
}

#[cfg(test)]
mod tests;
