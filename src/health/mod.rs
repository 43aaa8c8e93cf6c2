//! What the service says of itself: whether requests should be sent to it, and what is wrong.

mod status;

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;

use crate::log::{Offset, Partition, Positions};

pub use status::{Lag, Limits, Observed, ServingStatus, Silence};

/// How the service is, for everybody who tells of it or asks.
#[derive(Debug)]
pub struct Health {
    status: ArcSwap<ServingStatus>,
    stopped: Arc<StoppedPartitions>,
}

impl Health {
    /// No partition was stopped.
    pub fn new(status: ServingStatus) -> Self {
        Self { status: ArcSwap::from_pointee(status), stopped: Arc::default() }
    }

    /// How it is now. Every answer reads it.
    pub fn status(&self) -> Guard<Arc<ServingStatus>> {
        self.status.load()
    }

    /// Tells how it is from now on.
    pub fn set(&self, status: ServingStatus) {
        if **self.status.load() != status {
            self.status.store(Arc::new(status));
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
