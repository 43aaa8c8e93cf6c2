//! Why the service can't start, or ended by itself.

use std::net::SocketAddr;
use std::time::Duration;

use crate::data_folder::DataFolderError;
use crate::ingest::IngestError;
use crate::log::LogError;
use crate::models::ModelsError;
use crate::serving::server::ServerError;
use crate::tasks::TaskError;

/// Why the service can't start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The data folder can't be had.
    #[error(transparent)]
    Data(#[from] DataFolderError),
    /// A port can't be bound.
    #[error("can't listen on {addr} ({source}): choose another address with --set {key}=127.0.0.1:PORT")]
    Bind {
        /// The option that says where.
        key: &'static str,
        /// Where.
        addr: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The models can't be used.
    #[error(transparent)]
    Models(#[from] ModelsError),
    /// The log can't be used.
    #[error("log: {0}")]
    Log(#[from] LogError),
    /// State can't be restored.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// The protocol can't be served.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A task ended before it was told to, or ended badly.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// A stop took too long.
    #[error(
        "state was not saved within `server.shutdown_grace` ({0:?}): nothing is lost, but the next start has to read \
         more of the log"
    )]
    Overdue(Duration),
    /// A step of the start panicked.
    #[error("{0} stopped unexpectedly")]
    Died(&'static str),
}
