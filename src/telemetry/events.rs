//! One struct for each thing that an operator may want to know of.

use std::time::Duration;

use tracing::{debug, error, info, warn};

use crate::engine::events::event::Timestamp;
use crate::engine::position::{Offset, Partition};
use crate::telemetry::metrics::{Class, Metrics, Outcome};
use crate::telemetry::seldom::in_words;

mod models;
mod snapshots;

pub use models::*;
pub use snapshots::*;

/// A record could not be applied and was sent to the dead letter topic.
pub struct DeadLettered<'a> {
    /// The topic's name.
    pub topic: &'a str,
    /// The record's partition.
    pub partition: Partition,
    /// The record's offset.
    pub offset: Offset,
    /// The kind of error.
    pub class: &'static str,
    /// What is wrong with it.
    pub message: &'a str,
}

impl DeadLettered<'_> {
    /// Writes and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        let Self { topic, partition, offset, class, message } = self;
        warn!(topic, partition = partition.0, offset = offset.0, class, message, "record dead-lettered");
        metrics.dead_letters.get_or_create(&Class { class }).inc();
    }
}

/// Items had categories and have none any more. They are counted with what became of each change.
pub struct ItemsEmptied<'a> {
    /// How many, since it was told last.
    pub count: u64,
    /// One of them.
    pub example: &'a str,
}

impl ItemsEmptied<'_> {
    /// Writes it.
    pub fn emit(&self) {
        let Self { count, example } = self;
        warn!(
            count,
            example,
            "items have lost all their categories: no interest leads to them any more; was that meant?"
        );
    }
}

/// Too many of a partition's records are bad: it was stopped before this one, and is tried again after a while.
pub struct BreakerTripped<'a> {
    /// The topic's name.
    pub topic: &'a str,
    /// The partition.
    pub partition: Partition,
    /// The first record that was not taken.
    pub offset: Offset,
    /// How many bad records are allowed.
    pub limit: u64,
    /// Of how many.
    pub window: u64,
    /// The kind of error of this record.
    pub class: &'static str,
    /// What is wrong with it.
    pub message: &'a str,
    /// How long it waits until it is tried again.
    pub wait: Duration,
    /// Whether it had been stopped before, and was tried again.
    pub again: bool,
    /// Whether there is a line for it.
    pub is_told: bool,
}

impl BreakerTripped<'_> {
    /// Writes and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        let Self { topic, partition, offset, limit, window, class, message, .. } = self;
        let (partition, offset, wait) = (partition.0, offset.0, in_words(self.wait));
        if !self.again {
            metrics.stopped_partitions.inc();
        }
        match (self.is_told, self.again) {
            (true, false) => error!(
                topic,
                partition,
                offset,
                limit,
                window,
                class,
                message,
                "too many bad records: partition stopped, to be tried again in {wait}"
            ),
            (true, true) => error!(
                topic,
                partition,
                offset,
                limit,
                window,
                class,
                message,
                "still too many bad records: partition stopped again, to be tried again in {wait}"
            ),
            (false, _) => {
                debug!(
                    topic,
                    partition, offset, class, message, "too many bad records, trying again in {wait}"
                );
            }
        }
    }
}

/// A partition that was stopped by bad records goes on.
pub struct BreakerMended<'a> {
    /// The topic's name.
    pub topic: &'a str,
    /// The partition.
    pub partition: Partition,
    /// For how long it was stopped, or stopped again and again.
    pub lasted: Duration,
}

impl BreakerMended<'_> {
    /// Writes and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        let Self { topic, partition, lasted } = self;
        let lasted = in_words(*lasted);
        info!(topic, partition = partition.0, "the partition goes on after {lasted} of too many bad records");
        metrics.stopped_partitions.dec();
    }
}

/// The dead letter topic will never take a record: its text in the log is all that is left.
pub struct DeadLetterRefused<'a> {
    /// What the log said.
    pub error: &'a str,
}

impl DeadLetterRefused<'_> {
    /// Writes and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        error!(error = self.error, "dead letter refused by the log");
        metrics.log_errors.get_or_create(&Class { class: "dead_letter_refused" }).inc();
    }
}

/// The log does not answer; it is tried again.
pub struct LogUnavailable<'a> {
    /// What was tried: `read`, `dead_letter` or `lag`.
    pub what: &'static str,
    /// What the log said.
    pub error: &'a str,
}

impl LogUnavailable<'_> {
    /// Writes and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.log_trouble.failed(self.what, self.error);
        metrics.log_errors.get_or_create(&Class { class: self.what }).inc();
    }
}

/// A group has given partitions to this process, or taken them from it.
pub struct PartitionsMoved<'a> {
    /// `assigned`, `revoked` or `lost`.
    pub change: &'static str,
    /// Which.
    pub partitions: &'a [Partition],
}

impl PartitionsMoved<'_> {
    /// Writes and counts them.
    pub fn emit(&self, metrics: &Metrics) {
        let Self { change, partitions } = self;
        let numbers: Vec<u32> = partitions.iter().map(|partition| partition.0).collect();
        info!(change, partitions = ?numbers, "the group has decided");
        let moves = metrics.partition_moves.get_or_create(&Outcome { outcome: change });
        moves.inc_by(partitions.len() as u64);
    }
}

/// Users were forgotten to make room for others.
pub struct UsersEvicted {
    /// How many, since that was told last.
    pub users: u64,
    /// How many a partition may hold.
    pub limit: usize,
}

impl UsersEvicted {
    /// Writes it.
    pub fn emit(&self) {
        let Self { users, limit } = self;
        warn!(
            users,
            limit,
            "users were forgotten to make room (`limits.users`): to those who come back lists are as to strangers"
        );
    }
}

/// Events were dropped as they name more items than there is room for.
pub struct ItemsRefused {
    /// How many events, since that was told last.
    pub events: u64,
    /// How many items a partition may hold.
    pub limit: usize,
}

impl ItemsRefused {
    /// Writes it.
    pub fn emit(&self) {
        let Self { events, limit } = self;
        warn!(
            events,
            limit,
            "events were dropped, as there is no room for more items (`limits.items`) until windows let go of some"
        );
    }
}

/// The service is ready, or is not any more, or answers less well than it should.
pub struct ReadinessChanged<'a> {
    /// Whether requests should be sent to it.
    pub ready: bool,
    /// What it is now, by the name of that.
    pub state: &'static str,
    /// What it was, and for how long; none at the start.
    pub was: Option<(&'static str, Duration)>,
    /// For how long not all was well, if it was before and is again.
    pub again_after: Option<Duration>,
    /// What is wrong, if anything.
    pub reasons: &'a str,
    /// The greatest watermark, if there was an event.
    pub watermark: Option<Timestamp>,
}

impl ReadinessChanged<'_> {
    /// Writes and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        let Self { ready, state, was, again_after, reasons, watermark } = self;
        let watermark = watermark.map(tracing::field::display);
        let (was, lasted) = was.map(|(was, lasted)| (was, in_words(lasted))).unzip();
        match again_after.map(in_words) {
            Some(after) => info!(ready, state, was, lasted, reasons, watermark, "ready again after {after}"),
            None if was.is_none() || reasons.is_empty() => {
                info!(ready, state, was, lasted, reasons, watermark, "readiness changed");
            }
            None => warn!(ready, state, was, lasted, reasons, watermark, "readiness changed"),
        }
        metrics.ready.set(i64::from(*ready));
    }
}
