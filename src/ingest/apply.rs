//! From records to state: what the workers do with them.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::clock::Clock;
use crate::codec::{DecodeError, Encoding, decode_event_record, decode_item_record};
use crate::engine::events::catalog::CatalogOutcome;
use crate::engine::facts::state::Outcome;
use crate::engine::position::Arrival;
use crate::engine::text::shorten;
use crate::ingest::worker::{Consumer, Rejected};
use crate::log::{Offset, Partition, Positions, Record, partition_of};
use crate::snapshot::schedule::Schedule;
use crate::state::State;
use crate::telemetry::{Metrics, OutcomeLabel};

/// What looks at a partition between batches, on the thread that owns it.
pub trait Observer: Send {
    /// Called for each partition of a worker.
    fn observe(&mut self, state: &State, partition: Partition);
}

impl Observer for Schedule {
    fn observe(&mut self, state: &State, partition: Partition) {
        self.take_if_due(state, partition);
    }
}

/// Clicks to partition states.
pub struct Clicks<O> {
    state: Arc<State>,
    encoding: Encoding,
    metrics: Arc<Metrics>,
    clock: Clock,
    observer: O,
    outcomes: [u64; 4],
    /// The log's timestamps of what was applied in this batch and is not told yet.
    applied_at: Vec<i64>,
}

impl<O: Observer> Clicks<O> {
    /// Applies to a state.
    pub fn new(
        state: Arc<State>,
        encoding: Encoding,
        metrics: Arc<Metrics>,
        clock: Clock,
        observer: O,
    ) -> Self {
        Self { state, encoding, metrics, clock, observer, outcomes: [0; 4], applied_at: Vec::new() }
    }

    /// Questions about a user are asked where the user's key belongs: events that lie elsewhere
    /// would be counted and never found.
    fn placed(&self, user_id: &str, record: &Record<'_>) -> Result<(), Rejected> {
        let home = partition_of(user_id.as_bytes(), self.state.partitions());
        if home == record.partition {
            return Ok(());
        }
        let key = match record.key {
            None => "no key".to_owned(),
            Some(key) => format!("the key `{}`", shorten(&String::from_utf8_lossy(key))),
        };
        let message = format!(
            "the events of `user_id` `{}` belong in partition {home}, this one came to partition {} with {key}: \
             expected `user_id` as the key, and murmur2 as the partitioner (in librdkafka, \
             partitioner=murmur2_random)",
            shorten(user_id),
            record.partition,
        );
        Err(Rejected { class: "validation", message })
    }

    fn tell(&mut self) {
        if self.outcomes.iter().any(|count| *count > 0) {
            self.metrics.unknown_item_events.inc_by(self.state.take_unknown_items());
        }
        for (outcome, count) in
            ["applied", "duplicate", "late", "item_limit"].into_iter().zip(&mut self.outcomes)
        {
            if *count > 0 {
                self.metrics.events.get_or_create(&OutcomeLabel { outcome }).inc_by(std::mem::take(count));
            }
        }
        if self.applied_at.is_empty() {
            return;
        }
        let now = (self.clock)();
        for timestamp in self.applied_at.drain(..) {
            self.metrics.event_to_visible.observe((now - timestamp).max(0) as f64 / 1e3);
        }
    }
}

impl<O: Observer> Consumer for Clicks<O> {
    fn apply(&mut self, record: &Record<'_>) -> Result<(), Rejected> {
        let draft = decode_event_record(record, self.encoding).map_err(rejected)?;
        let event = draft.check(&self.state.config().event_types).map_err(|error| rejected(error.into()))?;
        self.placed(event.user_id, record)?;
        let outcome = self.state.apply(record.partition, record.offset, record.timestamp, &event);
        let place = match outcome {
            None => return Ok(()),
            Some(Outcome::Applied) => 0,
            Some(Outcome::Duplicate) => 1,
            Some(Outcome::Late) => 2,
            Some(Outcome::ItemLimit) => 3,
        };
        self.outcomes[place] += 1;
        if place == 0 {
            self.applied_at.extend(record.timestamp);
        }
        Ok(())
    }

    fn reject(&mut self, record: &Record<'_>) -> bool {
        self.state.skip(record.partition, record.offset)
    }

    fn end_batch(&mut self, positions: &Positions) {
        self.tell();
        for (partition, position) in positions.iter() {
            self.state.reached(partition, position);
            self.observer.observe(&self.state, partition);
        }
    }
}

/// Item changes to the catalog. It is read from the start of its log each time.
pub struct Items {
    state: Arc<State>,
    encoding: Encoding,
    metrics: Arc<Metrics>,
    progress: Arc<Progress>,
}

/// How far the items log was read.
#[derive(Debug, Default)]
pub struct Progress(Mutex<Read>);

#[derive(Debug, Default)]
struct Read {
    positions: Positions,
    /// Bad records before it were dead-lettered, in this run or an earlier one.
    reported: Positions,
    /// Whether all that the log held at the start was read.
    complete: bool,
}

impl Progress {
    /// The next offset of a partition.
    pub fn position(&self, partition: Partition) -> Offset {
        self.0.lock().positions.get(partition).unwrap_or_default()
    }

    /// Whether everything before these positions was read.
    pub fn covers(&self, positions: &Positions) -> bool {
        self.0.lock().positions.covers(positions)
    }

    /// Whether the catalog holds all that the log held at the start.
    pub fn is_complete(&self) -> bool {
        self.0.lock().complete
    }

    /// Tells that the catalog holds all that the log held at the start.
    pub fn completed(&self) {
        self.0.lock().complete = true;
    }

    /// How far each partition's bad records were dead-lettered.
    pub fn reported(&self) -> Positions {
        self.0.lock().reported.clone()
    }

    /// Takes over what an earlier run has reported.
    pub fn resume(&self, reported: Positions) {
        self.0.lock().reported = reported;
    }
}

impl Items {
    /// Applies to a state's catalog.
    pub fn new(
        state: Arc<State>,
        encoding: Encoding,
        metrics: Arc<Metrics>,
        progress: Arc<Progress>,
    ) -> Self {
        Self { state, encoding, metrics, progress }
    }
}

impl Consumer for Items {
    fn apply(&mut self, record: &Record<'_>) -> Result<(), Rejected> {
        let change = decode_item_record(record, self.encoding).map_err(rejected)?;
        let outcome = match self.state.apply_item(change) {
            CatalogOutcome::Changed => "applied",
            CatalogOutcome::Unchanged => "unchanged",
            CatalogOutcome::Full => "item_limit",
        };
        self.metrics.items.get_or_create(&OutcomeLabel { outcome }).inc();
        Ok(())
    }

    fn reject(&mut self, record: &Record<'_>) -> bool {
        let read = self.progress.0.lock();
        let reported = read.reported.get(record.partition).unwrap_or_default();
        reported.arrival(record.offset) != Arrival::Seen
    }

    fn end_batch(&mut self, positions: &Positions) {
        let mut read = self.progress.0.lock();
        read.positions.merge(positions);
        read.reported.merge(positions);
    }
}

fn rejected(error: DecodeError) -> Rejected {
    Rejected { class: error.class(), message: error.to_string() }
}
