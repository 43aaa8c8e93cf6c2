//! Configuration: what people write, read once into types that cannot be wrong.
//!
//! Layers, weakest first: defaults, `headwater.toml`, `HEADWATER_SECTION__KEY`, `--set`. Every key
//! is defined once, in `keys.rs`; every mistake is named, in one run.

mod check;
pub(crate) mod document;
mod keys;
mod layers;
pub(crate) mod mistake;
mod offsets;
mod origins;
mod properties;
mod render;
pub(crate) mod rules;
mod snapshot_url;
mod summary;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

pub use mistake::{Mistake, Problem, Source};
pub use render::{default_toml, docs};
pub use values::{Config, DataSettings};

use crate::snapshot::AwsEnvironment;
use crate::telemetry::LogFormat;
use layers::Layers;

/// The file that is read when none is named, if it is there.
pub const DEFAULT_FILE: &str = "headwater.toml";

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
    /// `HEADWATER_SECTION__KEY` counts, `AWS_...` where snapshots go to a bucket, and `SSL_CERT_FILE`; `set` holds
    /// `section.key=value` texts.
    ///
    /// # Errors
    /// Every mistake, with its source, key, value and what was expected.
    pub fn load(
        file: Option<&Path>,
        environment: &BTreeMap<String, String>,
        set: &[String],
    ) -> Result<Self, ConfigError> {
        let (mut config, mut mistakes) = Self::layers(file, environment, set);
        config.derive();
        config.snapshot.s3.environment = AwsEnvironment::of(environment);
        mistakes.extend(check::check(&config, &mistakes));
        mistakes.extend(check::check_passed_on(&config, environment));
        if mistakes.is_empty() { Ok(config) } else { Err(ConfigError { mistakes }) }
    }

    /// How log lines are to be written, as far as that can be read: for a configuration that can't be used.
    pub fn log_format(
        file: Option<&Path>,
        environment: &BTreeMap<String, String>,
        set: &[String],
    ) -> LogFormat {
        Self::layers(file, environment, set).0.telemetry.log_format
    }

    /// All layers, and what is wrong with single values.
    fn layers(
        file: Option<&Path>,
        environment: &BTreeMap<String, String>,
        set: &[String],
    ) -> (Self, Vec<Mistake>) {
        let mut layers = Layers::new();
        let default = Path::new(DEFAULT_FILE);
        if let Some(path) = file.or_else(|| default.exists().then_some(default)) {
            layers.file(path);
        }
        layers.environment(environment);
        layers.command_line(set);
        layers.finish()
    }
}

#[cfg(test)]
mod tests;
