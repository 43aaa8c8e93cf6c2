//! A log in memory: what it has acknowledged is there for ever, what it has not may be there too.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::power::{Plug, Power};
use crate::ingest::{
    Appended, Bounds, Log, LogError, LogReader, NewRecord, Offset, Partition, Record, Topic, partition_of,
};

/// The most records of one poll.
const MOST: u64 = 6;

/// A record, and all that a test may know of it.
#[derive(Clone, Debug)]
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
    pub committed: Offset,
}

/// Partitions by topic.
#[derive(Default)]
struct Topics {
    clicks: Vec<Part>,
    items: Vec<Part>,
    letters: Vec<Part>,
    now: i64,
}

impl Topics {
    fn of(&mut self, topic: Topic) -> &mut Vec<Part> {
        match topic {
            Topic::Clicks => &mut self.clicks,
            Topic::Items => &mut self.items,
            Topic::DeadLetters => &mut self.letters,
        }
    }
}

/// The log. A clone is the same log.
#[derive(Clone)]
pub struct SimLog {
    topics: Arc<Mutex<Topics>>,
    plug: Plug,
}

impl SimLog {
    pub fn new(plug: Plug, partitions: u32) -> Self {
        let parts = || vec![Part::default(); partitions as usize];
        let topics = Topics { clicks: parts(), items: parts(), letters: parts(), now: 0 };
        Self { topics: Arc::new(Mutex::new(topics)), plug }
    }

    /// What a topic has ever held.
    pub fn parts(&self, topic: Topic) -> Vec<Part> {
        self.topics.lock().of(topic).clone()
    }

    /// The clock of the broker.
    pub fn now(&self) -> i64 {
        self.topics.lock().now
    }

    /// Sets the clock of the broker.
    pub fn set_now(&self, now: i64) {
        self.topics.lock().now = now;
    }

    /// Appends as a producer elsewhere does, whose broker never fails.
    pub fn push(&self, topic: Topic, record: NewRecord) -> (Partition, Offset) {
        // Transactions and compaction leave holes.
        let hole = if self.plug.chance(0.05) { 1 + self.plug.below(3) } else { 0 };
        let mut topics = self.topics.lock();
        let timestamp = topics.now;
        let parts = topics.of(topic);
        let partition = partition_of(&record.key, parts.len() as u32);
        let part = &mut parts[partition as usize];
        let offset = part.high + hole;
        part.high = offset + 1;
        part.records.push(Stored { offset, timestamp, record });
        (partition, offset)
    }

    /// Lets retention take what snapshots cover.
    pub fn retain(&self) {
        for part in &mut self.topics.lock().clicks {
            part.low = part.low.max(part.committed.min(part.high));
        }
    }

    /// An operation that can fail, but leaves nothing behind.
    fn ask<T>(&self, answer: impl FnOnce(&mut Topics) -> Result<T, LogError>) -> Result<T, LogError> {
        match self.plug.draw() {
            Power::On => answer(&mut self.topics.lock()),
            _ => Err(away()),
        }
    }
}

fn away() -> LogError {
    LogError::Unavailable("the log is away".to_owned())
}

impl Log for SimLog {
    fn name(&self, topic: Topic) -> &str {
        match topic {
            Topic::Clicks => "clicks",
            Topic::Items => "items",
            Topic::DeadLetters => "letters",
        }
    }

    fn partitions(&self, topic: Topic) -> Result<u32, LogError> {
        Ok(self.topics.lock().of(topic).len() as u32)
    }

    fn bounds(&self, topic: Topic, partition: Partition) -> Result<Bounds, LogError> {
        self.ask(|topics| {
            let part = &topics.of(topic)[partition as usize];
            Ok(Bounds { low: part.low, high: part.high })
        })
    }

    fn reader(&self, topic: Topic, from: &[(Partition, Offset)]) -> Result<Box<dyn LogReader>, LogError> {
        self.ask(|topics| {
            for (partition, asked) in from.iter().copied() {
                let part = &topics.of(topic)[partition as usize];
                let bounds = Bounds { low: part.low, high: part.high };
                if asked < bounds.low || asked > bounds.high {
                    let topic = format!("{topic:?}");
                    return Err(LogError::OutOfRange { topic, partition, asked, bounds });
                }
            }
            Ok(())
        })?;
        Ok(Box::new(SimReader { log: self.clone(), topic, positions: from.to_vec(), paused: Vec::new() }))
    }

    fn append(&self, topic: Topic, records: Vec<NewRecord>) -> Appended {
        let log = self.clone();
        Box::pin(async move {
            let power = log.plug.draw();
            let taken = match power {
                Power::On => records.len(),
                Power::Off => 0,
                // Some of it may have been on its way.
                Power::Flickers | Power::Dies => log.plug.below(records.len() as u64 + 1) as usize,
            };
            let places = records.into_iter().take(taken).map(|record| log.push(topic, record)).collect();
            if power == Power::On { Ok(places) } else { Err(away()) }
        })
    }

    fn committed(&self, topic: Topic, positions: &[(Partition, Offset)]) {
        if self.plug.is_off() {
            return;
        }
        let mut topics = self.topics.lock();
        for (partition, offset) in positions {
            let part = &mut topics.of(topic)[*partition as usize];
            part.committed = part.committed.max(*offset);
        }
    }
}

struct SimReader {
    log: SimLog,
    topic: Topic,
    positions: Vec<(Partition, Offset)>,
    paused: Vec<Partition>,
}

impl LogReader for SimReader {
    fn poll(&mut self, _: Duration, max: usize, sink: &mut dyn FnMut(Record<'_>)) -> Result<usize, LogError> {
        let plug = self.log.plug.clone();
        let power = plug.draw();
        let mut left = match power {
            // Records may be handed over before a poll fails.
            Power::On | Power::Flickers => plug.below(MOST + 1).min(max as u64) as usize,
            Power::Dies | Power::Off => 0,
        };
        let first = plug.below(self.positions.len() as u64) as usize;
        let mut handed = 0;
        for place in 0..self.positions.len() {
            let place = (first + place) % self.positions.len();
            let (partition, position) = &mut self.positions[place];
            if self.paused.contains(partition) {
                continue;
            }
            let part = self.log.topics.lock().of(self.topic)[*partition as usize].clone();
            let fresh = part.records.iter().filter(|stored| stored.offset >= *position).take(left);
            let fresh: Vec<&Stored> = fresh.collect();
            for stored in &fresh {
                let headers = stored.record.headers.iter();
                sink(Record {
                    partition: *partition,
                    offset: stored.offset,
                    timestamp: Some(stored.timestamp),
                    key: Some(&stored.record.key),
                    value: stored.record.value.as_deref(),
                    headers: headers.map(|(name, value)| (&**name, value.as_deref())).collect(),
                });
                *position = stored.offset + 1;
            }
            (left, handed) = (left - fresh.len(), handed + fresh.len());
        }
        if power == Power::On { Ok(handed) } else { Err(away()) }
    }

    fn pause(&mut self, partition: Partition) -> Result<(), LogError> {
        self.paused.push(partition);
        Ok(())
    }

    fn position(&self, partition: Partition) -> Option<Offset> {
        self.positions.iter().find(|(place, _)| *place == partition).map(|(_, position)| *position)
    }
}
