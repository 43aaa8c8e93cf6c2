//! Stops a partition that is flooded with bad records.
//!
//! One bad record is a dead letter, and the stream goes on. When most of what comes is bad, it is
//! rather the producer or our own settings that are wrong, and going on would move the whole stream
//! to the dead letters. So the partition stops right before the record that is too much: its
//! position stays, nothing behind it is read, applied or dead-lettered, and the next start goes on
//! there.
//!
//! Items have none. Their log is read from its start each time and keeps the newest record of each
//! item, good or bad: there is no place to go on from, so a stop would only keep the good changes
//! behind a flood out of the catalog, and would save no record from anything.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::worker::{Consumer, NotApplied, Rejected};
pub use crate::health::StoppedPartitions;
use crate::log::{Partition, Positions, Record};
use crate::telemetry::Metrics;
use crate::telemetry::events::BreakerTripped;

/// When a partition is stopped: when more than `rejected` of its last `window` records would have
/// been rejected. With `rejected` no smaller than `window` that is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// How many records are looked back at.
    pub window: u64,
    /// How many of them may be bad.
    pub rejected: u64,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { window: 1000, rejected: 500 }
    }
}

/// Counts the bad ones among a partition's last records.
#[derive(Clone, Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    /// How many records there were.
    seen: u64,
    /// Which of those in the window were bad, by their number.
    rejected: VecDeque<u64>,
}

impl Breaker {
    /// One that has seen nothing.
    pub fn new(settings: BreakerSettings) -> Self {
        Self { settings, seen: 0, rejected: VecDeque::new() }
    }

    /// Counts a good record.
    pub fn accept(&mut self) {
        self.seen += 1;
    }

    /// Counts a bad record; false, and not counted, if it is one too many.
    pub fn reject(&mut self) -> bool {
        let number = self.seen + 1;
        while self.rejected.front().is_some_and(|first| number - first >= self.settings.window) {
            self.rejected.pop_front();
        }
        if self.settings.rejected >= self.settings.window {
            self.seen = number;
            return true;
        }
        let fits = (self.rejected.len() as u64) < self.settings.rejected;
        if fits {
            self.seen = number;
            self.rejected.push_back(number);
        }
        fits
    }
}

/// A consumer whose partitions are each watched by a [`Breaker`].
pub struct Breaking<F> {
    consumer: F,
    topic: String,
    settings: BreakerSettings,
    breakers: BTreeMap<Partition, Breaker>,
    /// Partitions of which nothing is taken any more, from these records on.
    open: Positions,
    stopped: Arc<StoppedPartitions>,
    /// Stopped and not told to the worker yet.
    tripped: Vec<Partition>,
    metrics: Arc<Metrics>,
}

impl<F> Breaking<F> {
    /// Watches over what a consumer rejects.
    pub fn new(
        consumer: F,
        topic: String,
        settings: BreakerSettings,
        stopped: Arc<StoppedPartitions>,
        metrics: Arc<Metrics>,
    ) -> Self {
        // A worker that takes over from another one goes no further than that one.
        let open = stopped.all();
        let tripped = open.partitions().collect();
        Self { consumer, topic, settings, breakers: BTreeMap::new(), open, stopped, tripped, metrics }
    }
}

impl<F: Consumer> Consumer for Breaking<F> {
    fn apply(&mut self, record: &Record<'_>) -> Result<(), NotApplied> {
        let (partition, offset) = (record.partition, record.offset);
        // The rest of a batch: the worker stops reading the partition after it.
        if self.open.get(partition).is_some() {
            return Ok(());
        }
        let breaker = self.breakers.entry(partition).or_insert_with(|| Breaker::new(self.settings));
        let rejected = match self.consumer.apply(record) {
            Err(NotApplied::Rejected(rejected)) => rejected,
            // Nothing is wrong with what is applied elsewhere.
            other => {
                breaker.accept();
                return other;
            }
        };
        if breaker.reject() {
            return Err(rejected.into());
        }
        self.open.set(partition, offset);
        let BreakerSettings { window, rejected: limit } = self.settings;
        let Rejected { class, message } = &rejected;
        BreakerTripped { topic: &self.topic, partition, offset, limit, window, class, message }
            .emit(&self.metrics);
        self.stopped.stop(partition, offset);
        self.tripped.push(partition);
        // Neither taken nor passed over: it is the first record of the next start.
        Ok(())
    }

    fn reject(&mut self, record: &Record<'_>) -> bool {
        self.consumer.reject(record)
    }

    fn stopped(&mut self) -> Vec<Partition> {
        std::mem::take(&mut self.tripped)
    }

