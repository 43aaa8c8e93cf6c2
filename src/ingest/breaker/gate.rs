//! When a partition is read and when it is not, by its records and the time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// When a partition is stopped: when more than `rejected` of its last `window` records would have
/// been rejected. With `rejected` no smaller than `window` that is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// How many records are looked back at.
    pub window: u64,
    /// How many of them may be bad.
    pub rejected: u64,
    /// After how long a partition that was stopped is tried again; twice as long each time that it is stopped again.
    pub retry: Duration,
    /// The longest that it waits, unless `retry` is longer.
    pub max_retry: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            window: 1000,
            rejected: 500,
            retry: Duration::from_secs(1),
            max_retry: Duration::from_secs(15),
        }
    }
}

/// Counts the bad ones among a partition's last records, and shuts when they are too many. It opens again after a
/// while and counts anew, so that each time as many bad ones pass as are allowed.
#[derive(Clone, Debug)]
pub struct Gate {
    settings: BreakerSettings,
    /// How many records there were since it was opened.
    seen: u64,
    /// Which of those in the window were bad, by their number.
    rejected: VecDeque<u64>,
    /// How long it will be shut when it shuts next.
    wait: Duration,
    /// Until when it is shut.
    until: Option<Instant>,
}

impl Gate {
    /// One that is open and has seen nothing.
    pub fn open(settings: BreakerSettings) -> Self {
        Self { settings, seen: 0, rejected: VecDeque::new(), wait: settings.retry, until: None }
    }

    /// One that shuts now.
    pub fn shut(settings: BreakerSettings, now: Instant) -> Self {
        let mut gate = Self::open(settings);
        gate.shuts(now);
        gate
    }

    /// Counts a good record.
    pub fn accept(&mut self) {
        self.count(self.seen + 1);
    }

    /// Counts a bad record; if it is one too many it is not counted, and the gate shuts: for how long.
    pub fn reject(&mut self, now: Instant) -> Option<Duration> {
        let number = self.seen + 1;
        while self.rejected.front().is_some_and(|first| number - first >= self.settings.window) {
            self.rejected.pop_front();
        }
        let never = self.settings.rejected >= self.settings.window;
        if !never && self.rejected.len() as u64 >= self.settings.rejected {
            return Some(self.shuts(now));
        }
        if !never {
            self.rejected.push_back(number);
        }
        self.count(number);
        None
    }

    /// Opens it if it is shut and has been for long enough; whether it was opened.
    pub fn opens(&mut self, now: Instant) -> bool {
        let due = self.until.is_some_and(|until| until <= now);
        if due {
            self.until = None;
            self.seen = 0;
            self.rejected.clear();
        }
        due
    }

    fn count(&mut self, number: u64) {
        self.seen = number;
        if number >= self.settings.window {
            // What it was shut for is over.
            self.wait = self.settings.retry;
        }
    }

    fn shuts(&mut self, now: Instant) -> Duration {
        let wait = self.wait.min(self.settings.max_retry.max(self.settings.retry));
        self.wait = wait.saturating_mul(2);
        // One that waits for longer than an instant can be away never opens.
        self.until = Some(now.checked_add(wait).unwrap_or(now + NEVER));
        wait
    }
}

/// As good as never.
const NEVER: Duration = Duration::from_secs(10 * 365 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn gate(window: u64, rejected: u64) -> Gate {
        Gate::open(BreakerSettings { window, rejected, retry: SECOND, max_retry: 5 * SECOND })
    }

    fn takes(gate: &mut Gate) -> bool {
        gate.reject(Instant::now()).is_none()
    }

    #[test]
    fn as_many_as_allowed_pass_and_one_more_does_not() {
        let mut gate = gate(10, 3);
        assert_eq!([(); 5].map(|()| takes(&mut gate)), [true, true, true, false, false]);
    }

    #[test]
    fn good_records_make_room_once_the_bad_ones_are_out_of_the_window() {
        let mut gate = gate(10, 3);
        assert!((0..3).all(|_| takes(&mut gate)));
        (0..6).for_each(|_| gate.accept());
        assert!(!takes(&mut gate.clone()), "the tenth record still sees the first three");
        gate.accept();
        assert!(takes(&mut gate), "the eleventh does not see the first");
        assert!(takes(&mut gate) && takes(&mut gate) && !takes(&mut gate));
    }

    #[test]
    fn a_steady_share_below_the_limit_never_shuts_it() {
        let mut gate = gate(100, 50);
        for _ in 0..1000 {
            assert!(takes(&mut gate));
            gate.accept();
        }
        assert!(gate.rejected.len() <= 50);
    }

    #[test]
    fn a_limit_as_large_as_the_window_never_shuts_it_and_keeps_nothing() {
        let mut gate = gate(5, 5);
        assert!((0..100).all(|_| takes(&mut gate)));
        assert!(gate.rejected.is_empty());
    }

    /// Sends bad records until it shuts: how many passed, and for how long it is shut then.
    fn flood(gate: &mut Gate, now: Instant) -> (u64, Duration) {
        let mut passed = 0;
        loop {
            match gate.reject(now) {
                None => passed += 1,
                Some(wait) => return (passed, wait),
            }
        }
    }

    #[test]
    fn it_opens_again_after_a_wait_that_doubles_up_to_a_bound_and_lets_as_many_pass_each_time() {
        let (mut gate, mut now) = (gate(10, 3), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..5 {
            let (passed, wait) = flood(&mut gate, now);
            assert_eq!(passed, 3);
            assert!(!gate.opens(now + wait - SECOND / 10), "not before its time");
            now += wait;
            assert!(gate.opens(now) && !gate.opens(now), "once");
            waits.push(wait.as_secs());
        }
        assert_eq!(waits, [1, 2, 4, 5, 5]);
    }

    #[test]
    fn a_window_without_a_flood_makes_the_next_wait_a_short_one_again() {
        let (mut gate, now) = (gate(10, 3), Instant::now());
        for good in [0, 9, 10] {
            let (_, wait) = flood(&mut gate, now);
            assert!(gate.opens(now + wait));
            (0..good).for_each(|_| gate.accept());
        }
        assert_eq!(flood(&mut gate, now).1, SECOND);
    }

    #[test]
    fn ten_thousand_bad_records_are_over_within_minutes() {
        let (mut gate, start) = (Gate::open(BreakerSettings::default()), Instant::now());
        let (mut now, mut left) = (start, 10_000);
        while left > 0 {
            match gate.reject(now) {
                None => left -= 1,
                Some(wait) => {
                    now += wait;
                    assert!(gate.opens(now));
                }
            }
        }
        assert_eq!((now - start).as_secs(), 1 + 2 + 4 + 8 + 15 * 15);
    }

    #[test]
    fn one_that_may_wait_for_ever_does() {
        let settings = BreakerSettings { retry: Duration::MAX, ..Default::default() };
        let now = Instant::now();
        let mut gate = Gate::shut(settings, now);
        assert!(!gate.opens(now + 1_000_000 * SECOND));
    }
}
