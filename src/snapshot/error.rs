//! What can go wrong with snapshots.

use crate::snapshot::format::FormatError;

/// What can go wrong with snapshots.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The folder or bucket can't be used.
    #[error("snapshots in {location}: {source}; {hint}")]
    Store {
        /// Where they are.
        location: String,
        /// What to do about it.
        hint: &'static str,
        /// What the store said.
        source: Box<object_store::Error>,
    },
    /// The folder can't be made.
    #[error("snapshot folder `{path}`: {source}")]
    Folder {
        /// The folder.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A snapshot can't be made.
    #[error("snapshot: {0}")]
    Format(#[from] FormatError),
    /// The thread that packs or writes a snapshot can't be started, or it panicked.
    #[error("snapshot: packing or writing it: {0}")]
    Background(#[source] std::io::Error),
    /// The topic has been given another number of partitions: users live elsewhere now.
    #[error(
        "snapshots of `{topic}` were made with {then} partitions and it has {now} now, so users have moved to other \
         partitions; remove `{path}` to rebuild state from the log"
    )]
    PartitionsChanged {
        /// The topic.
        topic: String,
        /// Partitions when the snapshot was made.
        then: u32,
        /// Partitions now.
        now: u32,
        /// Where the snapshots are.
        path: String,
    },
}
