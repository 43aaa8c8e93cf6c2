//! The loop that takes records from a log: the only writer of what its consumer changes.
//!
//! A thread owns it, as polling a log blocks. What can't be applied is dead-lettered and
//! acknowledged by the log before the next thing happens, so that no snapshot covers a record whose
//! dead letter could still be lost.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::bugs::{Bug, planted};
use crate::ingest::dead_letters::writer::dead_letter;
use crate::log::{Log, LogError, LogReader, NewRecord, Partition, Positions, Record, Topic};
use crate::telemetry::events::{DeadLetterRefused, DeadLettered, LogUnavailable};
use crate::telemetry::{AppliedBatch, Metrics};

/// How long a poll waits for a first record: how soon a stop is noticed.
const POLL: Duration = Duration::from_millis(50);
/// The most records between two looks at anything else.
const BATCH: usize = 1024;
/// How long to wait before trying a log again that does not answer.
const RETRY: Duration = Duration::from_millis(200);

/// Why a record can't be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The kind of error, from a closed set.
    pub class: &'static str,
    /// What is wrong, for the person who sent it.
    pub message: String,
}

/// Why a record is not applied here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotApplied {
    /// It can't be: it is to be dead-lettered.
    Rejected(Rejected),
    /// Another process applies it: it is to be appended anew, where its key leads to.
    Elsewhere(NewRecord),
}

impl From<Rejected> for NotApplied {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

/// What is done with records.
pub trait Consumer: Send {
    /// Applies a record, or says why not.
    ///
    /// # Errors
    /// The record is to be dead-lettered, or appended where it belongs.
    fn apply(&mut self, record: &Record<'_>) -> Result<(), NotApplied>;

    /// Moves past a record that is not applied. False if that was done before; otherwise it is to be
    /// dead-lettered, or appended where it belongs.
    fn reject(&mut self, record: &Record<'_>) -> bool;

    /// Partitions that nothing more is taken of for now, each told once.
    fn stopped(&mut self) -> Vec<Partition> {
        Vec::new()
    }

    /// Stopped partitions that are to be read again, each told once, and from which record on.
    fn resumed(&mut self) -> Positions {
        Positions::default()
    }

    /// Ends a batch: every record before these positions was applied, or its dead letter is acknowledged.
    fn end_batch(&mut self, positions: &Positions);
}

/// When to take the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Now.
    Now,
    /// The log does not answer: after a while.
    Later,
}

/// Hands the records of one reader to a consumer until it is told to stop.
pub struct Worker<F> {
    log: Arc<dyn Log>,
    topic: Topic,
    reader: Box<dyn LogReader>,
    positions: Positions,
    consumer: F,
    /// Partitions that are not read for now.
    paused: BTreeSet<Partition>,
    /// Set when some that were paused are to be read again, which takes another reader.
    renew: bool,
    metrics: Arc<Metrics>,
    runtime: Handle,
    stop: CancellationToken,
    /// Told when it has been stopped with something that was not appended.
    unfinished: Arc<AtomicBool>,
    /// What is to be appended and the log has not acknowledged: dead letters, and what is applied elsewhere.
    letters: VecDeque<Letter>,
    /// Whether one of them is too large for the log, so that they go one by one.
    singly: bool,
    slow_batch: Duration,
}

/// A record that is not applied here.
struct Letter {
    topic: Topic,
    record: NewRecord,
    /// The dead letter that it becomes if the log refuses it.
    otherwise: Option<NewRecord>,
}

/// What a worker works with.
pub struct Tools {
    /// The log, for dead letters.
    pub log: Arc<dyn Log>,
    /// Where metrics go.
    pub metrics: Arc<Metrics>,
    /// Runs the appends of dead letters.
    pub runtime: Handle,
    /// Tells it to stop.
    pub stop: CancellationToken,
    /// A batch that takes so long is told.
    pub slow_batch: Duration,
    /// Told when it has been stopped with something that was not appended.
    pub unfinished: Arc<AtomicBool>,
}

impl<F: Consumer> Worker<F> {
    /// A worker that reads partitions of a topic, each from the offset given. May block.
    ///
    /// # Errors
    /// The log can't be read from there.
    pub fn new(tools: Tools, topic: Topic, from: Positions, consumer: F) -> Result<Self, LogError> {
        let Tools { log, metrics, runtime, stop, slow_batch, unfinished } = tools;
        let reader = log.reader(topic, &from)?;
        let (letters, singly) = (VecDeque::new(), false);
        let positions = from;
        Ok(Self {
            log,
            topic,
            reader,
            positions,
            consumer,
            paused: BTreeSet::new(),
            renew: false,
            metrics,
            runtime,
            stop,
            unfinished,
            letters,
            singly,
            slow_batch,
        })
    }

