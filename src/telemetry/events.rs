//! One struct for each thing that an operator may want to know of.

use std::time::Duration;

use tracing::{error, info, warn};

use super::metrics::{Class, Metrics, Outcome};
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

/// The log does not answer; the worker tries again.
pub struct LogUnavailable<'a> {
    /// What was tried: `read` or `dead_letter`.
    pub what: &'static str,
    /// What the log said.
    pub error: &'a str,
}

impl LogUnavailable<'_> {
    /// Writes and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        warn!(what = self.what, error = self.error, "log unavailable, trying again");
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
        error!(path = self.path, reason = self.reason, "snapshot rejected, trying an older one");
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
                error!(
                    partition = partition.0,
                    next_offset = next_offset.0,
                    error,
                    "snapshot not written, trying again later"
                );
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

/// The service is ready, or is not any more.
pub struct ReadinessChanged<'a> {
    /// Which.
    pub ready: bool,
    /// What is wrong, if anything.
    pub reasons: &'a str,
    /// The greatest watermark, if there was an event.
    pub watermark: Option<Timestamp>,
}

impl ReadinessChanged<'_> {
    /// Writes and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        let watermark = self.watermark.map(tracing::field::display);
        let Self { ready, reasons, .. } = self;
        info!(ready, reasons, watermark, "readiness changed");
        metrics.ready.set(i64::from(*ready));
    }
}
