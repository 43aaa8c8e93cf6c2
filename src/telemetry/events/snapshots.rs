//! Of snapshots, and of what is made from them.

use std::time::{Duration, Instant};

use tracing::{debug, error, info, warn};

use crate::engine::position::{Offset, Partition};
use crate::telemetry::metrics::{Class, Metrics, Outcome};
use crate::telemetry::seldom::{Saying, in_words};

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

/// A partition that is to be restored waits for the store of snapshots.
pub struct RestoreWaits<'a> {
    /// What the store has said.
    pub error: &'a str,
}

impl RestoreWaits<'_> {
    /// Writes it.
    pub fn emit(&self, metrics: &Metrics) {
        let error = self.error;
        match metrics.restore_trouble.lock().fails(Instant::now()) {
            None => debug!(error, "partitions still can't be restored"),
            Some(Saying::Lasts { lasted, failures }) => {
                let lasted = in_words(lasted);
                warn!(error, failures, "partitions still can't be restored, for {lasted} by now");
            }
            Some(_) => warn!(error, "partitions can't be restored, trying again"),
        }
    }
}

/// A partition was restored.
pub struct RestoreGoesOn;

impl RestoreGoesOn {
    /// Writes it, if that had to wait.
    pub fn emit(&self, metrics: &Metrics) {
        if let Some(Saying::Ends { lasted, failures }) = metrics.restore_trouble.lock().ends(Instant::now()) {
            info!(failures, "partitions can be restored again after {}", in_words(lasted));
        }
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
