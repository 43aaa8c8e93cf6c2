//! Why a command failed.

use std::io;

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
    Client(#[from] super::client::ClientError),
    #[error(transparent)]
    File(#[from] crate::files::FileError),
    #[error(transparent)]
    Snapshot(#[from] crate::snapshot::SnapshotError),
    #[error("log: {0}")]
    Log(#[from] crate::log::LogError),
    #[error("{0}")]
    Failed(String),
    /// The log has said what, in its own format.
    #[error("failed, as the log says")]
    Told,
}
