//! What a request that was taken on holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tonic::Status;

use super::{Admission, Refusal};

/// The place of a request among those in flight, and what its large messages hold. All of it is given
/// back when it is dropped.
pub(super) struct Permit {
    admission: Arc<Admission>,
    upload_bytes: AtomicU64,
    /// As how many requests it counts.
    weight: AtomicUsize,
}

impl Permit {
    /// Takes a request on whose turn has come.
    pub(super) fn new(
        admission: &Arc<Admission>,
        arrived: Instant,
        timeout: Duration,
    ) -> Result<Self, Refusal> {
        admission.enter(arrived, timeout)?;
        Ok(Self {
            admission: Arc::clone(admission),
            upload_bytes: AtomicU64::new(0),
            weight: AtomicUsize::new(1),
        })
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
        self.admission.leave(*self.weight.get_mut());
    }
}

/// As how many requests one counts, for those that may be worth more than one: that is known when they are decoded.
#[derive(Clone)]
pub struct Weight(Arc<Permit>);

impl Weight {
    /// That of a request.
    pub(super) fn of(permit: &Arc<Permit>) -> Self {
        Self(Arc::clone(permit))
    }

    /// The most that one request may weigh.
    pub fn most(&self) -> usize {
        self.0.admission.most_weight()
    }

    /// Counts the request as so many from now on, once.
    ///
    /// # Errors
    /// There is no room for as many now: `RESOURCE_EXHAUSTED`.
    pub fn set(&self, weight: usize) -> Result<(), Status> {
        let more = weight.saturating_sub(self.0.weight.load(Ordering::Relaxed));
        self.0.admission.weigh(more).map_err(Refusal::status)?;
        self.0.weight.fetch_add(more, Ordering::Relaxed);
        Ok(())
    }
}
