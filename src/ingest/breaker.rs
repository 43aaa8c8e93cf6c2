//! Stops a partition that is flooded with bad records, and tries it again after a while.
//!
//! One bad record is a dead letter, and the stream goes on. When most of what comes is bad, it is
//! rather the producer or our own settings that are wrong, and going on would move the whole stream
//! to the dead letters. So the partition stops right before the record that is too much: its
//! position stays, nothing behind it is read, applied or dead-lettered. After a wait it goes on there, for as many
//! bad records as are allowed (`breaker/gate.rs`): what whoever may write has left in the log keeps nobody out
//! for long, and a stream that is bad as a whole trickles into the dead letters. So does the next start.
//!
//! Items have none. Their log is read from its start each time and keeps the newest record of each
//! item, good or bad: there is no place to go on from, so a stop would only keep the good changes
//! behind a flood out of the catalog, and would save no record from anything.

mod gate;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use gate::Gate;

use super::worker::{Consumer, NotApplied, Rejected};
pub use crate::health::StoppedPartitions;
use crate::log::{Partition, Positions, Record};
use crate::snapshot::schedule::Now;
use crate::telemetry::Metrics;
use crate::telemetry::events::{BreakerMended, BreakerTripped};
use crate::telemetry::seldom::Seldom;

pub use gate::BreakerSettings;

/// A consumer whose partitions are each watched by a gate, which shuts on a flood.
pub struct Breaking<F> {
    consumer: F,
    topic: String,
    settings: BreakerSettings,
    watched: BTreeMap<Partition, Watched>,
    /// Partitions of which nothing is taken, from these records on.
    shut: Positions,
    /// Those of which nothing is taken and those that are tried, for people.
    stopped: Arc<StoppedPartitions>,
    /// Stopped and not told to the worker yet.
    tripped: Vec<Partition>,
    metrics: Arc<Metrics>,
    now: Now,
}

/// A partition.
struct Watched {
    gate: Gate,
    /// Since when it has been stopped, or stopped again and again.
    stopped_at: Option<Instant>,
    /// Set while it is read again after a stop, and nothing has shown yet that it can go on.
    trial: Option<Trial>,
    lines: Seldom,
}

/// What came of a partition that is tried again.
#[derive(Default)]
struct Trial {
    /// Whether there was a record in this batch, and in one before.
    now: bool,
    before: bool,
}

/// What people and the clock are told and asked.
pub(crate) struct BreakerParts {
    pub settings: BreakerSettings,
    pub stopped: Arc<StoppedPartitions>,
    pub metrics: Arc<Metrics>,
    pub now: Now,
}

impl<F> Breaking<F> {
    /// Watches over what a consumer of these partitions rejects.
    pub(crate) fn new(consumer: F, topic: String, partitions: &[Partition], parts: BreakerParts) -> Self {
        let BreakerParts { settings, stopped, metrics, now } = parts;
        // A worker that takes over from another one goes no further than that one.
        let mine = stopped.all().iter().filter(|(partition, _)| partitions.contains(partition)).collect();
        let shut: Positions = mine;
        let tripped: Vec<Partition> = shut.partitions().collect();
        let at = now();
        let watched = tripped.iter().map(|partition| {
            let gate = Gate::shut(settings, at);
            (*partition, Watched { gate, stopped_at: Some(at), trial: None, lines: Seldom::default() })
        });
        let watched = watched.collect();
        Self { consumer, topic, settings, watched, shut, stopped, tripped, metrics, now }
    }

    /// A partition is known to go on.
    fn mended(&mut self, partition: Partition) {
        let Some(watched) = self.watched.get_mut(&partition) else { return };
        watched.trial = None;
        let Some(stopped_at) = watched.stopped_at.take() else { return };
        if self.stopped.forget(partition) {
            let lasted = (self.now)().saturating_duration_since(stopped_at);
            BreakerMended { topic: &self.topic, partition, lasted }.emit(&self.metrics);
        }
    }

    /// A partition stops before a record.
    fn trip(&mut self, record: &Record<'_>, rejected: &Rejected, wait: std::time::Duration) {
        let (partition, offset) = (record.partition, record.offset);
        let Some(watched) = self.watched.get_mut(&partition) else { return };
        let now = (self.now)();
        let again = watched.stopped_at.is_some();
        watched.stopped_at.get_or_insert(now);
        watched.trial = None;
        self.shut.set(partition, offset);
        self.stopped.stop(partition, offset);
        self.tripped.push(partition);
        let BreakerSettings { window, rejected: limit, .. } = self.settings;
        let Rejected { class, message } = rejected;
        let is_told = watched.lines.says(now).is_some();
        let topic = &self.topic;
        BreakerTripped { topic, partition, offset, limit, window, class, message, wait, again, is_told }
            .emit(&self.metrics);
    }
}

impl<F: Consumer> Consumer for Breaking<F> {
    fn apply(&mut self, record: &Record<'_>) -> Result<(), NotApplied> {
        let partition = record.partition;
        // The rest of a batch: the worker stops reading the partition after it.
        if self.shut.get(partition).is_some() {
            return Ok(());
        }
        let settings = self.settings;
        let watched = self.watched.entry(partition).or_insert_with(|| Watched {
            gate: Gate::open(settings),
            stopped_at: None,
            trial: None,
            lines: Seldom::default(),
        });
        let rejected = match self.consumer.apply(record) {
            Err(NotApplied::Rejected(rejected)) => rejected,
            // Nothing is wrong with what is applied elsewhere.
            other => {
                watched.gate.accept();
                if watched.trial.is_some() {
                    self.mended(partition);
                }
                return other;
            }
        };
        match watched.gate.reject((self.now)()) {
            None => {
                watched.trial.iter_mut().for_each(|trial| trial.now = true);
                Err(rejected.into())
            }
            // Neither taken nor passed over: it is the first record of the next trial.
            Some(wait) => {
                self.trip(record, &rejected, wait);
                Ok(())
            }
        }
    }

    fn reject(&mut self, record: &Record<'_>) -> bool {
        self.consumer.reject(record)
    }

    fn stopped(&mut self) -> Vec<Partition> {
        std::mem::take(&mut self.tripped)
    }

    fn resumed(&mut self) -> Positions {
        if self.shut.is_empty() {
            return Positions::default();
        }
        let now = (self.now)();
        let due = self.shut.iter().filter(|(partition, _)| {
            self.watched.get_mut(partition).is_some_and(|watched| watched.gate.opens(now))
        });
        let due: Positions = due.collect();
        for partition in due.partitions() {
            self.shut.remove(partition);
            self.watched.entry(partition).and_modify(|watched| watched.trial = Some(Trial::default()));
        }
        due
    }

    fn end_batch(&mut self, positions: &Positions) {
        let mut quiet = Vec::new();
        for (partition, watched) in &mut self.watched {
            let Some(trial) = &mut watched.trial else { continue };
            if trial.before && !trial.now {
                // All that there was is read, and it was not too much.
                quiet.push(*partition);
            }
            trial.before |= std::mem::take(&mut trial.now);
        }
        quiet.into_iter().for_each(|partition| self.mended(partition));
        if self.shut.is_empty() {
            return self.consumer.end_batch(positions);
        }
        // However far they were read: only what is before the first record that was not taken is covered.
        let covered = |(partition, read)| (partition, self.shut.get(partition).unwrap_or(read));
        self.consumer.end_batch(&positions.iter().map(covered).collect());
    }
}
