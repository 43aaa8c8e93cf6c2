//! From records to state: what the workers do with them.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::clock::Clock;
use crate::codec::{DecodeError, Encoding, decode_event_record, decode_item_record};
use crate::engine::events::catalog::CatalogOutcome;
use crate::engine::events::event::Event;
use crate::engine::events::item::ItemChange;
use crate::engine::facts::state::Outcome;
use crate::engine::position::Arrival;
use crate::engine::text::shorten;
use crate::ingest::skips::Skips;
use crate::ingest::worker::{Consumer, NotApplied, Rejected};
use crate::log::{NewRecord, Offset, Partition, Positions, Record};
use crate::snapshot::schedule::Schedule;
use crate::state::State;
use crate::telemetry::events::ItemsEmptied;
use crate::telemetry::{Metrics, OutcomeLabel};

/// The header of an event that was appended anew: where it had come, as `partition/offset`.
const FORWARDED: &str = "headwater.forwarded_from";

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

/// What becomes of an event that lies in another partition than its user's.
enum Stray {
    /// It counts where it is.
    Applies,
    /// It was appended where it belongs.
    IsElsewhere,
}

/// Clicks to partition states.
pub struct Clicks<O> {
    state: Arc<State>,
    encoding: Encoding,
    metrics: Arc<Metrics>,
    clock: Clock,
    observer: O,
    outcomes: [u64; 4],
    /// Events that lie in another partition than their user's.
    strays: u64,
    /// Records that are left out.
    skips: Skips,
    /// Before these offsets strays were appended anew by whoever read the partition then.
    dealt_with: Positions,
    /// The wall clock, as it was before this batch.
    now: i64,
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
        dealt_with: Positions,
    ) -> Self {
        let now = clock();
        Self {
            state,
            encoding,
            metrics,
            clock,
            observer,
            outcomes: [0; 4],
            strays: 0,
            skips: Skips::default(),
            dealt_with,
            now,
            applied_at: Vec::new(),
        }
    }

    /// The same without some records.
    pub fn leaving_out(self, skips: Skips) -> Self {
        Self { skips, ..self }
    }

    /// An event that lies in another partition than its user's. Where one process has all of them it is applied
    /// there, and looked for there. Where they are shared, questions about the user are asked of the one process
    /// that has the user's partition: so it is appended anew, under the key that leads there.
    ///
    /// A second look at an old record must not append it again: the id that it gives itself is remembered for a
    /// while only. Whoever had the partition has committed how far that was done.
    fn stray(&mut self, event: &Event<'_>, record: &Record<'_>) -> Result<Stray, NotApplied> {
        self.strays += 1;
        if !self.state.is_shared() {
            self.state.expect_stray(record.partition, event.user_id);
            return Ok(Stray::Applies);
        }
        if self.dealt_with.get(record.partition).is_some_and(|dealt_with| record.offset < dealt_with) {
            return Ok(Stray::IsElsewhere);
        }
        let from = format!("{}/{}", record.partition, record.offset);
        let headers = record.headers.iter();
        let mut headers: Vec<_> =
            headers.map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec))).collect();
        if headers.iter().any(|(name, _)| name == FORWARDED) {
            let message = format!(
                "the events of `user_id` `{}` belong in another partition than {}, where this one came though it \
                 had been appended anew: the topic has not as many partitions as it had at the start",
                shorten(event.user_id),
                record.partition
            );
            return Err(Rejected { class: "validation", message }.into());
        }
        headers.push((FORWARDED.to_owned(), Some(from.into_bytes())));
        let value = record.value.map(<[u8]>::to_vec);
        Err(NotApplied::Elsewhere(NewRecord { key: event.user_id.into(), value, headers }))
    }

    /// The log's time of a record. On a topic with `CreateTime` it is what the producer's clock says: one that is
    /// ahead of ours by more than clocks may be is not believed. So what such a record leads to depends on when it
    /// is read; of all others it does not.
    fn log_time(&mut self, record: &Record<'_>) -> Option<i64> {
        let skew = self.state.config().max_clock_skew;
        let time = record.timestamp?;
        if time <= self.now.saturating_add(skew) {
            return Some(time);
        }
        // It may have been long since this was asked.
        self.now = (self.clock)();
        Some(if time <= self.now.saturating_add(skew) { time } else { self.now })
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
        self.metrics.strays.inc_by(std::mem::take(&mut self.strays));
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
    fn apply(&mut self, record: &Record<'_>) -> Result<(), NotApplied> {
        if self.skips.contains(record.partition, record.offset) {
            if self.state.skip(record.partition, record.offset) {
                self.metrics.skipped.inc();
            }
            return Ok(());
        }
        let draft = decode_event_record(record, self.encoding).map_err(rejected)?;
        let mut event =
            draft.check(&self.state.config().event_types).map_err(|error| rejected(error.into()))?;
        let forwarded = record.headers.iter().find(|(name, _)| *name == FORWARDED);
        let is_elsewhere = if !self.state.is_home(record.partition, event.user_id) {
            matches!(self.stray(&event, record)?, Stray::IsElsewhere)
        } else {
            // Who reads all partitions reads it, too, where it came first.
            let origin = forwarded.and_then(|(_, from)| origin(std::str::from_utf8((*from)?).ok()?));
            !self.state.is_shared()
                && origin.is_some_and(|(partition, offset)| self.state.was_read_here(partition, offset))
        };
        if is_elsewhere {
            self.state.skip(record.partition, record.offset);
            return Ok(());
        }
        // Appended anew after a crash it is the same event, though it has no id of its own.
        if let (None, Some((_, Some(from)))) = (event.event_id, forwarded) {
            event.event_id = std::str::from_utf8(from).ok();
        }
        let log_time = self.log_time(record);
        let outcome = self.state.apply(record.partition, record.offset, log_time, &event);
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
        self.now = (self.clock)();
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
    clock: Clock,
    emptied: Emptied,
}

/// Items that have lost all their categories since that was told last.
#[derive(Debug, Default)]
struct Emptied {
    count: u64,
    /// One of them.
    example: String,
    /// When it was told last, in ms.
    told_at: Option<i64>,
}

/// How long one line about such items is enough, in ms.
const QUIET: i64 = 60_000;

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
        clock: Clock,
    ) -> Self {
        Self { state, encoding, metrics, progress, clock, emptied: Emptied::default() }
    }
}

