//! Where the journal is and how much it keeps.

use std::path::PathBuf;
use std::time::Duration;

/// Where the journal is and how much it keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalSettings {
    /// The folder. Made if it is not there.
    pub dir: PathBuf,
    /// Partitions of each topic. Fixed when the journal is made.
    pub partitions: u32,
    /// How long clicks and dead letters are kept, by the time of their append.
    pub retention: Duration,
    /// How many bytes of clicks are kept, and how many of dead letters, whatever their age. On disk
    /// the store's own write-ahead journals come on top, up to about 250 MB.
    pub retention_bytes: u64,
    /// How many bytes of the disk are left to others, snapshots among them. With less than this free,
    /// appends are refused until there is more.
    pub keep_free: u64,
}

impl Default for JournalSettings {
    fn default() -> Self {
        Self {
            dir: "./headwater-data/journal".into(),
            partitions: 4,
            // The longest default window, so that a replay can rebuild every answer.
            retention: Duration::from_secs(30 * 24 * 60 * 60),
            retention_bytes: 10 << 30,
            keep_free: 256 << 20,
        }
    }
}
