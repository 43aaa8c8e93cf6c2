//! What a log can fail with.

use crate::log::{Bounds, Offset, Partition};

/// What a log can fail with.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// The topic is not there and can't be made.
    #[error("topic `{topic}` does not exist{hint}")]
    NoTopic {
        /// Its name.
        topic: String,
        /// What to do about it, starting with `: ` or `; `, or empty.
        hint: String,
    },
    /// The offset to start from is not in the log.
    #[error("partition {partition} of `{topic}` holds offsets {low} to {high}, asked for {asked}", low = bounds.low, high = bounds.high)]
    OutOfRange {
        /// The topic's name.
        topic: String,
        /// The partition.
        partition: Partition,
        /// What it was asked for.
        asked: Offset,
        /// What it holds.
        bounds: Bounds,
    },
    /// The broker or disk does not answer now; trying again may help.
    #[error("{0}")]
    Unavailable(String),
    /// This record can't be appended, for example because it is too large. Others can.
    #[error("{0}")]
    Refused(String),
    /// Trying again will not help.
    #[error("{0}")]
    Fatal(String),
}