    fn end_batch(&mut self, positions: &Positions) {
        if self.open.is_empty() {
            return self.consumer.end_batch(positions);
        }
        // However far they were read: only what is before the first record that was not taken is covered.
        let covered = |(partition, read)| (partition, self.open.get(partition).unwrap_or(read));
        self.consumer.end_batch(&positions.iter().map(covered).collect());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Offset;

    fn breaker(window: u64, rejected: u64) -> Breaker {
        Breaker::new(BreakerSettings { window, rejected })
    }

    #[test]
    fn as_many_as_allowed_pass_and_one_more_does_not() {
        let mut breaker = breaker(10, 3);
        assert_eq!([(); 5].map(|()| breaker.reject()), [true, true, true, false, false]);
    }

    #[test]
    fn good_records_make_room_once_the_bad_ones_are_out_of_the_window() {
        let mut breaker = breaker(10, 3);
        assert!(breaker.reject() && breaker.reject() && breaker.reject());
        (0..6).for_each(|_| breaker.accept());
        assert!(!breaker.clone().reject(), "the tenth record still sees the first three");
        breaker.accept();
        assert!(breaker.reject(), "the eleventh does not see the first");
        assert!(breaker.reject() && breaker.reject() && !breaker.reject());
    }

    #[test]
    fn a_steady_share_below_the_limit_never_trips() {
        let mut breaker = breaker(100, 50);
        for _ in 0..1000 {
            assert!(breaker.reject());
            breaker.accept();
        }
        assert!(breaker.rejected.len() <= 50);
    }

    #[test]
    fn a_limit_as_large_as_the_window_never_trips_and_keeps_nothing() {
        let mut breaker = breaker(5, 5);
        assert!((0..100).all(|_| breaker.reject()));
        assert!(breaker.rejected.is_empty());
    }

    /// Rejects what has no value.
    #[derive(Default)]
    struct Memory {
        taken: Vec<(Partition, Offset)>,
        positions: Positions,
    }

    impl Consumer for Memory {
        fn apply(&mut self, record: &Record<'_>) -> Result<(), NotApplied> {
            match record.value {
                None => Err(Rejected { class: "schema", message: "no value".into() }.into()),
                Some(_) => {
                    self.taken.push((record.partition, record.offset));
                    Ok(())
                }
            }
        }

        fn reject(&mut self, _record: &Record<'_>) -> bool {
            true
        }

        fn end_batch(&mut self, positions: &Positions) {
            self.positions = positions.clone();
        }
    }

    fn record(partition: u32, offset: u64, good: bool) -> Record<'static> {
        let value = good.then_some(b"{}".as_slice());
        let (partition, offset) = (Partition(partition), Offset(offset));
        Record { partition, offset, timestamp: None, key: None, value, headers: Vec::new() }
    }

    fn at(positions: [u64; 2]) -> Positions {
        Partition::all(2).zip(positions.map(Offset)).collect()
    }

    #[test]
    fn a_flooded_partition_stays_where_it_is_and_the_others_go_on() {
        let stopped = Arc::new(StoppedPartitions::default());
        let settings = BreakerSettings { window: 10, rejected: 2 };
        let metrics = Arc::new(Metrics::new());
        let mut consumer = Breaking::new(
            Memory::default(),
            "clicks".into(),
            settings,
            Arc::clone(&stopped),
            Arc::clone(&metrics),
        );
        assert_eq!(consumer.apply(&record(0, 0, true)), Ok(()));
        assert!(consumer.apply(&record(0, 1, false)).is_err());
        assert!(consumer.apply(&record(0, 2, false)).is_err());
        assert!(stopped.is_empty());
        assert_eq!(consumer.apply(&record(0, 3, false)), Ok(()), "it is not dead-lettered");
        assert_eq!(consumer.apply(&record(0, 4, true)), Ok(()));
        assert_eq!(consumer.apply(&record(1, 0, true)), Ok(()));
        assert_eq!(consumer.stopped(), [Partition(0)]);
        assert!(consumer.stopped().is_empty(), "it is told once");
        consumer.end_batch(&at([5, 1]));
        assert_eq!(consumer.consumer.taken, [(Partition(0), Offset(0)), (Partition(1), Offset(0))]);
        assert_eq!(consumer.consumer.positions, at([3, 1]));
        // Whoever goes on with these partitions leaves it where it is, until it is given up.
        let mut next = Breaking::new(
            Memory::default(),
            "clicks".into(),
            settings,
            Arc::clone(&stopped),
            Arc::clone(&metrics),
        );
        assert_eq!(next.stopped(), [Partition(0)]);
        assert_eq!(next.apply(&record(0, 3, true)), Ok(()));
        assert_eq!(next.apply(&record(1, 1, true)), Ok(()));
        assert_eq!(next.consumer.taken, [(Partition(1), Offset(1))]);

        let reason = stopped.reason().unwrap_or_default();
        assert!(reason.ends_with("stopped partition 0 at offset 3"), "{reason}");
        assert_eq!(metrics.stopped_partitions.get(), 1);
        assert!(stopped.forget(Partition(0)) && !stopped.forget(Partition(0)) && stopped.is_empty());
    }
}
