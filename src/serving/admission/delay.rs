//! Tells a queue that stays from a burst that passes.
//!
//! A burst is to be worked off, however long the last of it waits; a queue that stays only adds its
//! length to each answer. After "controlled delay" (Nichols and Jacobson 2012; Maurer, "Fail at
//! scale", 2015): once most requests wait long, none may wait longer than a part of the limit, until
//! hardly any has to be refused; otherwise each may wait for as long as a burst does. It is most of
//! them and not, as there, even the shortest wait, because a connection hands over many requests at a
//! time, the first of which hardly waits at all. And it is a part of the limit, because what is waited
//! for on the way to us can't be seen: requests stay there until those before them were answered or
//! refused, so that the more are refused early the less the others have waited.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Over how long it is judged whether the queue stays, and how long a wait in a burst may be.
const INTERVAL: Duration = Duration::from_millis(50);
/// The part of the limit that a request may wait while the queue stays.
const PART: u64 = 4;
/// While more than one in so many are refused the queue stays.
const FEW: u32 = 10;

/// How long requests wait for their turn.
pub(super) struct QueueDelay {
    limit: u64,
    /// When the present interval began, and how many requests had their turn in it: in all, late,
    /// and refused.
    began: AtomicU64,
    seen: AtomicU32,
    late: AtomicU32,
    refused: AtomicU32,
    stays: AtomicBool,
}

impl QueueDelay {
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            limit: micros(limit),
            began: AtomicU64::new(0),
            seen: AtomicU32::new(0),
            late: AtomicU32::new(0),
            refused: AtomicU32::new(0),
            stays: AtomicBool::new(false),
        }
    }

    /// Whether a request that has waited so long may be begun at this time.
    pub(super) fn admits(&self, waited: Duration, now: Duration) -> bool {
        let (waited, now) = (micros(waited), micros(now));
        let began = self.began.load(Relaxed);
        let passed = now.saturating_sub(began);
        if passed >= micros(INTERVAL) && self.began.compare_exchange(began, now, Relaxed, Relaxed).is_ok() {
            self.judge(passed);
        }
        let stays = self.stays.load(Relaxed);
        let limit = if stays { self.limit / PART } else { self.limit.max(micros(INTERVAL)) };
        self.seen.fetch_add(1, Relaxed);
        if waited > self.limit / 2 {
            self.late.fetch_add(1, Relaxed);
        }
        if waited > limit {
            self.refused.fetch_add(1, Relaxed);
        }
        waited <= limit
    }

    fn judge(&self, passed: u64) {
        let [seen, late, refused] =
            [&self.seen, &self.late, &self.refused].map(|count| count.swap(0, Relaxed));
        let stays = if self.stays.load(Relaxed) { refused > seen / FEW } else { late > seen / 2 };
        // What was long ago tells nothing of now.
        self.stays.store(stays && passed < 2 * micros(INTERVAL), Relaxed);
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
    fn a_queue_that_stays_is_cut_to_a_part_of_the_limit() {
        let delay = QueueDelay::new(at(LIMIT));
        assert_eq!(admitted(&delay, 0, 50_000, |_| 3_000), 50, "it might pass");
        let cut = |now: u64| if now.is_multiple_of(2_000) { LIMIT / PART + 1 } else { LIMIT / PART };
        // The short waits that the cut brings about are no reason to let it grow again.
        assert_eq!(admitted(&delay, 50_000, 400_000, cut), 175);
    }

    #[test]
    fn it_is_over_when_hardly_any_has_to_be_refused() {
        let delay = QueueDelay::new(at(LIMIT));
        admitted(&delay, 0, 100_000, |_| 5_000);
        let few = |now: u64| if now.is_multiple_of(25_000) { 5_000 } else { 100 };
        assert_eq!(admitted(&delay, 100_000, 150_000, few), 48);
        assert_eq!(admitted(&delay, 150_000, 200_000, few), 50);
    }

    #[test]
    fn a_lucky_request_does_not_open_the_gate_and_short_waits_do() {
        let delay = QueueDelay::new(at(LIMIT));
        admitted(&delay, 0, 100_000, |_| 5_000);
        let lucky = |now: u64| if now.is_multiple_of(4_000) { 0 } else { 5_000 };
        assert_eq!(admitted(&delay, 100_000, 200_000, lucky), 25);
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
        assert_eq!(admitted(&delay, 0, 300_000, |_| 500_000), 300);
        assert!(!delay.admits(at(1_000_001), at(300_000)));
    }
}
