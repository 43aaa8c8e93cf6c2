//! From snapshots and log to state: what is restored, and from where reading goes on.
//!
//! The items log is read from its start each time: it is compacted, and an old snapshot of a
//! compacted log could miss deletions. Clicks are read once the catalog is complete, so that replay
//! finds the categories that the first run found.

use std::sync::Arc;

use crate::engine::facts::state::PartitionState;
use crate::engine::position::Arrival;
use crate::ingest::IngestError;
use crate::log::{Log, LogError, Offset, Partition, Topic};
use crate::snapshot::format::Decoded;
use crate::snapshot::{Search, SnapshotStore, Unfit};
use crate::state::{Positioned, State};
use crate::telemetry::Metrics;
use crate::telemetry::events::{
    GapFound, PartitionRecovered, SectionSkipped, SnapshotRejected, SnapshotUnfit, StateRebuilt,
};

/// Restores each partition of a topic from its newest snapshot, if that can be.
pub(crate) async fn restore(
    snapshots: &SnapshotStore,
    log: &Arc<dyn Log>,
    metrics: &Arc<Metrics>,
    accept_gap: bool,
) -> Result<Arc<State>, IngestError> {
    let (stream, partitions) = (Arc::clone(snapshots.config()), snapshots.partitions());
    let mut restored = Vec::with_capacity(partitions as usize);
    for partition in Partition::all(partitions) {
        restored.push(restore_one(snapshots, log, metrics, accept_gap, partition).await?);
    }
    // It looks at all users.
    let state = tokio::task::spawn_blocking(move || State::new(stream, restored)).await;
    Ok(Arc::new(state.map_err(|_| IngestError::Died("putting state together"))?))
}

/// Restores a partition from its newest snapshot, if that can be. Where the log no longer holds all
/// that comes after it, or all there ever was if there is none, that is refused unless `accept_gap`.
pub(crate) async fn restore_one(
    snapshots: &SnapshotStore,
    log: &Arc<dyn Log>,
    metrics: &Arc<Metrics>,
    accept_gap: bool,
    partition: Partition,
) -> Result<Positioned, IngestError> {
    let reject = |path: &str, reason: &str| SnapshotRejected { path, reason }.emit(metrics);
    let Search { found, unfit, damaged } = snapshots.newest(partition, reject).await?;
    for Unfit { path, next_offset, differs } in &unfit {
        SnapshotUnfit { partition, path, next_offset: *next_offset, differs }.emit(metrics);
    }
    metrics.in_snapshot(partition, found.as_ref().map_or(0, |found| found.header.written_at));
    let from_nothing = found.is_none();
    let (mut next_offset, state) = match found {
        Some(Decoded { header, state, unknown }) => {
            for tag in &unknown {
                SectionSkipped { partition, next_offset: header.next_offset, tag }.emit();
            }
            (header.next_offset, state)
        }
        None => (Offset::ZERO, PartitionState::new(Arc::clone(snapshots.config()))),
    };
    let bounds = ask(log, move |log| log.bounds(Topic::Clicks, partition)).await?;
    let (topic, location) = (log.name(Topic::Clicks).to_owned(), snapshots.location().to_string());
    if next_offset > bounds.high {
        let (next, high) = (next_offset, bounds.high);
        return Err(IngestError::LogBehindSnapshot { topic, partition, next, high, snapshots: location });
    }
    if let Arrival::Gap(_) = next_offset.arrival(bounds.low) {
        if !accept_gap {
            let had = explain(from_nothing, next_offset, &location, damaged, &unfit);
            return Err(IngestError::Gap { topic, partition, low: bounds.low, next: next_offset, had });
        }
        GapFound { partition, expected: next_offset, found: bounds.low }.emit(metrics);
        next_offset = bounds.low;
    }
    if from_nothing && (damaged > 0 || !unfit.is_empty()) {
        let log_begins = bounds.low;
        StateRebuilt { partition, damaged, unfit: unfit.len(), next_offset, log_begins }.emit(metrics);
    }
    PartitionRecovered { partition, next_offset, users: state.users_len() }.emit();
    Ok(Positioned { state, next_offset })
}

/// What there was to start from, for whoever has to decide about a gap.
fn explain(from_nothing: bool, next: Offset, location: &str, damaged: usize, unfit: &[Unfit]) -> String {
    let mut had = match from_nothing {
        true => format!("there is no snapshot of it in {location} to go on from"),
        false => format!("its newest snapshot in {location} goes on at offset {next}"),
    };
    if damaged > 0 {
        had.push_str(&format!("; damaged ones that were passed over: {damaged}"));
    }
    for Unfit { path, next_offset, differs } in unfit {
        had.push_str(&format!(
            "; that in {path} goes on at offset {next_offset}, but does not fit: {differs}"
        ));
    }
    if from_nothing && damaged == 0 && unfit.is_empty() {
        had.push_str(", as is usual for a first start");
    }
    had
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