impl Emptied {
    /// Tells it, unless that was done a moment ago.
    fn tell(&mut self, clock: &Clock) {
        if self.count == 0 {
            return;
        }
        let now = clock();
        if self.told_at.is_none_or(|told_at| !(told_at..told_at.saturating_add(QUIET)).contains(&now)) {
            ItemsEmptied { count: self.count, example: &self.example }.emit();
            *self = Self { told_at: Some(now), ..Self::default() };
        }
    }
}

impl Consumer for Items {
    fn apply(&mut self, record: &Record<'_>) -> Result<(), NotApplied> {
        let change = decode_item_record(record, self.encoding).map_err(rejected)?;
        let bare = match &change {
            ItemChange::Put(item) if item.categories.is_empty() => item.item_id.clone(),
            _ => String::new(),
        };
        let outcome = match self.state.apply_item(change) {
            CatalogOutcome::Changed => "applied",
            CatalogOutcome::Emptied => {
                // What the log held at the start was told when it came.
                if self.progress.is_complete() {
                    self.emptied.count += 1;
                    self.emptied.example = bare;
                }
                "lost_categories"
            }
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
        self.emptied.tell(&self.clock);
        let mut read = self.progress.0.lock();
        read.positions.merge(positions);
        read.reported.merge(positions);
    }
}

/// Where a record came first, of which a copy says `partition/offset`.
fn origin(from: &str) -> Option<(Partition, Offset)> {
    let (partition, offset) = from.split_once('/')?;
    Some((Partition(partition.parse().ok()?), Offset(offset.parse().ok()?)))
}

fn rejected(error: DecodeError) -> NotApplied {
    Rejected { class: error.class(), message: error.to_string() }.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::StreamConfig;
    use crate::engine::events::event::Timestamp;

    const NOW: i64 = 1_700_000_000_000;
    const MINUTE: i64 = 60_000;

    struct Nobody;

    impl Observer for Nobody {
        fn observe(&mut self, _: &State, _: Partition) {}
    }

    fn record(value: &str, timestamp: i64) -> Record<'_> {
        Record {
            partition: Partition(0),
            offset: Offset::ZERO,
            timestamp: Some(timestamp),
            key: Some(b"u"),
            value: Some(value.as_bytes()),
            headers: Vec::new(),
        }
    }

    /// The watermark, after an event of this time on a record of that.
    fn watermark_after(ts: i64, record: i64) -> i64 {
        let config = StreamConfig { max_out_of_orderness: 0, ..StreamConfig::default() };
        let state = Arc::new(State::empty(Arc::new(config), 1));
        let metrics = Arc::new(Metrics::new());
        let (state_of, clock): (_, Clock) = (Arc::clone(&state), Arc::new(|| NOW));
        let mut clicks = Clicks::new(state_of, Encoding::Json, metrics, clock, Nobody, Positions::default());
        let value = format!(r#"{{"user_id":"u","item_id":"i","type":"click","ts":{ts}}}"#);
        clicks.apply(&self::record(&value, record)).expect("it is applied");
        state.watermark().expect("an event").0 - NOW
    }

    #[test]
    fn a_log_whose_time_producers_set_is_believed_as_far_as_clocks_may_differ() {
        assert_eq!(watermark_after(NOW - MINUTE, NOW), -MINUTE);
        assert_eq!(watermark_after(NOW + MINUTE, NOW), 0, "nothing is logged before it happens");
        assert_eq!(watermark_after(NOW + 4 * MINUTE, NOW + 4 * MINUTE), 4 * MINUTE);
        assert_eq!(watermark_after(NOW + 58 * MINUTE, NOW + 58 * MINUTE), 0);
        assert_eq!(watermark_after(NOW + 4 * MINUTE, NOW + 58 * MINUTE), 0);
    }

    #[test]
    fn requests_of_now_are_answered_for_no_instant_that_no_clock_could_tell() {
        let state = State::empty(Arc::new(StreamConfig::default()), 1);
        assert_eq!(state.now(Timestamp(NOW)), Timestamp(NOW));
        apply_without_a_logs_time(&state, NOW + 60 * MINUTE);
        assert_eq!(state.now(Timestamp(NOW)), Timestamp(NOW + 5 * MINUTE));
        assert_eq!(state.now(Timestamp(NOW + 70 * MINUTE)), Timestamp(NOW + 70 * MINUTE));
    }

    fn apply_without_a_logs_time(state: &State, ts: i64) {
        let value = format!(r#"{{"user_id":"u","item_id":"i","type":"click","ts":{ts}}}"#);
        let record = Record { timestamp: None, ..record(&value, NOW) };
        let draft = decode_event_record(&record, Encoding::Json).expect("an event");
        let event = draft.check(&state.config().event_types).expect("a valid event");
        state.apply(Partition(0), Offset::ZERO, None, &event);
    }
}
