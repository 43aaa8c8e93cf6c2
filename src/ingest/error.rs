//! Why records can't be turned into state.

use crate::log::LogError;
use crate::snapshot::SnapshotError;
use crate::tasks::TaskError;

/// Why ingestion can't start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The log can't be used.
    #[error("log: {0}")]
    Log(#[from] LogError),
    /// Snapshots can't be used.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The log ends before the offset at which the snapshot says to go on.
    #[error(
        "the snapshot of partition {partition} of `{topic}` goes on at offset {next}, but the log ends at {high}: the \
         topic was recreated or truncated. Remove {snapshots} to rebuild state from what the log holds"
    )]
    LogBehindSnapshot {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// Where the snapshot goes on.
        next: u64,
        /// Where the log ends.
        high: u64,
        /// Where the snapshots are.
        snapshots: String,
    },
    /// A task of it ended before it was told to.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// A thread can't be started.
    #[error("can't start a thread: {0}")]
    Thread(#[from] std::io::Error),
    /// Something that was done elsewhere panicked.
    #[error("{0} stopped unexpectedly")]
    Died(&'static str),
}
