//! `headwater config`: prints and checks the configuration.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::config::{Config, ConfigError, Mistake, default_toml};
use crate::models::ModelSet;
use crate::models::ModelsError;
use crate::telemetry::LogFormat;

/// Where configuration comes from; every command that runs the service takes these.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct ConfigArgs {
    /// The configuration file [default: headwater.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Override an option, such as --set server.grpc_addr=0.0.0.0:7400; may be repeated
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    pub set: Vec<String>,
}

impl ConfigArgs {
    /// Reads the configuration.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load(&self, environment: &BTreeMap<String, String>) -> Result<Config, ConfigError> {
        Config::load(self.config.as_deref(), environment, &self.set)
    }

    /// How log lines are to be written, also where the configuration has mistakes.
    pub fn log_format(&self, environment: &BTreeMap<String, String>) -> LogFormat {
        Config::log_format(self.config.as_deref(), environment, &self.set)
    }
}

/// The environment variables that configuration looks at.
pub fn environment() -> BTreeMap<String, String> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        let name = name.into_string().ok().filter(|name| {
            ["HEADWATER_", "AWS_", "SSL_CERT_FILE"].iter().any(|start| name.starts_with(start))
        })?;
        Some((name, value.to_string_lossy().into_owned()))
    };
    std::env::vars_os().filter_map(text).collect()
}

/// Prints and checks the configuration
#[derive(clap::Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  headwater config default > headwater.toml\n  headwater config check --config headwater.toml\n  HEADWATER_LIMITS__USERS=1000 headwater config show"
)]
pub struct ConfigCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand, Clone, Debug)]
enum Action {
    /// Check the configuration and the models that it names, and say everything that is wrong
    Check {
        #[command(flatten)]
        from: ConfigArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the values in force and where each comes from
    Show {
        #[command(flatten)]
        from: ConfigArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print a file with every option at its default
    Default,
}

/// Why a command on configuration or models failed.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The configuration can't be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The models can't be used.
    #[error(transparent)]
    Models(#[from] ModelsError),
    /// The answer can't be written.
    #[error("can't write the answer: {0}")]
    Output(#[from] io::Error),
}

impl CheckError {
    pub(super) fn mistakes(&self) -> &[Mistake] {
        match self {
            Self::Config(error) => &error.mistakes,
            Self::Models(error) => &error.mistakes,
            Self::Output(_) => &[],
        }
    }
}

impl ConfigCommand {
    /// Runs the command. With `--json`, mistakes are written to `out` too.
    ///
    /// # Errors
    /// The configuration or the models can't be used, or `out` can't be written.
    pub fn run(&self, environment: &BTreeMap<String, String>, out: &mut dyn Write) -> Result<(), CheckError> {
        match &self.action {
            Action::Default => write!(out, "{}", default_toml())?,
            Action::Show { from, json } => {
                let config = from.load(environment).map_err(CheckError::from);
                let config = report(config, *json, out)?;
                match json {
                    true => writeln!(out, "{:#}", config.to_json())?,
                    false => write!(out, "{}", config.to_toml())?,
                }
            }
            Action::Check { from, json } => {
                let checked = check(from, environment);
                let (config, models) = report(checked, *json, out)?;
                let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
                match json {
                    true => writeln!(out, "{:#}", json!({ "ok": true, "mistakes": [], "models": names }))?,
                    false => {
                        let log =
                            config.kafka().map_or("the embedded journal", |kafka| kafka.brokers.as_str());
                        writeln!(out, "ok: log {log}, models {}", names.join(", "))?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn check(
    from: &ConfigArgs,
    environment: &BTreeMap<String, String>,
) -> Result<(Config, ModelSet), CheckError> {
    let config = from.load(environment)?;
    let models = ModelSet::load(&config.models.dir, &config.models.default, &config.stream)?;
    Ok((config, models))
}

/// Passes an outcome on; a failure is written as JSON first if that was asked for.
pub(super) fn report<T>(
    outcome: Result<T, CheckError>,
    json: bool,
    out: &mut dyn Write,
) -> Result<T, CheckError> {
    if let (Err(error), true) = (&outcome, json) {
        let mistakes: Vec<_> = error.mistakes().iter().map(Mistake::to_json).collect();
        writeln!(out, "{:#}", json!({ "ok": false, "mistakes": mistakes }))?;
    }
    outcome
}

/// The models of a folder that was named, which must exist.
pub(super) fn named_folder(dir: &Path) -> Result<(), CheckError> {
    match dir.is_dir() {
        true => Ok(()),
        false => {
            Err(ModelsError { mistakes: vec![Mistake::file(dir, None, "there is no such folder")] }.into())
        }
    }
}
