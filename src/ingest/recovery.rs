//! From snapshots and log to state: what is restored, and from where reading goes on.
//!
//! The items log is read from its start each time: it is compacted, and an old snapshot of a
//! compacted log could miss deletions. Clicks are read once the catalog is complete, so that replay
//! finds the categories that the first run found.

use std::sync::Arc;

use crate::engine::facts::state::PartitionState;
use crate::ingest::IngestError;
use crate::log::{Log, LogError, Partition, Topic};
use crate::snapshot::SnapshotStore;
use crate::state::{Positioned, Store};
use crate::telemetry::Metrics;
use crate::telemetry::events::{GapFound, PartitionRecovered, SnapshotRejected};

/// Restores each partition of a topic from its newest snapshot, if that can be.
pub(crate) async fn restore(
    snapshots: &SnapshotStore,
    log: &Arc<dyn Log>,
    metrics: &Arc<Metrics>,
) -> Result<Arc<Store>, IngestError> {
    let (stream, partitions) = (Arc::clone(snapshots.config()), snapshots.partitions());
    let mut restored = Vec::with_capacity(partitions as usize);
    for partition in 0..partitions {
        restored.push(restore_one(snapshots, log, metrics, partition).await?);
    }
    Ok(Arc::new(Store::new(stream, restored)))
}

/// Restores a partition from its newest snapshot, if that can be.
pub(crate) async fn restore_one(
    snapshots: &SnapshotStore,
    log: &Arc<dyn Log>,
    metrics: &Arc<Metrics>,
    partition: Partition,
) -> Result<Positioned, IngestError> {
    let reject = |path: &str, reason: &str| SnapshotRejected { path, reason }.emit(metrics);
    let found = snapshots.newest(partition, reject).await?;
    metrics.in_snapshot(partition, found.as_ref().map_or(0, |found| found.header.written_at));
    let (mut next_offset, state) = match found {
        Some(found) => (found.header.next_offset, found.state),
        None => (0, PartitionState::new(Arc::clone(snapshots.config()))),
    };
    let bounds = ask(log, move |log| log.bounds(Topic::Clicks, partition)).await?;
    if next_offset > bounds.high {
        let (topic, snapshots) = (log.name(Topic::Clicks).to_owned(), snapshots.place().to_string());
        let (next, high) = (next_offset, bounds.high);
        return Err(IngestError::LogBehindSnapshot { topic, partition, next, high, snapshots });
    }
    if next_offset < bounds.low {
        // Without a snapshot there is nothing that a gap would follow.
        if next_offset > 0 {
            GapFound { partition, expected: next_offset, found: bounds.low }.emit(metrics);
        }
        next_offset = bounds.low;
    }
    PartitionRecovered { partition, next_offset, users: state.users_len() }.emit();
    Ok(Positioned { state, next_offset })
}

/// Asks a log something that may block.
pub(crate) async fn ask<T: Send + 'static>(
    log: &Arc<dyn Log>,
    question: impl FnOnce(&dyn Log) -> Result<T, LogError> + Send + 'static,
) -> Result<T, IngestError> {
    let log = Arc::clone(log);
    let asked = tokio::task::spawn_blocking(move || question(&*log)).await;
    Ok(asked.map_err(|_| IngestError::Died("a question to the log"))??)
}
