//! A log in memory, as a broker elsewhere keeps it: what it has acknowledged is there for ever, what
//! it has not may be there too. Appends are on their way for a while, and so are acknowledgements.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use parking_lot::Mutex;

use crate::log::{
    Appended, Bounds, Log, LogError, LogReader, NewRecord, Offset, Partition, PerTopic, Positions, Record,
    Topic, partition_of,
};
use crate::simulation::faults::{Fault, FaultInjector};
use crate::simulation::log::{Part, SimLog, Stored};
use crate::simulation::time::Time;

/// The most records of one poll.
pub const MOST: u64 = 6;

/// Partitions by topic.
type Topics = PerTopic<Vec<Part>>;

/// The log. A clone is the same log.
#[derive(Clone)]
pub struct SimBroker {
    topics: Arc<Mutex<Topics>>,
    faults: FaultInjector,
    time: Time,
}

impl SimBroker {
    pub fn new(faults: FaultInjector, time: Time, partitions: u32) -> Self {
        let parts = || vec![Part::default(); partitions as usize];
        Self { topics: Arc::new(Mutex::new(PerTopic::new(|_| parts()))), faults, time }
    }

    fn push(&self, topic: Topic, record: NewRecord) -> (Partition, Offset) {
        // Transactions and compaction leave holes.
        let hole = if self.faults.chance(0.05) { 1 + self.faults.below(3) } else { 0 };
        let mut topics = self.topics.lock();
        let parts = &mut topics[topic];
        let partition = partition_of(&record.key, parts.len() as u32);
        let part = &mut parts[partition.index()];
        let offset = Offset(part.high.0 + hole);
        part.high = offset.next();
        part.records.push(Stored { offset, timestamp: self.time.now(), record });
        (partition, offset)
    }

    /// Takes all of the records and acknowledges them, or some of them and does not, sooner or later.
    fn take(
        &self,
        topic: Topic,
        records: Vec<NewRecord>,
        fault: impl Fn() -> Fault + Send + 'static,
    ) -> Appended {
        let log = self.clone();
        let mut under_way = self.faults.below(3);
        let mut back = self.faults.below(3);
        let (mut records, mut result) = (Some(records), None);
        Box::pin(poll_fn(move |context| {
            // Whoever does nothing else asks again at once.
            context.waker().wake_by_ref();
            if under_way > 0 {
                under_way -= 1;
                return Poll::Pending;
            }
            if let Some(records) = records.take() {
                let fault = fault();
                let taken = match fault {
                    Fault::None => records.len(),
                    Fault::Down => 0,
                    // Some of it may have been on its way.
                    Fault::Transient | Fault::Crash => log.faults.below(records.len() as u64 + 1) as usize,
                };
                let places = records.into_iter().take(taken).map(|record| log.push(topic, record)).collect();
                result = Some(if fault == Fault::None { Ok(places) } else { Err(away()) });
            }
            if back > 0 {
                back -= 1;
                return Poll::Pending;
            }
            Poll::Ready(result.take().unwrap_or_else(|| Err(away())))
        }))
    }

    /// An operation that can fail, but leaves nothing behind.
    fn ask<T>(&self, answer: impl FnOnce(&mut Topics) -> Result<T, LogError>) -> Result<T, LogError> {
        match self.faults.draw() {
            Fault::None => answer(&mut self.topics.lock()),
            _ => Err(away()),
        }
    }
}

pub fn away() -> LogError {
    LogError::Unavailable("the log is away".to_owned())
}

impl SimLog for SimBroker {
    fn history(&self, topic: Topic) -> Vec<Part> {
        self.topics.lock()[topic].clone()
    }

    /// The producer has a plug of its own, and its lines are bad.
    fn publish(&self, topic: Topic, records: Vec<NewRecord>) -> Appended {
        let faults = self.faults.clone();
        self.take(topic, records, move || if faults.chance(0.1) { Fault::Transient } else { Fault::None })
    }

    fn begin(&self) -> Result<(), LogError> {
        Ok(())
    }

    /// Lets retention take what snapshots cover.
    fn work(&self) {
        for part in &mut self.topics.lock()[Topic::Clicks] {
            part.low = part.low.max(part.covered.min(part.high));
        }
    }

    fn end(&self, _: bool) {}

    fn patience(&self) -> i64 {
        i64::MAX
    }

    fn wrong(&self) -> Option<String> {
        None
    }
}

impl Log for SimBroker {
    fn name(&self, topic: Topic) -> &str {
        topic.row().name
    }

    fn partitions(&self, topic: Topic) -> Result<u32, LogError> {
        Ok(self.topics.lock()[topic].len() as u32)
    }

    fn bounds(&self, topic: Topic, partition: Partition) -> Result<Bounds, LogError> {
        self.ask(|topics| Ok(topics[topic][partition.index()].bounds()))
    }

    fn reader(&self, topic: Topic, from: &Positions) -> Result<Box<dyn LogReader>, LogError> {
        self.ask(|topics| {
            for (partition, asked) in from.iter() {
                let bounds = topics[topic][partition.index()].bounds();
                if !bounds.allows(asked) {
                    let topic = format!("{topic:?}");
                    return Err(LogError::OutOfRange { topic, partition, asked, bounds });
                }
            }
            Ok(())
        })?;
        Ok(Box::new(SimReader { log: self.clone(), topic, positions: from.clone(), paused: Vec::new() }))
    }

    fn append(&self, topic: Topic, records: Vec<NewRecord>) -> Appended {
        let faults = self.faults.clone();
        self.take(topic, records, move || faults.draw())
    }

    fn committed(&self, topic: Topic, positions: &Positions) {
        if self.faults.is_off() {
            return;
        }
        let mut topics = self.topics.lock();
        for (partition, position) in positions.iter() {
            let part = &mut topics[topic][partition.index()];
            part.covered = part.covered.max(position);
        }
    }
}

struct SimReader {
    log: SimBroker,
    topic: Topic,
    positions: Positions,
    paused: Vec<Partition>,
}

impl LogReader for SimReader {
    fn poll(&mut self, _: Duration, max: usize, sink: &mut dyn FnMut(Record<'_>)) -> Result<usize, LogError> {
        let faults = self.log.faults.clone();
        let fault = faults.draw();
        let mut left = match fault {
            // Records may be handed over before a poll fails.
            Fault::None | Fault::Transient => faults.below(MOST + 1).min(max as u64) as usize,
            Fault::Crash | Fault::Down => 0,
        };
        let first = faults.below(self.positions.len() as u64) as usize;
        let mut handed = 0;
        let mut turns: Vec<(Partition, &mut Offset)> = self.positions.iter_mut().collect();
        turns.rotate_left(first);
        for (partition, position) in turns {
            if self.paused.contains(&partition) {
                continue;
            }
            let fresh: Vec<Stored> = {
                let topics = self.log.topics.lock();
                let records = &topics[self.topic][partition.index()].records;
                let from = records.partition_point(|stored| stored.offset < *position);
                records[from..].iter().take(left).cloned().collect()
            };
            for stored in &fresh {
                // The plug may be pulled between two records of a batch.
                if handed > 0 && faults.dies() {
                    return Err(away());
                }
                stored.show(partition, sink);
                position.advance(stored.offset);
                handed += 1;
            }
            left -= fresh.len();
        }
        if fault == Fault::None { Ok(handed) } else { Err(away()) }
    }

    fn pause(&mut self, partition: Partition) -> Result<(), LogError> {
        self.paused.push(partition);
        Ok(())
    }

    fn position(&self, partition: Partition) -> Option<Offset> {
        self.positions.get(partition)
    }
}
