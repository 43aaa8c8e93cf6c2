//! Which requests are worked on, and which are refused at the door.
//!
//! A request is counted from the moment its head has arrived. Until a thread turns to it, it waits
//! in the runtime's queue, which has no bound of its own: under more load than can be carried every
//! request would wait for all before it. So the queue is held as short as it can be without a
//! thread running dry: how many may wait follows from how long they had to, by additive increase
//! and multiplicative decrease. As long as waits are short there is no bound but the total, so that
//! a burst, or a moment without a processor, sheds nothing.
//!
//! After controlled delay ("Controlling queue delay", Nichols and Jacobson, 2012) and adaptive
//! concurrency limits. Time is an argument.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How often the bound of the queue is adjusted.
const INTERVAL: Duration = Duration::from_millis(20);
/// A queue in which requests wait longer than this on average is too long.
const TARGET: Duration = Duration::from_millis(1);
/// The least bound of the queue: with fewer a thread would run dry.
const LEAST: usize = 4;

/// What requests may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many may be in flight.
    pub requests: usize,
    /// How many bytes those in flight may have sent.
    pub bytes: u64,
    /// How many one connection may have in flight.
    pub streams: u32,
    /// How long one may take.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { requests: 1024, bytes: 256 << 20, streams: 128, time: Duration::from_secs(30) }
    }
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// As many as may be are in flight.
    InFlight,
    /// It would have to wait for too long.
    Queue,
    /// Those in flight have sent as much as may be.
    Bytes,
}

/// Counts requests in and out.
#[derive(Debug)]
pub struct Admission {
    limits: Limits,
    in_flight: AtomicUsize,
    bytes: AtomicU64,
    queued: AtomicUsize,
    /// How many may be queued.
    bound: AtomicUsize,
    /// The longest queue, the requests that were begun with the time that they had waited, in us,
    /// and those that were refused, all since the last adjustment.
    longest: AtomicUsize,
    begun: AtomicU64,
    waited: AtomicU64,
    refused: AtomicU64,
    adjusted: Mutex<Instant>,
}

impl Admission {
    /// Nothing in flight.
    pub fn new(limits: Limits, now: Instant) -> Self {
        Self {
            bound: AtomicUsize::new(limits.requests),
            limits,
            in_flight: AtomicUsize::new(0),
            bytes: AtomicU64::new(0),
            queued: AtomicUsize::new(0),
            longest: AtomicUsize::new(0),
            begun: AtomicU64::new(0),
            waited: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            adjusted: Mutex::new(now),
        }
    }

    /// Takes a request in whose head has arrived, to be begun and finished.
    ///
    /// # Errors
    /// It is not taken in, so neither is due.
    pub fn arrive(&self, now: Instant) -> Result<(), Refused> {
        self.adjust(now);
        if self.in_flight.fetch_add(1, Relaxed) >= self.limits.requests {
            self.in_flight.fetch_sub(1, Relaxed);
            return Err(Refused::InFlight);
        }
        let queued = self.queued.fetch_add(1, Relaxed) + 1;
        if queued > self.bound.load(Relaxed) {
            self.queued.fetch_sub(1, Relaxed);
            self.in_flight.fetch_sub(1, Relaxed);
            self.refused.fetch_add(1, Relaxed);
            return Err(Refused::Queue);
        }
        self.longest.fetch_max(queued, Relaxed);
        Ok(())
    }

    /// Tells that a request's turn has come, after so long.
    pub fn begin(&self, waited: Duration) {
        self.queued.fetch_sub(1, Relaxed);
        self.begun.fetch_add(1, Relaxed);
        self.waited.fetch_add(waited.as_micros() as u64, Relaxed);
    }

    /// Tells that a request is over whose turn has not come.
    pub fn abandon(&self) {
        self.queued.fetch_sub(1, Relaxed);
    }