    /// Runs until told to stop, with every record before its positions taken in.
    ///
    /// # Errors
    /// The log can't be read any more, and trying again would not help.
    pub fn run(mut self) -> Result<(), LogError> {
        while !self.stop.is_cancelled() {
            if self.step()? == Next::Later {
                std::thread::sleep(RETRY);
            }
        }
        if self.letters.is_empty() {
            Ok(())
        } else {
            // No snapshot may cover these records, and none does, as the consumer is not called again.
            self.unfinished.store(true, Ordering::Release);
            Err(LogError::Unavailable("stopped before dead letters were acknowledged".into()))
        }
    }

    /// Takes some records in, or tries again to have their dead letters acknowledged.
    ///
    /// # Errors
    /// The log can't be read any more, and trying again would not help.
    pub fn step(&mut self) -> Result<Next, LogError> {
        let mut next = Next::Now;
        if self.letters.is_empty() {
            match self.resume() {
                Ok(()) => {}
                Err(LogError::Unavailable(error)) => {
                    LogUnavailable { what: "read", error: &error }.emit(&self.metrics);
                    return Ok(Next::Later);
                }
                Err(error) => return Err(error),
            }
            match self.poll() {
                Ok(()) => {}
                Err(LogError::Unavailable(error)) => {
                    LogUnavailable { what: "read", error: &error }.emit(&self.metrics);
                    next = Next::Later;
                }
                Err(error) => return Err(error),
            }
            for partition in self.consumer.stopped() {
                self.reader.pause(partition)?;
                self.paused.insert(partition);
            }
        }
        if !self.append_letters() {
            return Ok(Next::Later);
        }
        for (partition, position) in self.positions.iter_mut() {
            *position = self.reader.position(partition).unwrap_or(*position);
        }
        self.consumer.end_batch(&self.positions);
        Ok(next)
    }

    /// Goes on with partitions that were stopped: with another reader, as one is assigned once in its life.
    fn resume(&mut self) -> Result<(), LogError> {
        for (partition, position) in self.consumer.resumed().iter() {
            self.paused.remove(&partition);
            self.positions.set(partition, position);
            self.renew = true;
        }
        if self.renew {
            let read = self.positions.iter().filter(|(partition, _)| !self.paused.contains(partition));
            self.reader = self.log.reader(self.topic, &read.collect())?;
            self.renew = false;
        }
        Ok(())
    }

    fn poll(&mut self) -> Result<(), LogError> {
        let Self { log, topic, reader, consumer, metrics, letters, slow_batch, .. } = self;
        let mut batch = AppliedBatch::new(log.name(*topic), *slow_batch);
        let mut take = |record: Record<'_>| {
            batch.next();
            let Err(not_applied) = consumer.apply(&record) else { return };
            let name = log.name(*topic);
            let letter = match not_applied {
                NotApplied::Rejected(Rejected { class, message }) => {
                    batch.reject();
                    if !consumer.reject(&record) {
                        return;
                    }
                    let (partition, offset) = (record.partition, record.offset);
                    DeadLettered { topic: name, partition, offset, class, message: &message }.emit(metrics);
                    let letter = dead_letter(&record, name, class, &message);
                    Letter { topic: Topic::DeadLetters, record: letter, otherwise: None }
                }
                NotApplied::Elsewhere(elsewhere) => {
                    if !consumer.reject(&record) {
                        return;
                    }
                    let message =
                        "it came by another partition than its user's, and where it belongs it was refused";
                    let otherwise = Some(dead_letter(&record, name, "validation", message));
                    Letter { topic: *topic, record: elsewhere, otherwise }
                }
            };
            letters.push_back(letter);
        };
        let polled = reader.poll(POLL, BATCH, &mut take);
        batch.end();
        polled.map(drop)
    }

