//! The settings of snapshots.

use std::time::Duration;

use super::location::{Location, S3Settings};

/// Where and how often state is saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotSettings {
    /// A folder or a bucket.
    pub location: Location,
    /// How a bucket is reached.
    pub s3: S3Settings,
    /// The time between two snapshots of a partition.
    pub interval: Duration,
    /// How many snapshots of a partition are kept.
    pub keep: usize,
}

impl Default for SnapshotSettings {
    fn default() -> Self {
        Self {
            location: Location::Folder("./headwater-data/snapshots".into()),
            s3: S3Settings::default(),
            interval: Duration::from_secs(60),
            keep: 3,
        }
    }
}
