//! The loop that takes records from a log: the only writer of what it feeds.
//!
//! A thread owns it, as polling a log blocks. What can't be applied is dead-lettered and
//! acknowledged by the log before the next thing happens, so that no snapshot covers a record whose
//! dead letter could still be lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;

use super::dead_letters::dead_letter;
use super::{Log, LogError, LogReader, NewRecord, Partition, Record, Topic};
use crate::telemetry::Metrics;
use crate::telemetry::events::{DeadLetterRefused, DeadLettered, LogUnavailable};

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

/// What is fed with records.
pub trait Feed: Send {
    /// Takes a record in, or says why it can't.
    ///
    /// # Errors
    /// The record is to be dead-lettered.
    fn take(&mut self, record: &Record<'_>) -> Result<(), Rejected>;

    /// Whether a rejected record at this place is new, and so to be dead-lettered.
    fn pass_over(&mut self, record: &Record<'_>) -> bool;

    /// Called between batches, with how far each partition has been read.
    fn between_batches(&mut self, positions: &[(Partition, u64)]);
}

/// Feeds from one reader until it is told to stop.
pub struct Worker<F> {
    /// The log, for dead letters.
    pub log: Arc<dyn Log>,
    /// The topic that is read.
    pub topic: Topic,
    /// Where records come from.
    pub reader: Box<dyn LogReader>,
    /// The partitions of the reader.
    pub partitions: Vec<Partition>,
    /// What is fed.
    pub feed: F,
    /// Where metrics go.
    pub metrics: Arc<Metrics>,
    /// Runs the appends of dead letters.
    pub runtime: Handle,
    /// Set to stop.
    pub stop: Arc<AtomicBool>,
}

impl<F: Feed> Worker<F> {
    /// Runs until told to stop. Returns the feed, with every record before its positions taken in.
    ///
    /// # Errors
    /// The log can't be read any more, and trying again would not help.
    pub fn run(mut self) -> Result<F, LogError> {
        let mut positions: Vec<(Partition, u64)> = self.partitions.iter().map(|place| (*place, 0)).collect();
        let mut rejected = Vec::new();
        while !self.stop.load(Ordering::Acquire) {
            match self.poll(&mut rejected) {
                Ok(()) => {}
                Err(LogError::Unavailable(error)) => {
                    LogUnavailable { what: "read", error: &error }.emit(&self.metrics);
                    std::thread::sleep(RETRY);
                }
                Err(error) => return Err(error),
            }
            if !rejected.is_empty() && !self.dead_letter(std::mem::take(&mut rejected)) {
                // Told to stop while the log was away: no snapshot may cover these records, and
                // none does, as the feed is not called again.
                return Err(LogError::Unavailable("stopped before dead letters were acknowledged".into()));
            }
            for (partition, position) in &mut positions {
                *position = self.reader.position(*partition).unwrap_or(*position);
            }
            self.feed.between_batches(&positions);
        }
        Ok(self.feed)
    }

    fn poll(&mut self, rejected: &mut Vec<NewRecord>) -> Result<(), LogError> {
        let Self { log, topic, reader, feed, metrics, .. } = self;
        let mut take = |record: Record<'_>| {
            let Err(Rejected { class, message }) = feed.take(&record) else { return };
            if !feed.pass_over(&record) {
                return;
            }
            let name = log.name(*topic);
            let (partition, offset) = (record.partition, record.offset);
            DeadLettered { topic: name, partition, offset, class, message: &message }.emit(metrics);
            rejected.push(dead_letter(&record, name, class, &message));
        };
        reader.poll(POLL, BATCH, &mut take).map(drop)
    }

    /// Appends dead letters until the log has acknowledged them; false if told to stop before.
    fn dead_letter(&self, letters: Vec<NewRecord>) -> bool {
        loop {
            match self.runtime.block_on(self.log.append(Topic::DeadLetters, letters.clone())) {
                Ok(_) => return true,
                // One that is too large for the topic must not hold up the others, nor the stream.
                Err(LogError::Refused(_)) if letters.len() > 1 => {
                    return letters.into_iter().all(|letter| self.dead_letter(vec![letter]));
                }
                Err(LogError::Refused(error)) => {
                    DeadLetterRefused { error: &error }.emit(&self.metrics);
                    return true;
                }
                Err(error) => {
                    LogUnavailable { what: "dead_letter", error: &error.to_string() }.emit(&self.metrics)
                }
            }
            if self.stop.load(Ordering::Acquire) {
                return false;
            }
            std::thread::sleep(RETRY);
        }
    }
}