    /// Appends what is not applied here; false if the log has not acknowledged all of it.
    fn append_letters(&mut self) -> bool {
        // Strays are appended anew once nothing else is owed: what is owed may keep a snapshot from covering them for longer
        // than their ids are remembered.
        self.letters.make_contiguous().sort_by_key(|letter| letter.topic != Topic::DeadLetters);
        while let Some(topic) = self.letters.front().map(|letter| letter.topic) {
            let same = self.letters.iter().take_while(|letter| letter.topic == topic);
            let batch: Vec<NewRecord> = same
                .take(if self.singly { 1 } else { usize::MAX })
                .map(|letter| letter.record.clone())
                .collect();
            let count = batch.len();
            match self.runtime.block_on(self.log.append(topic, batch)) {
                Ok(_) => {
                    self.letters.drain(..count);
                    self.metrics.log_trouble.appended();
                }
                Err(_) if planted(Bug::AcknowledgeFirst) => drop(self.letters.drain(..count)),
                // One that is too large for the topic must not hold up the others, nor the stream.
                Err(LogError::Refused(_)) if count > 1 => self.singly = true,
                Err(LogError::Refused(error)) => match self.letters.pop_front().and_then(|one| one.otherwise)
                {
                    Some(record) => {
                        let letter = Letter { topic: Topic::DeadLetters, record, otherwise: None };
                        self.letters.push_front(letter);
                    }
                    None => DeadLetterRefused { error: &error }.emit(&self.metrics),
                },
                Err(error) => {
                    LogUnavailable { what: "dead_letter", error: &error.to_string() }.emit(&self.metrics);
                    return false;
                }
            }
        }
        self.singly = false;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::journal::{JournalLog, JournalSettings};
    use crate::log::{Offset, partition_of};

    const PARTITIONS: u32 = 2;

    /// Wants no more of a partition once it has seen a record of it that has no value.
    #[derive(Default)]
    struct Fussy {
        taken: Arc<parking_lot::Mutex<Vec<(Partition, Offset)>>>,
        enough: Vec<Partition>,
    }

    impl Consumer for Fussy {
        fn apply(&mut self, record: &Record<'_>) -> Result<(), NotApplied> {
            self.taken.lock().push((record.partition, record.offset));
            if record.value.is_none() {
                self.enough.push(record.partition);
            }
            Ok(())
        }

        fn reject(&mut self, _record: &Record<'_>) -> bool {
            true
        }

        fn stopped(&mut self) -> Vec<Partition> {
            std::mem::take(&mut self.enough)
        }

        fn end_batch(&mut self, _positions: &Positions) {}
    }

    #[test]
    fn a_partition_that_its_feed_has_stopped_is_not_read_on() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let dir = tempfile::tempdir().expect("a folder");
        let dir_settings =
            JournalSettings { dir: dir.path().into(), partitions: PARTITIONS, ..Default::default() };
        let log: Arc<dyn Log> = Arc::new(JournalLog::open(dir_settings, Arc::new(|| 0)).expect("a journal"));
        let append = |key: &str, value: Option<&str>| {
            let value = value.map(|value| value.as_bytes().to_vec());
            let new = NewRecord { key: key.into(), value, headers: Vec::new() };
            runtime.block_on(log.append(Topic::Clicks, vec![new])).expect("appended");
        };
        let home = |key: &str| partition_of(key.as_bytes(), PARTITIONS);
        let other = (0..).map(|n| format!("u{n}")).find(|key| home(key) != home("u")).expect("a key");
        let consumer = Fussy::default();
        let taken = Arc::clone(&consumer.taken);
        let tools = Tools {
            log: Arc::clone(&log),
            metrics: Arc::default(),
            runtime: runtime.handle().clone(),
            stop: CancellationToken::new(),
            slow_batch: Duration::MAX,
            unfinished: Arc::default(),
        };
        let from = Positions::beginning(PARTITIONS);
        let mut worker = Worker::new(tools, Topic::Clicks, from, consumer).expect("a worker");
        append("u", None);
        assert_eq!(worker.step().expect("a step"), Next::Now);
        append("u", Some("x"));
        append(&other, Some("x"));
        assert_eq!(worker.step().expect("a step"), Next::Now);
        assert_eq!(*taken.lock(), [(home("u"), Offset::ZERO), (home(&other), Offset::ZERO)]);
    }
}
