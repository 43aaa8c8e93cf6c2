//! Where log lines go, and the settings of that.

use std::io::IsTerminal;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use crate::telemetry::filter::log_filter;

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What the service says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetrySettings {
    /// How log lines are written.
    pub log_format: LogFormat,
    /// What is logged: levels, as [`log_filter`] reads them.
    pub log: String,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self { log_format: LogFormat::Text, log: "info,fjall=warn,lsm_tree=warn".into() }
    }
}

/// Changes what is logged.
#[derive(Clone, Debug)]
pub struct LogLevels(Handle<Targets, Registry>);

impl LogLevels {
    /// Logs what passes another filter from now on.
    ///
    /// # Errors
    /// The filter can't be parsed, or another part of the process has charge of the log.
    pub fn set(&self, filter: &str) -> Result<(), String> {
        self.0.reload(parse(filter)?).map_err(|error| error.to_string())
    }
}

fn parse(filter: &str) -> Result<Targets, String> {
    log_filter(filter).ok_or_else(|| format!("log filter `{filter}`: it can't be read"))
}

/// Sends log lines that pass the filter to standard error. The first call of a process counts.
///
/// # Errors
/// The filter can't be parsed.
pub fn init(format: LogFormat, filter: &str) -> Result<LogLevels, String> {
    let (filter, levels) = reload::Layer::new(parse(filter)?);
    // A span is told when it ends, with all that is known of it by then.
    // A line that can't be written can't be told of either: the only place for that is where it fails.
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
    let lines = lines.with_span_events(FmtSpan::CLOSE);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let started = tracing_subscriber::registry().with(filter).with(lines).try_init();
    // A second service in the same process, as in tests, keeps the first one's logs.
    drop(started);
    Ok(LogLevels(levels))
}
