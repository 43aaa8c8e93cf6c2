//! Why a command failed, in words and, under `--json`, as JSON.

use std::io;

use serde_json::{Value, json};
use tonic::Status;
use tonic_types::StatusExt;

use super::client::{ClientError, code_name};
use crate::config::Mistake;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    #[error(transparent)]
    Output(#[from] io::Error),
    #[error(transparent)]
    Check(#[from] super::config::CheckError),
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    #[error(transparent)]
    App(#[from] crate::app::AppError),
    #[error(transparent)]
    Generate(#[from] super::generate::GenerateError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    File(#[from] crate::files::FileError),
    #[error(transparent)]
    Snapshot(#[from] crate::snapshot::SnapshotError),
    #[error("log: {0}")]
    Log(#[from] crate::log::LogError),
    /// Ended by ctrl-c, in order.
    #[error("{0}")]
    Interrupted(String),
    #[error("{0}")]
    Failed(String),
    /// The log has said what, in its own format.
    #[error("failed, as the log says")]
    Told,
}

impl CliError {
    /// The error for a program to read. Codes are those of gRPC where a server was asked.
    pub fn to_json(&self) -> Value {
        let mistakes = |mistakes: &[Mistake]| mistakes.iter().map(Mistake::to_json).collect();
        let (code, details): (&str, Vec<Value>) = match self {
            Self::Client(ClientError::Refused(status)) => (code_name(status.code()), details(status)),
            Self::Client(ClientError::NoSuchHost { .. } | ClientError::Connect { .. }) => {
                ("unavailable", Vec::new())
            }
            Self::Client(ClientError::NotGrpc { .. }) => ("unimplemented", Vec::new()),
            Self::Client(ClientError::Unreadable(_)) => ("internal", Vec::new()),
            Self::Client(ClientError::Variable { .. }) => ("invalid_argument", Vec::new()),
            Self::Check(error) => ("invalid_argument", mistakes(error.mistakes())),
            Self::Config(error) => ("invalid_argument", mistakes(&error.mistakes)),
            Self::File(_) | Self::Generate(_) => ("invalid_argument", Vec::new()),
            Self::Log(_) => ("unavailable", Vec::new()),
            Self::Interrupted(_) => ("canceled", Vec::new()),
            Self::Output(_) | Self::App(_) | Self::Snapshot(_) | Self::Failed(_) | Self::Told => {
                ("failed_precondition", Vec::new())
            }
        };
        error_json(code, &self.to_string(), &details)
    }
}

/// The one shape of an error.
pub(super) fn error_json(code: &str, message: &str, details: &[Value]) -> Value {
    json!({ "error": { "code": code, "message": message, "details": details } })
}

/// What a server's refusal says besides words.
fn details(status: &Status) -> Vec<Value> {
    let retry = status.get_details_retry_info().and_then(|info| info.retry_delay);
    let retry =
        retry.map(|delay| json!({ "retry_after_ms": u64::try_from(delay.as_millis()).unwrap_or(u64::MAX) }));
    let fields = status.get_details_bad_request().map(|request| request.field_violations).unwrap_or_default();
    let fields = fields
        .into_iter()
        .map(|violation| json!({ "field": violation.field, "description": violation.description }));
    retry.into_iter().chain(fields).collect()
}