    /// Tells that a request is over that had sent so many bytes.
    pub fn finish(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Relaxed);
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// Counts bytes that a request has sent, until it is over.
    ///
    /// # Errors
    /// There is no room for them, so they are not counted.
    pub fn receive(&self, bytes: u64) -> Result<(), Refused> {
        if self.bytes.fetch_add(bytes, Relaxed) + bytes > self.limits.bytes {
            self.bytes.fetch_sub(bytes, Relaxed);
            return Err(Refused::Bytes);
        }
        Ok(())
    }

    /// What requests may take.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    fn adjust(&self, now: Instant) {
        // Whoever has the lock does what there is to do.
        let Some(mut adjusted) = self.adjusted.try_lock() else { return };
        if now.saturating_duration_since(*adjusted) < INTERVAL {
            return;
        }
        *adjusted = now;
        let (begun, waited) = (self.begun.swap(0, Relaxed), self.waited.swap(0, Relaxed));
        let (refused, longest) = (self.refused.swap(0, Relaxed), self.longest.swap(0, Relaxed));
        let bound = self.bound.load(Relaxed);
        let too_long = waited > begun.saturating_mul(TARGET.as_micros() as u64);
        let next = if too_long {
            // The bound may be far above what has led to these waits.
            (bound.min(longest) * 3 / 4).max(LEAST)
        } else if refused > 0 {
            bound + bound.div_ceil(8)
        } else {
            bound * 2
        };
        self.bound.store(next.min(self.limits.requests), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_micros(100);
    const LONG: Duration = Duration::from_millis(5);

    struct Server {
        admission: Admission,
        now: Instant,
    }

    impl Server {
        fn new(limits: Limits) -> Self {
            let now = Instant::now();
            Self { admission: Admission::new(limits, now), now }
        }

        /// So many requests come at once, and those that are taken wait for so long. How many are.
        fn burst(&mut self, requests: usize, wait: Duration) -> usize {
            let taken = (0..requests).filter(|_| self.admission.arrive(self.now).is_ok()).count();
            (0..taken).for_each(|_| self.admission.begin(wait));
            (0..taken).for_each(|_| self.admission.finish(0));
            self.now += INTERVAL;
            taken
        }
    }

    #[test]
    fn a_burst_is_taken_whole_while_waits_were_short() {
        let mut server = Server::new(Limits::default());
        for _ in 0..10 {
            assert_eq!(server.burst(500, SHORT), 500);
        }
        assert_eq!(server.burst(500, LONG), 500, "nobody knew yet");
    }

    #[test]
    fn waits_that_are_too_long_shorten_the_queue_until_they_are_not() {
        let mut server = Server::new(Limits::default());
        server.burst(400, LONG);
        let taken: Vec<usize> = (0..30).map(|_| server.burst(400, LONG)).collect();
        assert_eq!(taken[0], 300);
        assert!(taken.is_sorted_by(|a, b| a >= b));
        assert_eq!(taken.last(), Some(&LEAST));
        // As long as it sheds it grows slowly, and once nothing is shed at once.
        assert_eq!([server.burst(400, SHORT), server.burst(400, SHORT)], [LEAST, LEAST + 1]);
        for _ in 0..60 {
            server.burst(1, SHORT);
        }
        assert_eq!(server.burst(1000, SHORT), 1000);
    }

    #[test]
    fn no_more_are_in_flight_than_may_be_and_no_more_bytes() {
        let server = Server::new(Limits { requests: 2, bytes: 10, ..Limits::default() });
        let admission = &server.admission;
        assert_eq!([(); 3].map(|()| admission.arrive(server.now)), [Ok(()), Ok(()), Err(Refused::InFlight)]);
        assert_eq!((admission.receive(8), admission.receive(3)), (Ok(()), Err(Refused::Bytes)));
        assert_eq!(admission.receive(2), Ok(()));
        admission.begin(SHORT);
        admission.abandon();
        assert_eq!(admission.arrive(server.now), Err(Refused::InFlight), "it is not finished yet");
        admission.finish(8);
        assert_eq!((admission.arrive(server.now), admission.receive(8)), (Ok(()), Ok(())));
    }
}
