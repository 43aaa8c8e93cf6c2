//! Open connections: how many there may be, what each has asked for and not read yet, and which has to end.
//!
//! An idle connection costs some ten KiB and a descriptor, an answer that nobody reads what it is long. Both are
//! bounded in number and in time: when there is too much, one of whoever has most is ended ([`largest`]).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::shares::{Peer, Share, largest};
use crate::network::Caller;

/// The number of none: of what stands for all who do not come over a connection of ours.
const APART: u64 = 0;
/// Later than any look.
const NEVER: u64 = u64::MAX;

/// Connections that are open.
pub struct Connections {
    open: Mutex<Open>,
    /// What of answers may wait to be read, in bytes.
    max_unsent: u64,
    /// Answers that have not been sent, in bytes.
    unsent: AtomicU64,
    /// The time, in looks at all connections ([`Self::look`]).
    now: AtomicU64,
}

#[derive(Default)]
struct Open {
    connections: BTreeMap<u64, Arc<Connection>>,
    last: u64,
}

/// One of them.
pub struct Connection {
    connections: Arc<Connections>,
    peer: Peer,
    /// Requests of any kind that are waited for, worked on or being answered.
    active: AtomicUsize,
    /// Those of them that are of our own services: to watch health for ever is no work.
    busy: AtomicUsize,
    /// Since when there is none.
    rested: AtomicU64,
    /// Answers that have not been sent, in bytes.
    unsent: AtomicU64,
    /// When some of an answer was sent last, or the first one was made after all others had been.
    moved: AtomicU64,
    /// Since when nothing can be written, as its other end reads nothing; [`NEVER`] while it can.
    blocked: AtomicU64,
    /// Tells it to end when what is under way is done.
    pub(in crate::serving) end: CancellationToken,
    /// Tells it to end now.
    pub(in crate::serving) cut: CancellationToken,
}

impl Connections {
    /// None is open. Answers of so many bytes may wait to be read.
    pub(super) fn new(max_unsent: u64) -> Self {
        Self { open: Mutex::default(), max_unsent, unsent: AtomicU64::new(0), now: AtomicU64::new(0) }
    }

    /// Takes on a connection, if there may be `most` at once. Where there are as many, one is cut that does no work, of
    /// whoever has most of them; where all work, one of whoever has most, if that is more than this address has; else
    /// there is no room.
    pub(in crate::serving) fn open(
        self: &Arc<Self>,
        address: IpAddr,
        most: usize,
    ) -> Option<Arc<Connection>> {
        let mut open = self.open.lock();
        // Those that were cut are about to end.
        if open.shares(|_| 1).count() >= most {
            let at_rest = largest(open.shares(|connection| u64::from(connection.is_at_rest())));
            let victim = at_rest.or_else(|| {
                let of = |address| open.shares(|_| 1).filter(|share| share.peer.address == address).count();
                largest(open.shares(|_| 1)).filter(|victim| of(victim.peer.address) > of(address) + 1)
            })?;
            if let Some(connection) = open.connections.get(&victim.key.1) {
                connection.cut.cancel();
            }
        }
        open.last += 1;
        let connection = Arc::new(self.one(Peer { address, connection: open.last }));
        let number = open.last;
        open.connections.insert(number, Arc::clone(&connection));
        Some(connection)
    }

    /// What stands for all who do not come over a connection of ours: it is none that could be ended.
    pub(in crate::serving) fn apart(self: &Arc<Self>) -> Arc<Connection> {
        Arc::new(self.one(Peer { address: Ipv4Addr::UNSPECIFIED.into(), connection: APART }))
    }

    fn one(self: &Arc<Self>, peer: Peer) -> Connection {
        let now = self.now.load(Ordering::Relaxed);
        Connection {
            connections: Arc::clone(self),
            peer,
            active: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            rested: AtomicU64::new(now),
            unsent: AtomicU64::new(0),
            moved: AtomicU64::new(now),
            blocked: AtomicU64::new(NEVER),
            end: CancellationToken::new(),
            cut: CancellationToken::new(),
        }
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.open.lock().connections.len()
    }

    /// Answers that have not been sent, in bytes.
    pub fn unsent_bytes(&self) -> u64 {
        self.unsent.load(Ordering::Relaxed)
    }

