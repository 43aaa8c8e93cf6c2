//! Bodies that are on their way: of requests whose turn has come before all of them had.
//!
//! Most requests are there as a whole when their turn comes. One that is not holds no place among those in
//! flight while it is waited for; it is listed here instead, until its body ends or has taken longer than a
//! body may. There may be only so many, and what their messages announce only so large: when there is too
//! much, one of whoever has most on the way is given up ([`largest`]). So whoever sends slowly, or nothing
//! at all, holds up nobody else.

use std::collections::BTreeMap;
use std::sync::Weak;
use std::task::Waker;

use parking_lot::Mutex;

use super::shares::{Peer, Share, largest};

/// Bodies that are on their way, oldest first.
#[derive(Default)]
pub(super) struct Bodies(Mutex<Listed>);

#[derive(Default)]
struct Listed {
    bodies: BTreeMap<u64, Body>,
    /// The next one's number. 0 is none's.
    last: u64,
}

/// A request whose body is on its way.
pub(super) trait OnItsWay: Send + Sync {
    /// Gives all back that was set aside for its messages: the body has to make room for others.
    fn give_back_all(&self);
}

struct Body {
    peer: Peer,
    request: Weak<dyn OnItsWay>,
    /// What is set aside for its messages.
    bytes: u64,
    waker: Waker,
}

impl Bodies {
    /// Lists one, which is woken if it is given up. If there are more than `most` then, one is.
    pub(super) fn insert(
        &self,
        peer: Peer,
        request: Weak<dyn OnItsWay>,
        bytes: u64,
        waker: &Waker,
        most: usize,
    ) -> u64 {
        let mut listed = self.0.lock();
        listed.last += 1;
        let id = listed.last;
        let body = Body { peer, request, bytes, waker: waker.clone() };
        listed.bodies.insert(id, body);
        let one_too_many = (listed.bodies.len() > most).then(|| listed.largest(|_| 1)).flatten();
        let given_up = one_too_many.and_then(|share| listed.bodies.remove(&share.key));
        drop(listed);
        give_up(given_up);
        id
    }

    /// Who is to be woken has changed. Whether the body is still listed.
    pub(super) fn wait(&self, id: u64, waker: &Waker) -> bool {
        let mut listed = self.0.lock();
        let Some(body) = listed.bodies.get_mut(&id) else { return false };
        body.waker.clone_from(waker);
        true
    }

    /// What is set aside for a body's messages is now so much.
    pub(super) fn set_bytes(&self, id: u64, bytes: u64) {
        if let Some(body) = self.0.lock().bodies.get_mut(&id) {
            body.bytes = bytes;
        }
    }

    /// Takes one off the list. Whether it was still there.
    pub(super) fn remove(&self, id: u64) -> bool {
        self.0.lock().bodies.remove(&id).is_some()
    }

    /// Gives up a body of whoever has most bytes on the way, if that is more than `peer` would have with
    /// `bytes` besides what it has. Whether one was given up.
    pub(super) fn make_room(&self, peer: Peer, bytes: u64) -> bool {
        let mut listed = self.0.lock();
        let Some(most) = listed.largest(|body| body.bytes) else { return false };
        let of_address = |share: &Share<u64>, address| share.peer.address == address;
        let of_connection = |share: &Share<u64>, peer: Peer| share.peer == peer;
        let own = listed.sum(|share| of_address(share, peer.address)) + bytes;
        let has_more = if most.peer.address == peer.address {
            listed.sum(|share| of_connection(share, most.peer))
                > listed.sum(|share| of_connection(share, peer)) + bytes
        } else {
            listed.sum(|share| of_address(share, most.peer.address)) > own
        };
        let given_up = has_more.then(|| listed.bodies.remove(&most.key)).flatten();
        drop(listed);
        give_up(given_up)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.lock().bodies.len()
    }
}

impl Listed {
    fn shares(&self, amount: impl Fn(&Body) -> u64 + Clone) -> impl Iterator<Item = Share<u64>> + Clone {
        self.bodies.iter().map(move |(key, body)| Share { peer: body.peer, amount: amount(body), key: *key })
    }

    fn largest(&self, amount: impl Fn(&Body) -> u64 + Clone) -> Option<Share<u64>> {
        largest(self.shares(amount))
    }

    /// The bytes of those that it is asked for.
    fn sum(&self, of: impl Fn(&Share<u64>) -> bool) -> u64 {
        self.shares(|body| body.bytes).filter(of).map(|share| share.amount).sum()
    }
}

