//! Admission: what is not worth beginning is refused before it costs anything.
//!
//! Under more load than can be served a queue grows wherever it may, and each answer comes too late
//! to be of use. Here all requests wait in one place, a queue of ours (`queue.rs`), and what has waited there is
//! known. A request is refused, without its body being read, when that queue stands and it has waited
//! for too long, when as many are in flight as may be, when large messages fill what is set aside for
//! them, when its body does not come (`bodies.rs`), and when its caller's deadline has passed. Connections, and
//! answers that are not read, are bounded, too (`connection.rs`).

mod answer;
mod bodies;
mod body;
mod connection;
mod delay;
mod permit;
mod queue;
mod refusal;
mod service;
mod shares;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::telemetry::{Counter, Metrics, ShedRequests};
pub(super) use answer::KEPT;
use bodies::Bodies;
pub use connection::{Connection, Connections};
use delay::QueueDelay;
pub(super) use permit::{Held, Weight};
pub(super) use queue::{RequestQueue, Workers};
pub use refusal::{Refusal, exhausted};
pub(super) use service::AdmissionService;
use shares::Peer;

/// How much is taken on at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmissionSettings {
    /// Requests that are worked on or waited for, above which others are refused.
    pub max_concurrent_requests: usize,
    /// What one connection may have in flight. The caller's side holds back what is more.
    pub max_concurrent_streams: u32,
    /// How long requests may wait for their turn in a queue that stands.
    pub queue_target: Duration,
    /// For how long all have to wait longer than that until the queue is one that stands.
    pub queue_interval: Duration,
    /// How long a request may take when its caller names no deadline.
    pub request_timeout: Duration,
    /// What large messages that are being received or worked on may hold, in bytes on the wire.
    pub max_upload_bytes: u64,
    /// Requests whose body has not come as a whole, above which one is given up.
    pub max_incoming_bodies: usize,
    /// How long a body may be on its way ...
    pub body_timeout: Duration,
    /// ... and longer by a second for each so many bytes that have come.
    pub min_body_rate: u64,
    /// Connections that may be open.
    pub max_connections: usize,
    /// How long one may have nothing under way.
    pub connection_idle: Duration,
    /// What of answers may wait to be read, in bytes.
    pub max_unsent_bytes: u64,
    /// How long none of a connection's answers may be read.
    pub send_timeout: Duration,
}

impl Default for AdmissionSettings {
    fn default() -> Self {
        Self {
            max_concurrent_requests: 1024,
            // What is sent to us and not read yet waits unseen: the fewer the sooner each is answered. It
            // is plenty for callers who are less than some ms away.
            max_concurrent_streams: 32,
            // As RFC 8289 recommends, and as folly has it for RPC servers.
            queue_target: Duration::from_millis(5),
            queue_interval: Duration::from_millis(100),
            request_timeout: Duration::from_secs(60),
            max_upload_bytes: 128 << 20,
            max_incoming_bodies: 1024,
            // A full batch over a slow line: 16 MiB in 133 s at the most, which `request_timeout` cuts.
            body_timeout: Duration::from_secs(5),
            min_body_rate: 128 << 10,
            max_connections: 4096,
            connection_idle: Duration::from_secs(300),
            max_unsent_bytes: 64 << 20,
            send_timeout: Duration::from_secs(30),
        }
    }
}

/// What is in flight, and how long the way to it is.
pub struct Admission {
    settings: AdmissionSettings,
    made: Instant,
    delay: Mutex<QueueDelay>,
    in_flight: AtomicUsize,
    upload_bytes: AtomicU64,
    bodies: Bodies,
    connections: Arc<Connections>,
    /// What those have to read who come by another port: theirs counts for itself.
    others: Arc<Connections>,
    /// Looked up once: under load most requests count here.
    shed: [Counter; Refusal::ALL.len()],
}

