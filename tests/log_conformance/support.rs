//! How the tests write and read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater::log::{Log, LogError, LogReader, NewRecord, Offset, Partition, Positions, Record, Topic};

/// How long anything may take before it counts as not happening.
pub const DEADLINE: Duration = Duration::from_secs(60);
pub const PARTITIONS: u32 = 4;

/// Somewhere a log can be opened, and opened again after it was dropped.
pub trait Location: Sync {
    fn open(&self) -> Arc<dyn Log>;
}

/// A record that outlives its poll.
#[derive(Clone, Debug, PartialEq)]
pub struct Owned {
    pub partition: Partition,
    pub offset: Offset,
    pub timestamp: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl From<Record<'_>> for Owned {
    fn from(record: Record<'_>) -> Self {
        Self {
            partition: record.partition,
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record
                .headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec)))
                .collect(),
        }
    }
}

impl Owned {
    pub fn place(&self) -> (Partition, Offset) {
        (self.partition, self.offset)
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.value.clone().expect("a value")).expect("text")
    }
}

pub fn record(key: &str, value: &str) -> NewRecord {
    NewRecord { key: key.into(), value: Some(value.into()), headers: Vec::new() }
}

pub fn try_append(
    log: &Arc<dyn Log>,
    topic: Topic,
    records: Vec<NewRecord>,
) -> Result<Vec<(Partition, Offset)>, LogError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(log.append(topic, records))
}

pub fn append(log: &Arc<dyn Log>, topic: Topic, records: Vec<NewRecord>) -> Vec<(Partition, Offset)> {
    try_append(log, topic, records).expect("the append is acknowledged")
}

/// Where every partition begins.
pub fn beginning(log: &Arc<dyn Log>, topic: Topic) -> Positions {
    let partitions = log.partitions(topic).expect("partitions");
    Partition::all(partitions).map(|p| (p, log.bounds(topic, p).expect("bounds").low)).collect()
}

/// One partition and where to start.
pub fn at(partition: Partition, offset: u64) -> Positions {
    Positions::from([(partition, Offset(offset))])
}

/// Polls until there are `count` records.
pub fn take(reader: &mut dyn LogReader, count: usize) -> Vec<Owned> {
    let mut taken = Vec::new();
    let deadline = Instant::now() + DEADLINE;
    while taken.len() < count {
        assert!(Instant::now() < deadline, "{} of {count} records came", taken.len());
        let before = taken.len();
        let told = poll(reader, Duration::from_millis(200), 1000, &mut taken).expect("the log can be read");
        assert_eq!(told, taken.len() - before, "a poll tells how many it handed over");
    }
    taken
}

pub fn poll(
    reader: &mut dyn LogReader,
    timeout: Duration,
    max: usize,
    taken: &mut Vec<Owned>,
) -> Result<usize, LogError> {
    reader.poll(timeout, max, &mut |record| taken.push(record.into()))
}

/// Polls until the reader stands where each partition ends, and gives what came on the way.
pub fn drain(log: &Arc<dyn Log>, topic: Topic, reader: &mut dyn LogReader) -> Vec<Owned> {
    let mut taken = Vec::new();
    let deadline = Instant::now() + DEADLINE;
    let partitions = log.partitions(topic).expect("partitions");
    let highs: Vec<_> =
        Partition::all(partitions).map(|p| log.bounds(topic, p).expect("bounds").high).collect();
    while Partition::all(partitions)
        .zip(&highs)
        .any(|(p, high)| reader.position(p).is_some_and(|at| at < *high))
    {
        let at: Vec<_> = Partition::all(partitions).map(|p| reader.position(p)).collect();
        assert!(Instant::now() < deadline, "positions {at:?}, ends {highs:?}");
        poll(reader, Duration::from_millis(100), 1000, &mut taken).expect("the log can be read");
    }
    taken
}

/// Everything in a topic.
pub fn everything(log: &Arc<dyn Log>, topic: Topic) -> Vec<Owned> {
    let mut reader = log.reader(topic, &beginning(log, topic)).expect("a reader");
    drain(log, topic, reader.as_mut())
}
