//! Why records can't be turned into state.

use crate::log::{Bounds, LogError, Offset, Partition};
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
    /// The log of events ends before the record that is to be read next.
    #[error(
        "partition {partition} of `{topic}` was read up to offset {read}, but holds {low} to {high} now: the topic was \
         recreated or truncated while it was read. Stop whatever else reads it, remove {snapshots} and start again: \
         state is rebuilt from what the log holds",
        low = bounds.low,
        high = bounds.high
    )]
    Recreated {
        /// The topic.
        topic: String,
        /// The partition.
        partition: Partition,
        /// How far it was read.
        read: Offset,
        /// What it holds.
        bounds: Bounds,
        /// Where the snapshots are.
        snapshots: String,
    },
    /// The log of the catalog ends before the record that is to be read next.
    #[error(
        "partition {partition} of `{topic}` was read up to offset {read}, but holds {low} to {high} now: the topic was \
         recreated or truncated while it was read. Start again: the catalog is read anew. What it lacks then is to be \
         put into it again",
        low = bounds.low,
        high = bounds.high
    )]
    ItemsRecreated {
        /// The topic.
        topic: String,
        /// The partition.
        partition: Partition,
        /// How far it was read.
        read: Offset,
        /// What it holds.
        bounds: Bounds,
    },
    /// The log begins behind the record that is to be read next.
    #[error(
        "partition {partition} of `{topic}` was read up to offset {read}, but its log begins at {low} now: retention has \
         taken {} records before they were read. Lengthen the retention of the topic. The next start says what can be \
         done about what is gone",
        read.until(*low)
    )]
    Overtaken {
        /// The topic.
        topic: String,
        /// The partition.
        partition: Partition,
        /// How far it was read.
        read: Offset,
        /// The oldest record that there is.
        low: Offset,
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

impl IngestError {
    /// What it means that a topic can't be read on. `snapshots` says where those are that were made of it.
    pub(super) fn reading(error: LogError, snapshots: Option<&str>) -> Self {
        match (error, snapshots) {
            (LogError::OutOfRange { topic, partition, asked, bounds }, _) if asked < bounds.low => {
                Self::Overtaken { topic, partition, read: asked, low: bounds.low }
            }
            (LogError::OutOfRange { topic, partition, asked, bounds }, Some(snapshots)) => {
                Self::Recreated { topic, partition, read: asked, bounds, snapshots: snapshots.to_owned() }
            }
            (LogError::OutOfRange { topic, partition, asked, bounds }, None) => {
                Self::ItemsRecreated { topic, partition, read: asked, bounds }
            }
            (error, _) => error.into(),
        }
    }
}
