//! What a world asks of a log besides being one, and what it remembers of all that was ever on it.

use crate::log::{Appended, Bounds, Log, LogError, NewRecord, Offset, Partition, Record, Topic};

/// A record, and all that a test may know of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    pub offset: Offset,
    pub timestamp: i64,
    pub record: NewRecord,
}

/// A partition with its whole past; only what is not below `low` can be read.
#[derive(Clone, Debug, Default)]
pub struct Part {
    pub low: Offset,
    pub high: Offset,
    pub records: Vec<Stored>,
    /// Snapshots cover what is before it.
    pub covered: Offset,
}

/// A log of a world.
pub trait SimLog: Log {
    /// All that readers could ever see.
    fn history(&self, topic: Topic) -> Vec<Part>;

    /// What a producer elsewhere calls.
    fn publish(&self, topic: Topic, records: Vec<NewRecord>) -> Appended;

    /// The process begins: opens what it keeps of the log.
    fn begin(&self) -> Result<(), LogError>;

    /// Something that the log does on its own.
    fn work(&self);

    /// The process is over, and if the power is off, so is what was not synced.
    fn end(&self, power: bool);

    /// How much time may pass before retention takes what no snapshot covers, in ms.
    fn patience(&self) -> i64;

    /// What a reader has found that must not be.
    fn wrong(&self) -> Option<String>;
}

impl Part {
    pub fn bounds(&self) -> Bounds {
        Bounds { low: self.low, high: self.high }
    }
}

impl Stored {
    pub fn of(record: &Record<'_>) -> Self {
        let headers = record.headers.iter();
        let headers = headers.map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec)));
        Self {
            offset: record.offset,
            timestamp: record.timestamp.expect("every log of a world has them"),
            record: NewRecord {
                key: record.key.unwrap_or_default().to_vec(),
                value: record.value.map(<[u8]>::to_vec),
                headers: headers.collect(),
            },
        }
    }

    pub fn show(&self, partition: Partition, sink: &mut dyn FnMut(Record<'_>)) {
        let headers = self.record.headers.iter();
        sink(Record {
            partition,
            offset: self.offset,
            timestamp: Some(self.timestamp),
            key: Some(&self.record.key),
            value: self.record.value.as_deref(),
            headers: headers.map(|(name, value)| (&**name, value.as_deref())).collect(),
        });
    }
}
