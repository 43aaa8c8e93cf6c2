//! The settings of ingestion.

use std::time::Duration;

use crate::codec::Encoding;
use crate::ingest::breaker::BreakerSettings;
use crate::ingest::skips::Skips;

/// How records become state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngestSettings {
    /// The wanted number of threads that apply records; see [`Self::workers_for`].
    pub workers: u32,
    /// The service is ready once every partition is within this many records of the log's end.
    pub max_lag: u64,
    /// For how long the log may be silent before the service is not ready any more.
    pub max_silence: Duration,
    /// For how long a transaction may be open until answers say so.
    pub max_open_transaction: Duration,
    /// A batch of records that takes so long is told.
    pub slow_batch: Duration,
    /// When a flood of bad records stops a partition.
    pub breaker: BreakerSettings,
    /// Records of events that are left out.
    pub skip: Skips,
    /// Whether a start goes on where the log no longer holds all that state needs.
    pub accept_gap: bool,
    /// The encoding of events that have no `content-type` header.
    pub clicks_format: Encoding,
    /// The encoding of items that have no `content-type` header.
    pub items_format: Encoding,
}

impl IngestSettings {
    /// How many threads to start for that many partitions. A partition has one writer, so more
    /// threads than partitions would idle.
    pub fn workers_for(&self, partitions: u32) -> u32 {
        self.workers.min(partitions).max(1)
    }
}

impl Default for IngestSettings {
    fn default() -> Self {
        Self {
            workers: 1,
            max_lag: 1000,
            max_silence: Duration::from_secs(10),
            max_open_transaction: Duration::from_secs(60),
            slow_batch: Duration::from_secs(1),
            breaker: BreakerSettings::default(),
            skip: Skips::default(),
            accept_gap: false,
            clicks_format: Encoding::default(),
            items_format: Encoding::default(),
        }
    }
}
