//! What a request that was taken on holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Admission, Refusal};

/// The place of a request among those in flight, and what its large messages hold. All of it is given
/// back when it is dropped.
pub(super) struct Permit {
    admission: Arc<Admission>,
    upload_bytes: AtomicU64,
}

impl Permit {
    /// Takes a request on whose turn has come.
    pub(super) fn new(
        admission: &Arc<Admission>,
        arrived: Instant,
        timeout: Duration,
    ) -> Result<Self, Refusal> {
        admission.enter(arrived, timeout)?;
        Ok(Self { admission: Arc::clone(admission), upload_bytes: AtomicU64::new(0) })
    }

    /// Sets bytes aside for a large message.
    pub(super) fn reserve(&self, bytes: u64) -> Result<(), Refusal> {
        self.admission.reserve(bytes)?;
        self.upload_bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Gives some of what was reserved back before the request ends.
    pub(super) fn release(&self, bytes: u64) {
        self.upload_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.admission.release(bytes);
    }

    /// Counts a refusal that comes later than at the door.
    pub(super) fn refuse(&self, refusal: Refusal) -> Refusal {
        self.admission.refuse(refusal)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.release(*self.upload_bytes.get_mut());
        self.admission.leave();
    }
}
