//! Why records can't be turned into state.

use crate::log::{LogError, Offset, Partition};
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
        partition: Partition,
        /// Where the snapshot goes on.
        next: Offset,
        /// Where the log ends.
        high: Offset,
        /// Where the snapshots are.
        snapshots: String,
    },
    /// A task of it ended before it was told to.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// The log begins after the record from which state would have to go on.
    #[error(
        "partition {partition} of `{topic}` can't be restored whole: its log begins at offset {low}, and {had}. {} \
         records are gone that state needs. Give it a snapshot that fits and reaches offset {low}, or go on without \
         these records, which then are never counted, by starting once with --set ingest.accept_gap=true",
        next.until(*low)
    )]
    Gap {
        /// The topic.
        topic: String,
        /// The partition.
        partition: Partition,
        /// The oldest record that there is.
        low: Offset,
        /// The record that should come next.
        next: Offset,
        /// What there was to start from.
        had: String,
    },
    /// A thread can't be started.
    #[error("can't start a thread: {0}")]
    Thread(#[from] std::io::Error),
    /// Something that was done elsewhere panicked.
    #[error("{0} stopped unexpectedly")]
    Died(&'static str),
}
