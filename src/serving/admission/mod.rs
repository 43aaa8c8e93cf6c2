//! Admission: what is not worth beginning is refused before it costs anything.
//!
//! Under more load than can be served a queue grows wherever it may, and each answer comes too late
//! to be of use. So a request is refused, without its body being read, when it has waited longer than
//! [`AdmissionSettings::max_queue_delay`] while others do too, when as many are in flight as may be,
//! when large bodies fill what is set aside for them, and when its caller's deadline has passed.

mod body;
mod delay;
mod entry;
mod refusal;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use delay::QueueDelay;
pub(super) use entry::Entry;
pub use refusal::Refusal;

/// How much is taken on at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmissionSettings {
    /// Requests in flight, from their first byte to their answer, above which others are refused.
    pub max_concurrent_requests: usize,
    /// What one connection may have in flight. The caller's side holds back what is more.
    pub max_concurrent_streams: u32,
    /// How long requests may wait for their turn; once most wait half as long, a quarter.
    pub max_queue_delay: Duration,
    /// How long a request may take when its caller names no deadline.
    pub request_timeout: Duration,
    /// What large messages that are being received or worked on may hold, in bytes on the wire.
    pub max_upload_bytes: u64,
}

impl Default for AdmissionSettings {
    fn default() -> Self {
        Self {
            max_concurrent_requests: 1024,
            // What is sent to us and not read yet waits unseen: the fewer the sooner each is answered. It
            // is plenty for callers who are less than some ms away.
            max_concurrent_streams: 32,
            max_queue_delay: Duration::from_millis(2),
            request_timeout: Duration::from_secs(60),
            max_upload_bytes: 128 << 20,
        }
    }
}

/// What is in flight, and how long the way to it is.
pub struct Admission {
    settings: AdmissionSettings,
    made: Instant,
    delay: QueueDelay,
    in_flight: AtomicUsize,
    upload_bytes: AtomicU64,
}

impl Admission {
    /// Nothing is in flight.
    pub fn new(settings: AdmissionSettings) -> Self {
        Self {
            delay: QueueDelay::new(settings.max_queue_delay),
            settings,
            made: Instant::now(),
            in_flight: AtomicUsize::new(0),
            upload_bytes: AtomicU64::new(0),
        }
    }

    /// What it was made with.
    pub fn settings(&self) -> &AdmissionSettings {
        &self.settings
    }

    /// How many requests are in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Takes a request on whose turn has come, until [`Self::leave`].
    fn enter(&self, arrived: Instant, timeout: Duration) -> Result<(), Refusal> {
        let now = Instant::now();
        let waited = now.saturating_duration_since(arrived);
        let in_time = self.delay.admits(waited, now.saturating_duration_since(self.made));
        if waited >= timeout {
            return Err(Refusal::Deadline);
        }
        if !in_time {
            return Err(Refusal::QueueDelay);
        }
        if self.in_flight.fetch_add(1, Ordering::Relaxed) >= self.settings.max_concurrent_requests {
            self.in_flight.fetch_sub(1, Ordering::Relaxed);
            return Err(Refusal::InFlight);
        }
        Ok(())
    }

    fn leave(&self, upload_bytes: u64) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.upload_bytes.fetch_sub(upload_bytes, Ordering::Relaxed);
    }

    /// Sets bytes aside for a large message.
    fn reserve(&self, bytes: u64) -> Result<(), Refusal> {
        let held = self.upload_bytes.fetch_add(bytes, Ordering::Relaxed);
        if held + bytes > self.settings.max_upload_bytes {
            self.upload_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(Refusal::UploadBytes);
        }
        Ok(())
    }
}