    /// Ends connections that have been idle for `idle` looks, and those that could have read something and have read
    /// nothing for `stuck` looks. To be called at equal times.
    pub(in crate::serving) fn look(&self, idle: u64, stuck: u64) {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        let since = |time: &AtomicU64| now.saturating_sub(time.load(Ordering::Relaxed));
        for connection in self.open.lock().connections.values() {
            let unread = connection.unsent.load(Ordering::Relaxed) > 0 && since(&connection.moved) > stuck;
            if unread || since(&connection.blocked) > stuck {
                connection.cut.cancel();
            } else if connection.active.load(Ordering::Relaxed) == 0 && since(&connection.rested) > idle {
                connection.end.cancel();
            }
        }
    }

    /// Cuts the connection of whoever has most to read, if that is too much in all.
    fn bound_unsent(&self) {
        let open = self.open.lock();
        let shares = open.shares(|connection| connection.unsent.load(Ordering::Relaxed));
        if shares.clone().map(|share| share.amount).sum::<u64>() > self.max_unsent
            && let Some(most) = largest(shares)
            && let Some(connection) = open.connections.get(&most.key.1)
        {
            connection.cut.cancel();
        }
    }
}

impl Open {
    /// All that were not cut; those that moved last come last.
    fn shares(
        &self,
        amount: impl Fn(&Connection) -> u64 + Clone,
    ) -> impl Iterator<Item = Share<(u64, u64)>> + Clone {
        let kept = self.connections.iter().filter(|(_, connection)| !connection.cut.is_cancelled());
        kept.map(move |(number, connection)| Share {
            peer: connection.peer,
            amount: amount(connection),
            key: (connection.moved.load(Ordering::Relaxed), *number),
        })
    }
}

impl Connection {
    /// Whose a request is that comes by way of it, and with whom if it stands for many.
    pub(super) fn peer_of(&self, caller: Option<&Caller>) -> Peer {
        match caller {
            // Ours count up from 1, these down from the end.
            Some(Caller { address, connection }) if self.peer.connection == APART => {
                Peer { address: *address, connection: u64::MAX - connection }
            }
            _ => self.peer,
        }
    }

    /// It has ended.
    pub(in crate::serving) fn close(&self) {
        self.connections.open.lock().connections.remove(&self.peer.connection);
    }

    /// Whether it does no work.
    fn is_at_rest(&self) -> bool {
        self.busy.load(Ordering::Relaxed) == 0
    }

    /// Whether so much waits to be read by those who do not come over a connection of ours that no more is made for
    /// them: none of them can be cut.
    pub(super) fn is_full(&self) -> bool {
        self.peer.connection == APART && self.connections.unsent_bytes() > self.connections.max_unsent
    }

