//! A consumer with partitions that are flooded.

use std::time::Duration;

use parking_lot::Mutex;

use super::*;
use crate::log::Offset;

const SECOND: Duration = Duration::from_secs(1);

/// A clock that stands still until it is told to go on.
#[derive(Clone)]
struct Clock(Arc<Mutex<Instant>>);

impl Default for Clock {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }
}

impl Clock {
    fn pass(&self, time: Duration) {
        *self.0.lock() += time;
    }
}

/// Allows two bad ones of ten, in so many partitions.
fn breaking(
    partitions: u32,
    stopped: &Arc<StoppedPartitions>,
    metrics: &Arc<Metrics>,
    clock: &Clock,
) -> Breaking<Memory> {
    let settings = BreakerSettings { window: 10, rejected: 2, retry: SECOND, max_retry: 4 * SECOND };
    let at = Arc::clone(&clock.0);
    let (stopped, metrics) = (Arc::clone(stopped), Arc::clone(metrics));
    let parts = BreakerParts { settings, stopped, metrics, now: Arc::new(move || *at.lock()) };
    let partitions: Vec<Partition> = Partition::all(partitions).collect();
    Breaking::new(Memory::default(), "clicks".into(), &partitions, parts)
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
    let metrics = Arc::new(Metrics::new());
    let clock = Clock::default();
    let mut consumer = breaking(2, &stopped, &metrics, &clock);
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
    let mut next = breaking(2, &stopped, &metrics, &clock);
    assert_eq!(next.stopped(), [Partition(0)]);
    assert_eq!(next.apply(&record(0, 3, true)), Ok(()));
    assert_eq!(next.apply(&record(1, 1, true)), Ok(()));
    assert_eq!(next.consumer.taken, [(Partition(1), Offset(1))]);

    let reason = stopped.reason().unwrap_or_default();
    assert!(reason.ends_with("stopped partition 0 at offset 3"), "{reason}");
    assert_eq!(metrics.stopped_partitions.get(), 1);
    assert!(stopped.forget(Partition(0)) && !stopped.forget(Partition(0)) && stopped.is_empty());
}

/// Sends bad records from an offset on until one is not taken: its offset.
fn flood(consumer: &mut Breaking<Memory>, from: u64) -> u64 {
    (from..).find(|offset| consumer.apply(&record(0, *offset, false)).is_ok()).expect("it stops")
}

#[test]
fn a_flooded_partition_is_tried_again_until_a_good_record_shows_that_it_can_go_on() {
    let (stopped, metrics) = (Arc::new(StoppedPartitions::default()), Arc::new(Metrics::new()));
    let clock = Clock::default();
    let mut consumer = breaking(1, &stopped, &metrics, &clock);
    let mut offset = 0;
    for wait in [1, 2, 4, 4] {
        let from = offset;
        offset = flood(&mut consumer, from);
        assert_eq!((offset - from, consumer.stopped()), (2, vec![Partition(0)]));
        consumer.end_batch(&[(Partition(0), Offset(99))].into());
        assert_eq!(consumer.consumer.positions, [(Partition(0), Offset(offset))].into());
        clock.pass(wait * SECOND - SECOND / 10);
        assert!(consumer.resumed().is_empty(), "not before its time");
        clock.pass(SECOND / 10);
        assert_eq!(consumer.resumed(), [(Partition(0), Offset(offset))].into());
        assert!(consumer.resumed().is_empty(), "it is told once");
        assert_eq!((metrics.stopped_partitions.get(), stopped.is_empty()), (1, false), "it is on trial");
    }
    assert!(consumer.apply(&record(0, offset, false)).is_err());
    assert_eq!(metrics.stopped_partitions.get(), 1);
    assert_eq!(consumer.apply(&record(0, offset + 1, true)), Ok(()));
    assert_eq!((metrics.stopped_partitions.get(), stopped.is_empty()), (0, true));
    consumer.end_batch(&[(Partition(0), Offset(offset + 2))].into());
    assert_eq!(consumer.consumer.positions, [(Partition(0), Offset(offset + 2))].into());
    assert_eq!(consumer.consumer.taken, [(Partition(0), Offset(offset + 1))]);
}

#[test]
fn a_flood_that_has_come_to_its_end_is_over_without_a_good_record() {
    let (stopped, metrics) = (Arc::new(StoppedPartitions::default()), Arc::new(Metrics::new()));
    let clock = Clock::default();
    let mut consumer = breaking(1, &stopped, &metrics, &clock);
    let offset = flood(&mut consumer, 0);
    clock.pass(SECOND);
    assert!(!consumer.resumed().is_empty());
    let read = [(Partition(0), Offset(offset + 1))].into();
    // Another reader may take a moment to begin.
    consumer.end_batch(&read);
    assert!(consumer.apply(&record(0, offset, false)).is_err());
    consumer.end_batch(&read);
    assert!(!stopped.is_empty(), "there may be more");
    consumer.end_batch(&read);
    assert!(stopped.is_empty());
    assert_eq!(metrics.stopped_partitions.get(), 0);
}

#[test]
fn whoever_takes_over_tries_its_own_partitions_only() {
    let (stopped, metrics) = (Arc::new(StoppedPartitions::default()), Arc::new(Metrics::new()));
    let clock = Clock::default();
    stopped.stop(Partition(0), Offset(3));
    stopped.stop(Partition(7), Offset(9));
    let mut consumer = breaking(1, &stopped, &metrics, &clock);
    assert_eq!(consumer.stopped(), [Partition(0)]);
    clock.pass(SECOND);
    assert_eq!(consumer.resumed(), [(Partition(0), Offset(3))].into());
}