impl Admission {
    /// Nothing is in flight. What is refused is counted in `shed`.
    pub fn new(settings: AdmissionSettings, shed: &ShedRequests) -> Self {
        let max_unsent = settings.max_unsent_bytes;
        let counter = |refusal: Refusal| shed.get_or_create_owned(&refusal.label());
        Self {
            delay: Mutex::new(QueueDelay::new(settings.queue_target, settings.queue_interval)),
            settings,
            made: Instant::now(),
            in_flight: AtomicUsize::new(0),
            upload_bytes: AtomicU64::new(0),
            bodies: Bodies::default(),
            connections: Arc::new(Connections::new(max_unsent)),
            others: Arc::new(Connections::new(max_unsent)),
            shed: Refusal::ALL.map(counter),
        }
    }

    /// What it was made with.
    pub fn settings(&self) -> &AdmissionSettings {
        &self.settings
    }

    /// Tells what is taken on now.
    pub fn measure(&self, metrics: &Metrics) {
        metrics.in_flight.set(self.in_flight() as i64);
        metrics.incoming_bodies.set(self.incoming_bodies() as i64);
        metrics.connections.set(self.connections.len() as i64);
        let unsent = self.connections.unsent_bytes() + self.others.unsent_bytes();
        metrics.unsent.set(i64::try_from(unsent).unwrap_or(i64::MAX));
    }

    /// How many requests are in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The connections that are open.
    pub fn connections(&self) -> &Arc<Connections> {
        &self.connections
    }

    /// What stands for all who come by another port.
    pub(super) fn others(&self) -> Arc<Connection> {
        self.others.apart()
    }

    /// How many requests are waited for whose body has not come as a whole.
    pub fn incoming_bodies(&self) -> usize {
        self.bodies.len()
    }

    /// Takes a request on whose turn has come, until [`Self::leave`].
    fn enter(&self, arrived: Instant, timeout: Duration) -> Result<(), Refusal> {
        let now = Instant::now();
        let waited = now.saturating_duration_since(arrived);
        let in_time = self.delay.lock().admits(waited, now.saturating_duration_since(self.made));
        if waited >= timeout {
            return Err(self.refuse(Refusal::Deadline));
        }
        if !in_time {
            return Err(self.refuse(Refusal::QueueDelay));
        }
        self.take_place()
    }

    /// Counts one more in flight, until [`Self::leave`].
    fn take_place(&self) -> Result<(), Refusal> {
        if self.in_flight.fetch_add(1, Ordering::Relaxed) >= self.settings.max_concurrent_requests {
            self.in_flight.fetch_sub(1, Ordering::Relaxed);
            return Err(self.refuse(Refusal::InFlight));
        }
        Ok(())
    }

    /// The most that one request may weigh.
    fn most_weight(&self) -> usize {
        (self.settings.max_concurrent_requests / 2).max(1)
    }

    /// Counts a request that is in flight as so many more: until [`Self::leave`], and as long as such requests leave
    /// half of the room to those that weigh 1.
    fn weigh(&self, more: usize) -> Result<(), Refusal> {
        let fits = |in_flight: usize| Some(in_flight + more).filter(|all| *all <= self.most_weight());
        let weighed = self.in_flight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        weighed.map(drop).map_err(|_| self.refuse(Refusal::InFlight))
    }

    fn leave(&self, weight: usize) {
        self.in_flight.fetch_sub(weight, Ordering::Relaxed);
    }

    /// Sets bytes aside for a large message. Those who have more on the way make room, if there is none.
    fn reserve(&self, peer: Peer, bytes: u64) -> Result<(), Refusal> {
        loop {
            let fits =
                |held: u64| held.checked_add(bytes).filter(|held| *held <= self.settings.max_upload_bytes);
            if self.upload_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok() {
                return Ok(());
            }
            if !self.bodies.make_room(peer, bytes) {
                return Err(self.refuse(Refusal::UploadBytes));
            }
        }
    }

    fn release(&self, bytes: u64) {
        self.upload_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Counts a refusal.
    fn refuse(&self, refusal: Refusal) -> Refusal {
        let [queue_delay, in_flight, upload_bytes, deadline, slow_body] = &self.shed;
        let counter = match refusal {
            Refusal::QueueDelay => queue_delay,
            Refusal::InFlight => in_flight,
            Refusal::UploadBytes => upload_bytes,
            Refusal::Deadline => deadline,
            Refusal::SlowBody => slow_body,
        };
        counter.inc();
        refusal
    }
}
