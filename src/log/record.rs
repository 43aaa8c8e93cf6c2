//! What a log is made of: records, and what of them a partition holds.

use crate::engine::position::{Offset, Partition};

/// A header of a record. A name that is not UTF-8 reads as U+FFFD.
pub type Header<'a> = (&'a str, Option<&'a [u8]>);

/// A record as a log hands it out, borrowed from the log's own buffer.
#[derive(Clone, Debug, PartialEq)]
pub struct Record<'a> {
    /// Where it stands.
    pub partition: Partition,
    /// Where it stands.
    pub offset: Offset,
    /// The log's own timestamp, milliseconds since the epoch.
    pub timestamp: Option<i64>,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; none is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers, in order.
    pub headers: Vec<Header<'a>>,
}

/// A record to append.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRecord {
    /// Decides the partition.
    pub key: Vec<u8>,
    /// None is a tombstone.
    pub value: Option<Vec<u8>>,
    /// In order. A header may have no value.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// The offsets that a partition holds: `low` is the oldest that can be read, `high` the next to be
/// written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The oldest offset that can be read.
    pub low: Offset,
    /// The offset of the next record to come.
    pub high: Offset,
}

impl Bounds {
    /// Whether there is no record.
    pub fn is_empty(self) -> bool {
        self.low >= self.high
    }

    /// Whether a reader can start there.
    pub fn allows(self, position: Offset) -> bool {
        (self.low..=self.high).contains(&position)
    }
}
