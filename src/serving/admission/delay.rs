//! Tells a queue that stays from a burst that passes.
//!
//! A burst is to be worked off, however long the last of it waits; a queue that stays only adds its
//! length to each answer. After "controlled delay" (Nichols and Jacobson 2012; Maurer, "Fail at
//! scale", 2015): while most requests wait long, none may wait longer than the limit; otherwise each
//! may wait for as long as a burst does. It is most of them and not, as there, even the shortest wait,
//! because a connection hands over many requests at a time, the first of which hardly waits at all.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Over how long it is judged whether the queue stays, and how long a wait in a burst may be.
const INTERVAL: Duration = Duration::from_millis(50);

/// How long requests wait for their turn.
pub(super) struct QueueDelay {
    limit: u64,
    /// When the present interval began, and how many requests had their turn in it, in all and late.
    began: AtomicU64,
    seen: AtomicU32,
    late: AtomicU32,
    /// Whether most were late in the last one.
    stays: AtomicBool,
}

impl QueueDelay {
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            limit: micros(limit),
            began: AtomicU64::new(0),
            seen: AtomicU32::new(0),
            late: AtomicU32::new(0),
            stays: AtomicBool::new(false),
        }
    }

    /// Whether a request that has waited so long may be begun at this time.
    pub(super) fn admits(&self, waited: Duration, now: Duration) -> bool {
        let (waited, now) = (micros(waited), micros(now));
        let began = self.began.load(Relaxed);
        let passed = now.saturating_sub(began);
        if passed >= micros(INTERVAL) && self.began.compare_exchange(began, now, Relaxed, Relaxed).is_ok() {
            let (seen, late) = (self.seen.swap(0, Relaxed), self.late.swap(0, Relaxed));
            // What was long ago tells nothing of now.
            self.stays.store(late > seen / 2 && passed < 2 * micros(INTERVAL), Relaxed);
        }
        self.seen.fetch_add(1, Relaxed);
        if waited > self.limit / 2 {
            self.late.fetch_add(1, Relaxed);
        }
        waited <= if self.stays.load(Relaxed) { self.limit } else { self.limit.max(micros(INTERVAL)) }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 2_000;
    const STEP: u64 = 1_000;

    fn at(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    /// One request each millisecond, each of which has waited as long as `waited` says.
    fn admitted(delay: &QueueDelay, from: u64, to: u64, waited: impl Fn(u64) -> u64) -> usize {
        (from..to).step_by(STEP as usize).filter(|now| delay.admits(at(waited(*now)), at(*now))).count()
    }

    #[test]
    fn a_burst_is_worked_off() {
        let delay = QueueDelay::new(at(LIMIT));
        assert_eq!(admitted(&delay, 0, 40_000, |_| 40_000), 40);
        assert_eq!(admitted(&delay, 40_000, 100_000, |_| 100), 60);
        assert_eq!(admitted(&delay, 100_000, 140_000, |_| 40_000), 40);
    }

    #[test]
    fn a_queue_that_stays_is_cut_to_the_limit() {
        let delay = QueueDelay::new(at(LIMIT));
        assert_eq!(admitted(&delay, 0, 50_000, |_| 3_000), 50, "it might pass");
        assert_eq!(
            admitted(&delay, 50_000, 400_000, |now| if now % 2_000 == 0 { 3_000 } else { 1_500 }),
            175
        );
        // The waits that the cut brings about are no reason to let it grow again.
        assert!(!delay.admits(at(LIMIT + 1), at(400_000)));
        assert!(delay.admits(at(LIMIT), at(400_000)));
    }

    #[test]
    fn a_lucky_request_does_not_open_the_gate_and_short_waits_do() {
        let delay = QueueDelay::new(at(LIMIT));
        admitted(&delay, 0, 100_000, |_| 5_000);
        assert_eq!(admitted(&delay, 100_000, 200_000, |now| if now % 4_000 == 0 { 0 } else { 5_000 }), 25);
        assert_eq!(admitted(&delay, 200_000, 260_000, |_| 500), 60);
        assert!(delay.admits(at(10_000), at(260_000)));
    }

    #[test]
    fn what_was_long_ago_tells_nothing_of_now() {
        let delay = QueueDelay::new(at(LIMIT));
        admitted(&delay, 0, 100_000, |_| 5_000);
        assert!(!delay.admits(at(5_000), at(110_000)));
        assert!(delay.admits(at(5_000), at(900_000)));
    }

    #[test]
    fn a_limit_that_is_longer_than_a_burst_holds() {
        let delay = QueueDelay::new(at(1_000_000));
        assert_eq!(admitted(&delay, 0, 300_000, |_| 1_000_000), 300);
        assert!(!delay.admits(at(1_000_001), at(300_000)));
    }
}
