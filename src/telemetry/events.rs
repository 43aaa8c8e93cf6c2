//! One struct for each thing that an operator may want to know of.

use std::path::Path;
use std::time::{Duration, Instant};

use tracing::{debug, error, info, warn};

use super::metrics::{Class, Metrics, Outcome};
use super::seldom::in_words;
use crate::engine::events::event::Timestamp;
use crate::engine::position::{Offset, Partition};

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

/// Too many of a partition's records are bad: it was stopped before this one.
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
}

impl BreakerTripped<'_> {
    /// Writes and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        let Self { topic, partition, offset, limit, window, class, message } = self;
        error!(
            topic,
            partition = partition.0,
            offset = offset.0,
            limit,
            window,
            class,
            message,
            "too many bad records: partition stopped until the next start"
        );
        metrics.stopped_partitions.inc();
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

/// A partition starts where a snapshot ended, or from the start of the log.
pub struct PartitionRecovered {
    /// The partition.
    pub partition: Partition,
    /// The first record to apply.
    pub next_offset: Offset,
    /// Users in state.
    pub users: usize,
}

impl PartitionRecovered {
    /// Writes it.
    pub fn emit(&self) {
        let Self { partition, next_offset, users } = self;
        info!(partition = partition.0, next_offset = next_offset.0, users, "partition recovered");
    }
}

/// A snapshot can't be used.
pub struct SnapshotRejected<'a> {
    /// Where it is.
    pub path: &'a str,
    /// What is wrong with it.
    pub reason: &'a str,
}

impl SnapshotRejected<'_> {
    /// Writes and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        error!(
            path = self.path,
            reason = self.reason,
            "snapshot rejected, trying an older one if there is one"
        );
        metrics.snapshots.get_or_create(&Outcome { outcome: "rejected" }).inc();
    }
}

/// Snapshots of a partition are there that this stream configuration can't go on from.
pub struct SnapshotUnfit<'a> {
    /// The partition.
    pub partition: Partition,
    /// Their folder.
    pub path: &'a str,
    /// The first record that the newest of them does not cover.
    pub next_offset: Offset,
    /// What differs.
    pub differs: &'a str,
}

impl SnapshotUnfit<'_> {
    /// Writes and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        let Self { partition, path, next_offset, differs } = self;
        warn!(
            partition = partition.0,
            path,
            next_offset = next_offset.0,
            differs,
            "snapshots do not fit this stream configuration"
        );
        metrics.snapshots.get_or_create(&Outcome { outcome: "unfit" }).inc();
    }
}

/// A partition has snapshots and none of them can be gone on from: its state is made anew from the log.
pub struct StateRebuilt {
    /// The partition.
    pub partition: Partition,
    /// How many snapshots are damaged.
    pub damaged: usize,
    /// How many folders of snapshots do not fit.
    pub unfit: usize,
    /// The first record to apply.
    pub next_offset: Offset,
    /// The oldest record that there is.
    pub log_begins: Offset,
}

impl StateRebuilt {
    /// Writes and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        let Self { partition, damaged, unfit, next_offset, log_begins } = self;
        warn!(
            partition = partition.0,
            damaged,
            unfit,
            next_offset = next_offset.0,
            log_begins = log_begins.0,
            "no snapshot of the partition is whole and fits: its state is rebuilt from the log"
        );
        metrics.snapshots.get_or_create(&Outcome { outcome: "rebuilt" }).inc();
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

/// A snapshot holds facts that this version does not know: they are left behind.
pub struct SectionSkipped<'a> {
    /// The partition.
    pub partition: Partition,
    /// The first record that the snapshot does not cover.
    pub next_offset: Offset,
    /// What the facts are.
    pub tag: &'a str,
}

impl SectionSkipped<'_> {
    /// Writes it.
    pub fn emit(&self) {
        let Self { partition, next_offset, tag } = self;
        warn!(
            partition = partition.0,
            next_offset = next_offset.0,
            tag,
            "snapshot section is not known to this version and was skipped"
        );
    }
}

/// A snapshot was written, or was not.
pub struct SnapshotTaken<'a> {
    /// The partition.
    pub partition: Partition,
    /// The first record that it does not cover.
    pub next_offset: Offset,
    /// Its size, or what went wrong.
    pub result: Result<usize, &'a str>,
    /// How long it took.
    pub took: Duration,
}

impl SnapshotTaken<'_> {
    /// Writes and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        let Self { partition, next_offset, .. } = self;
        let outcome = match self.result {
            Ok(bytes) => {
                info!(
                    partition = partition.0,
                    next_offset = next_offset.0,
                    bytes,
                    seconds = self.took.as_secs_f64(),
                    "snapshot written"
                );
                "written"
            }
            Err(error) => {
                // A store that is away fails each partition at each interval.
                match metrics.snapshot_trouble.lock().says(Instant::now()) {
                    Some(left_out) => error!(
                        partition = partition.0,
                        next_offset = next_offset.0,
                        error,
                        left_out,
                        "snapshot not written, trying again later"
                    ),
                    None => debug!(partition = partition.0, error, "snapshot not written"),
                }
                "failed"
            }
        };
        metrics.snapshots.get_or_create(&Outcome { outcome }).inc();
    }
}

/// A partition's log no longer holds what comes after its snapshot.
pub struct GapFound {
    /// The partition.
    pub partition: Partition,
    /// The record that should come next.
    pub expected: Offset,
    /// The oldest record that there is.
    pub found: Offset,
}

impl GapFound {
    /// Writes and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        let Self { partition, expected, found } = self;
        error!(
            partition = partition.0,
            expected = expected.0,
            found = found.0,
            lost = expected.until(*found),
            "gap in the log: retention removed records"
        );
        metrics.log_errors.get_or_create(&Class { class: "gap" }).inc();
    }
}

/// A model file changed.
pub struct ModelChanged<'a> {
    /// The model.
    pub name: &'a str,
    /// What became of it: `loaded`, `refused`, `removed` or `unreadable`.
    pub outcome: &'static str,
    /// Its version, or what is wrong.
    pub detail: &'a str,
}

impl ModelChanged<'_> {
    /// Writes and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        let Self { name, outcome, detail } = self;
        match *outcome {
            "loaded" | "removed" => info!(model = name, outcome, detail, "model changed"),
            _ => error!(model = name, outcome, detail, "model change not taken, the old one goes on"),
        }
        metrics.models.get_or_create(&Outcome { outcome }).inc();
    }
}

/// Models serve that the folder of models does not hold.
pub struct ModelsNotFromFiles<'a> {
    /// What they are in place of, or where they are from.
    pub path: &'a Path,
    /// Which.
    pub what: &'static str,
}

impl ModelsNotFromFiles<'_> {
    /// Writes it.
    pub fn emit(&self) {
        warn!(path = %self.path.display(), "{}", self.what);
    }
}

/// What serves could not be kept for a next start.
pub struct ModelsNotKept<'a> {
    /// Where it was to be kept.
    pub path: &'a Path,
    /// Why.
    pub error: &'a str,
}

impl ModelsNotKept<'_> {
    /// Writes it.
    pub fn emit(&self) {
        let what =
            "the models were not kept: a next start that finds their files refused or gone has nothing else";
        warn!(path = %self.path.display(), error = self.error, "{what}");
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
