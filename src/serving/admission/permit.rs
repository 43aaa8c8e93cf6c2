//! What a request that was taken on holds.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

use tonic::Status;

use super::bodies::OnItsWay;
use super::shares::Peer;
use super::{Admission, Refusal};

/// Where a request stands, where this is no number of a body that is on its way.
const IN_FLIGHT: u64 = 0;
/// It has been refused after its body had come, and has no place any more.
const NOWHERE: u64 = u64::MAX;

/// The place of a request among those in flight, or of its body among those on their way, and what its
/// large messages hold. All of it is given back when it is dropped.
pub(super) struct Permit {
    admission: Arc<Admission>,
    peer: Peer,
    upload_bytes: AtomicU64,
    /// `IN_FLIGHT`, `NOWHERE`, or the number of its body. Only the request itself looks at it and changes it.
    place: AtomicU64,
    /// Bytes of the body that have come.
    received: AtomicU64,
    /// As how many requests it counts.
    weight: AtomicUsize,
}

impl Permit {
    /// Takes a request on whose turn has come.
    pub(super) fn new(
        admission: &Arc<Admission>,
        peer: Peer,
        arrived: Instant,
        timeout: Duration,
    ) -> Result<Self, Refusal> {
        admission.enter(arrived, timeout)?;
        Ok(Self {
            admission: Arc::clone(admission),
            peer,
            upload_bytes: AtomicU64::new(0),
            place: AtomicU64::new(IN_FLIGHT),
            received: AtomicU64::new(0),
            weight: AtomicUsize::new(1),
        })
    }

    /// Sets bytes aside for a large message.
    pub(super) fn reserve(&self, bytes: u64) -> Result<(), Refusal> {
        self.admission.reserve(self.peer, bytes)?;
        let held = self.upload_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if let Some(body) = self.body() {
            self.admission.bodies.set_bytes(body, held);
        }
        Ok(())
    }

    /// Gives some of what was reserved back before the request ends.
    pub(super) fn release(&self, bytes: u64) {
        let mut left = 0;
        let held = self.upload_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            left = held.saturating_sub(bytes);
            Some(left)
        });
        // All of it may have been given back meanwhile.
        self.admission.release(held.unwrap_or_default() - left);
        if let Some(body) = self.body() {
            self.admission.bodies.set_bytes(body, left);
        }
    }

    /// So much more of the body has come.
    pub(super) fn receive(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// How long the body may be on its way from when it was first waited for: longer the more of it has come.
    pub(super) fn body_time(&self) -> Duration {
        let settings = &self.admission.settings;
        let received = self.received.load(Ordering::Relaxed);
        settings.body_timeout
            + Duration::from_millis(received.saturating_mul(1000) / settings.min_body_rate.max(1))
    }

    /// The number of its body, if that is waited for.
    fn body(&self) -> Option<u64> {
        let place = self.place.load(Ordering::Relaxed);
        (place != IN_FLIGHT && place != NOWHERE).then_some(place)
    }

    /// Whether the body is waited for.
    pub(super) fn awaits_body(&self) -> bool {
        self.body().is_some()
    }

    /// More of the body is waited for: others may have its place among those in flight.
    pub(super) fn await_body(self: &Arc<Self>, waker: &Waker) {
        if self.place.load(Ordering::Relaxed) != IN_FLIGHT {
            return;
        }
        self.admission.leave(1);
        let bytes = self.upload_bytes.load(Ordering::Relaxed);
        let most = self.admission.settings.max_incoming_bodies;
        let request = Arc::downgrade(self) as Weak<dyn OnItsWay>;
        let body = self.admission.bodies.insert(self.peer, request, bytes, waker, most);
        self.place.store(body, Ordering::Relaxed);
    }

    /// Whether the body, if it is waited for, has not been given up; whoever waits for it is to be woken when
    /// it is.
    pub(super) fn has_time(&self, waker: &Waker) -> bool {
        self.body().is_none_or(|body| self.admission.bodies.wait(body, waker))
    }

    /// All of the body has come: the request is in flight from now on, if there is a place.
    pub(super) fn body_received(&self) -> Result<(), Refusal> {
        let Some(body) = self.body() else { return Ok(()) };
        self.place.store(NOWHERE, Ordering::Relaxed);
        if !self.admission.bodies.remove(body) {
            return Err(self.refuse(Refusal::SlowBody));
        }
        self.admission.take_place()?;
        self.place.store(IN_FLIGHT, Ordering::Relaxed);
        Ok(())
    }

    /// Counts a refusal that comes later than at the door.
    pub(super) fn refuse(&self, refusal: Refusal) -> Refusal {
        self.admission.refuse(refusal)
    }
}

impl OnItsWay for Permit {
    fn give_back_all(&self) {
        self.admission.release(self.upload_bytes.swap(0, Ordering::Relaxed));
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.give_back_all();
        match *self.place.get_mut() {
            IN_FLIGHT => self.admission.leave(*self.weight.get_mut()),
            NOWHERE => {}
            body => {
                self.admission.bodies.remove(body);
            }
        }
    }
}

/// Keeps what a request holds for as long as somebody works for it who can't be told that its caller has gone.
#[derive(Clone)]
pub struct Held(#[expect(dead_code, reason = "it is dropped")] Arc<Permit>);

impl Held {
    pub(super) fn of(permit: &Arc<Permit>) -> Self {
        Self(Arc::clone(permit))
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
        // It has the place of one already.
        if more == 0 {
            return Ok(());
        }
        self.0.admission.weigh(more).map_err(Refusal::status)?;
        self.0.weight.fetch_add(more, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::AdmissionSettings;
    use super::*;
    use crate::telemetry::ShedRequests;

    #[test]
    fn what_weighs_more_leaves_half_of_the_room_to_others_and_gives_all_of_it_back() {
        let settings = AdmissionSettings { max_concurrent_requests: 8, ..Default::default() };
        let admission = Arc::new(Admission::new(settings, &ShedRequests::default()));
        let peer = Peer { address: Ipv4Addr::LOCALHOST.into(), connection: 1 };
        let permit = || {
            let permit = Permit::new(&admission, peer, Instant::now(), Duration::from_secs(60));
            Arc::new(permit.expect("there is a place"))
        };
        let others = [permit(), permit()];
        let batch = permit();
        Weight::of(&batch).set(2).expect("2 and 2 are 4");
        let too_much = Weight::of(&permit()).set(3).expect_err("4 and 3 are more than half of 8");
        assert_eq!(too_much.code(), tonic::Code::ResourceExhausted);
        let busy: Vec<_> = (0..2).map(|_| permit()).collect();
        Weight::of(&permit()).set(1).expect("it has its place");
        assert_eq!(admission.in_flight(), 6);
        drop((others, batch, busy));
        assert_eq!(admission.in_flight(), 0);
    }
}
