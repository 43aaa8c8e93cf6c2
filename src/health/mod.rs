//! What the service says of itself: whether requests should be sent to it, what is wrong, and what it is.

mod about;
mod phases;
mod status;
mod transactions;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;

use crate::engine::events::event::Timestamp;
use crate::log::{Offset, Partition, Positions};

pub use about::{About, COMMIT, VERSION};
pub use phases::{PhaseChange, Phases};
pub use status::{Lag, Limits, Observed, Phase, ServingStatus, Silence};
pub use transactions::{OpenTransaction, OpenTransactions};

/// A file of a model that is not what serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileNotServed {
    /// The model's name; empty for the folder as a whole.
    pub name: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

/// How the service is, for everybody who tells of it or asks.
#[derive(Debug)]
pub struct Health {
    status: ArcSwap<ServingStatus>,
    /// Since when it has been in its phase, in ms since the epoch.
    since: AtomicI64,
    files_not_served: ArcSwap<Vec<FileNotServed>>,
    stopped: Arc<StoppedPartitions>,
}

impl Health {
    /// How it is at first. No partition was stopped, and each model is what its file says.
    pub fn new(status: ServingStatus, now: Timestamp) -> Self {
        Self {
            status: ArcSwap::from_pointee(status),
            since: AtomicI64::new(now.0),
            files_not_served: ArcSwap::default(),
            stopped: Arc::default(),
        }
    }

    /// How it is now. Every answer reads it.
    pub fn status(&self) -> Guard<Arc<ServingStatus>> {
        self.status.load()
    }

    /// Since when it has been in the phase of its status.
    pub fn since(&self) -> Timestamp {
        Timestamp(self.since.load(Ordering::Relaxed))
    }

    /// Tells how it is from now on.
    pub fn set(&self, status: ServingStatus, now: Timestamp) {
        let before = self.status.load();
        if before.phase() != status.phase() {
            self.since.store(now.0, Ordering::Relaxed);
        }
        if **before != status {
            self.status.store(Arc::new(status));
        }
    }

    /// The files of models that are not what serves.
    pub fn files_not_served(&self) -> Guard<Arc<Vec<FileNotServed>>> {
        self.files_not_served.load()
    }

    /// Tells which files of models are not what serves, and why, by their models' names.
    pub fn set_files_not_served(&self, reasons: &BTreeMap<String, String>, now: Timestamp) {
        let before = self.files_not_served.load();
        let since = |name: &str| before.iter().find(|file| file.name == name).map_or(now, |file| file.since);
        let files = reasons.iter().map(|(name, reason)| FileNotServed {
            name: name.clone(),
            reason: reason.clone(),
            since: since(name),
        });
        let files: Vec<_> = files.collect();
        if **before != files {
            self.files_not_served.store(Arc::new(files));
        }
    }

    /// The partitions that were stopped.
    pub fn stopped(&self) -> &Arc<StoppedPartitions> {
        &self.stopped
    }
}

/// The partitions that a flood of bad records has stopped, and the first record that each did not take.
#[derive(Debug, Default)]
pub struct StoppedPartitions(Mutex<Positions>);

impl StoppedPartitions {
    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }

    /// Which were, and where.
    pub fn all(&self) -> Positions {
        self.0.lock().clone()
    }

    /// Remembers that a partition was stopped right before a record.
    pub fn stop(&self, partition: Partition, offset: Offset) {
        self.0.lock().set(partition, offset);
    }

    /// Forgets a partition that somebody else answers for now; whether it was stopped.
    pub fn forget(&self, partition: Partition) -> bool {
        self.0.lock().remove(partition).is_some()
    }

    /// Why the service is not what it should be; none if no partition was stopped.
    pub fn reason(&self) -> Option<String> {
        let stopped = self.0.lock();
        let named: Vec<String> =
            stopped.iter().map(|(partition, offset)| format!("{partition} at offset {offset}")).collect();
        (!named.is_empty()).then(|| {
            format!(
                "too many bad records (`ingest.breaker_rejected`): stopped partition {}",
                named.join(", ")
            )
        })
    }
}