/// What it held is free from now on; the request itself ends when it next looks. Not to be called with the
/// list at hand: the last one to let go of a request takes its body off the list.
fn give_up(body: Option<Body>) -> bool {
    let Some(body) = body else { return false };
    if let Some(request) = body.request.upgrade() {
        request.give_back_all();
    }
    body.waker.wake();
    true
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::super::permit::Permit;
    use super::super::{Admission, AdmissionSettings, Refusal};
    use super::*;
    use crate::telemetry::ShedRequests;

    const MIB: u64 = 1 << 20;

    fn admission(settings: AdmissionSettings) -> Arc<Admission> {
        Arc::new(Admission::new(settings, &ShedRequests::default()))
    }

    /// Somebody's connections.
    #[derive(Clone, Copy)]
    struct Caller<'a> {
        admission: &'a Arc<Admission>,
        peer: Peer,
    }

    fn caller(admission: &Arc<Admission>, host: u8, connection: u64) -> Caller<'_> {
        Caller { admission, peer: Peer { address: Ipv4Addr::new(10, 0, 0, host).into(), connection } }
    }

    fn begin(caller: Caller<'_>) -> Result<Permit, Refusal> {
        Permit::new(caller.admission, caller.peer, Instant::now(), Duration::from_secs(60))
    }

    fn permit(caller: Caller<'_>) -> Arc<Permit> {
        Arc::new(begin(caller).expect("there is a place"))
    }

    /// A request whose body is waited for.
    fn waiting(caller: Caller<'_>) -> Arc<Permit> {
        let permit = permit(caller);
        permit.await_body(Waker::noop());
        permit
    }

    fn has_time(permit: &Permit) -> bool {
        permit.has_time(Waker::noop())
    }

    #[test]
    fn what_is_waited_for_takes_nobodys_place_and_gets_one_when_it_has_come() {
        let admission = admission(AdmissionSettings { max_concurrent_requests: 1, ..Default::default() });
        let caller = caller(&admission, 1, 1);
        let slow: Vec<_> = (0..3).map(|_| waiting(caller)).collect();
        assert_eq!((admission.in_flight(), admission.incoming_bodies()), (0, 3));
        slow[0].body_received().expect("there is a place");
        assert_eq!((admission.in_flight(), admission.incoming_bodies()), (1, 2));
        assert_eq!(slow[1].body_received(), Err(Refusal::InFlight));
        assert_eq!(begin(caller).err(), Some(Refusal::InFlight));
        drop(slow);
        assert_eq!((admission.in_flight(), admission.incoming_bodies()), (0, 0));
        drop(permit(caller));
    }

    #[test]
    fn whoever_has_most_on_the_way_makes_room_for_others() {
        let admission = admission(AdmissionSettings { max_incoming_bodies: 4, ..Default::default() });
        let [hostile, other, good] =
            [(1, 1), (1, 2), (2, 3)].map(|(host, connection)| caller(&admission, host, connection));
        let patient = waiting(good);
        let held = [waiting(hostile), waiting(hostile), waiting(other)];
        let more = waiting(hostile);
        assert_eq!(held.each_ref().map(|held| has_time(held)), [false, true, true]);
        let last = waiting(good);
        assert_eq!(held.each_ref().map(|held| has_time(held)), [false, false, true]);
        assert!(has_time(&patient) && has_time(&more) && has_time(&last));
        assert_eq!(held[0].body_received(), Err(Refusal::SlowBody));
        assert_eq!(admission.incoming_bodies(), 4);
    }

    #[test]
    fn large_messages_that_come_slowly_keep_nobody_out_who_has_less_on_the_way() {
        let admission = admission(AdmissionSettings { max_upload_bytes: 40 * MIB, ..Default::default() });
        let [hostile, other, good] =
            [(1, 1), (1, 2), (2, 3)].map(|(host, connection)| caller(&admission, host, connection));
        let slow = [waiting(hostile), waiting(hostile)];
        for permit in &slow {
            permit.reserve(16 * MIB).expect("there is room");
        }
        assert_eq!(permit(hostile).reserve(16 * MIB), Err(Refusal::UploadBytes), "it has most itself");
        let beside = waiting(other);
        beside.reserve(16 * MIB).expect("the other connection has more");
        assert_eq!(slow.each_ref().map(|slow| has_time(slow)), [false, true]);
        permit(good).reserve(16 * MIB).expect("the other address has more");
        assert_eq!(slow.each_ref().map(|slow| has_time(slow)), [false, false]);
        assert!(has_time(&beside));
        // What it gave back when it was given up is not given back again.
        slow[1].release(16 * MIB);
        drop(slow);
        assert_eq!(admission.upload_bytes.load(std::sync::atomic::Ordering::Relaxed), 16 * MIB);
        drop(beside);
        assert_eq!(admission.upload_bytes.load(std::sync::atomic::Ordering::Relaxed), 0);
    }

    #[test]
    fn the_more_of_a_body_has_come_the_longer_it_may_take() {
        let settings = AdmissionSettings {
            body_timeout: Duration::from_secs(5),
            min_body_rate: 1000,
            ..Default::default()
        };
        let admission = admission(settings);
        let permit = permit(caller(&admission, 1, 1));
        assert_eq!(permit.body_time(), Duration::from_secs(5));
        permit.receive(2500);
        assert_eq!(permit.body_time(), Duration::from_millis(7500));
    }
}