    /// Whether something is to be written and can't be.
    pub(in crate::serving) fn writes(&self, is_blocked: bool) {
        if !is_blocked {
            self.blocked.store(NEVER, Ordering::Relaxed);
        } else if self.blocked.load(Ordering::Relaxed) == NEVER {
            self.blocked.store(self.connections.now.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    fn moves(&self) {
        self.moved.store(self.connections.now.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// A request of a connection, until its answer has been sent.
pub struct UnderWay {
    connection: Arc<Connection>,
    /// Of the answer, what has not been sent.
    unsent: u64,
    is_ours: bool,
}

impl UnderWay {
    /// It has begun. `is_ours`: it is one of our own services, whose work is bounded in time.
    pub(super) fn new(connection: &Arc<Connection>, is_ours: bool) -> Self {
        connection.active.fetch_add(1, Ordering::Relaxed);
        connection.busy.fetch_add(usize::from(is_ours), Ordering::Relaxed);
        Self { connection: Arc::clone(connection), unsent: 0, is_ours }
    }

    /// The answer waits to be sent, or so much more of it.
    pub(super) fn answered(&mut self, bytes: usize) {
        let (connection, connections, bytes) = (&self.connection, &self.connection.connections, bytes as u64);
        self.unsent += bytes;
        if connection.unsent.fetch_add(bytes, Ordering::Relaxed) == 0 {
            connection.moves();
        }
        let unsent = connections.unsent.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if unsent > connections.max_unsent {
            connections.bound_unsent();
        }
    }

    /// So much of it has been sent.
    pub(super) fn sent(&mut self, bytes: usize) {
        let bytes = self.unsent.min(bytes as u64);
        if bytes > 0 {
            self.unsent -= bytes;
            self.connection.moves();
            self.connection.unsent.fetch_sub(bytes, Ordering::Relaxed);
            self.connection.connections.unsent.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.sent(usize::MAX);
        let now = self.connection.connections.now.load(Ordering::Relaxed);
        self.connection.rested.store(now, Ordering::Relaxed);
        self.connection.busy.fetch_sub(usize::from(self.is_ours), Ordering::Relaxed);
        self.connection.active.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(max_unsent: u64) -> Arc<Connections> {
        Arc::new(Connections::new(max_unsent))
    }

    fn open(connections: &Arc<Connections>, host: u8, most: usize) -> Option<Arc<Connection>> {
        connections.open(Ipv4Addr::new(10, 0, 0, host).into(), most)
    }

    fn cut<const N: usize>(connections: [&Connection; N]) -> [bool; N] {
        connections.map(|connection| connection.cut.is_cancelled())
    }

    #[test]
    fn a_connection_without_work_of_whoever_has_most_makes_room_for_a_new_one() {
        let connections = none(1 << 20);
        let [a, b, c, other] = [1, 1, 1, 2].map(|host| open(&connections, host, 4).expect("there is room"));
        // To watch health is no work.
        let (_busy, _watches) = (UnderWay::new(&a, true), UnderWay::new(&b, false));
        let _busy_too = UnderWay::new(&c, true);
        let next = open(&connections, 2, 4).expect("it finds room");
        assert_eq!(cut([&a, &b, &c, &other]), [false, true, false, false]);
        b.close();
        let _all_busy = [&other, &next].map(|connection| UnderWay::new(connection, true));
        assert!(open(&connections, 2, 4).is_none(), "nobody has more than this address would have");
        assert!(open(&connections, 1, 4).is_none());
        c.close();
        assert!(open(&connections, 3, 4).is_some());
    }

    #[test]
    fn whoever_keeps_all_connections_busy_makes_room_for_others() {
        let connections = none(1 << 20);
        let held: Vec<_> = (0..4).map(|_| open(&connections, 1, 4).expect("there is room")).collect();
        let _busy: Vec<_> = held.iter().map(|connection| UnderWay::new(connection, true)).collect();
        assert!(open(&connections, 1, 4).is_none());
        assert!(open(&connections, 2, 4).is_some());
        assert_eq!(held.iter().filter(|connection| connection.cut.is_cancelled()).count(), 1);
    }

    #[test]
    fn connections_that_are_idle_or_read_nothing_for_too_long_are_ended() {
        let connections = none(1 << 20);
        let [idle, waits, stuck, reads] =
            [1, 2, 3, 4].map(|host| open(&connections, host, 4).expect("there is room"));
        let _waits = UnderWay::new(&waits, false);
        let [mut unread, mut read] = [&stuck, &reads].map(|connection| UnderWay::new(connection, true));
        unread.answered(100);
        read.answered(100);
        for look in 1..=6 {
            assert!(!stuck.cut.is_cancelled() || look > 4);
            connections.look(5, 3);
            read.sent(1);
        }
        assert!(idle.end.is_cancelled() && stuck.cut.is_cancelled());
        for connection in [&waits, &reads] {
            assert!(!connection.end.is_cancelled() && !connection.cut.is_cancelled());
        }
        assert!(!idle.cut.is_cancelled());
        // Nothing of what it has been given can be written.
        let blocked = open(&connections, 5, 9).expect("there is room");
        blocked.writes(true);
        (0..4).for_each(|_| connections.look(100, 3));
        assert!(blocked.cut.is_cancelled());
        drop((unread, read));
        assert_eq!(connections.unsent_bytes(), 0);
    }

    #[test]
    fn of_answers_that_are_not_read_those_of_whoever_has_most_are_cut() {
        let connections = none(1000);
        let [most, some, other] = [1, 1, 2].map(|host| open(&connections, host, 4).expect("there is room"));
        let [mut first, mut second, mut third, mut more] =
            [&most, &some, &other, &other].map(|connection| UnderWay::new(connection, true));
        first.answered(400);
        second.answered(200);
        third.answered(400);
        assert!([&most, &some, &other].iter().all(|connection| !connection.cut.is_cancelled()));
        more.answered(150);
        assert_eq!(
            [&most, &some, &other].map(|connection| connection.cut.is_cancelled()),
            [true, false, false]
        );
        more.answered(100);
        assert_eq!(
            [&most, &some, &other].map(|connection| connection.cut.is_cancelled()),
            [true, false, false]
        );
    }
}
