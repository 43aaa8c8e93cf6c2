//! A queue in front of one server, in virtual time, under loads that chance spreads.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::QueueDelay;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;
const TARGET: u64 = 5 * MS;
const INTERVAL: u64 = 100 * MS;
/// What serving one takes, and refusing one.
const SERVICE: u64 = 40_000;
const REFUSAL: u64 = 2_000;

/// The machine stands still for `length` at the end of each `every`. All times are in ns.
#[derive(Clone, Copy)]
struct Hiccups {
    every: u64,
    length: u64,
}

const NONE: Hiccups = Hiccups { every: SECOND, length: 0 };

impl Hiccups {
    /// When what begins at `start`, while the machine is awake, and takes so long is done.
    fn done(self, start: u64, mut takes: u64) -> u64 {
        let mut now = start;
        loop {
            let stop = self.stop(now);
            if now + takes <= stop {
                return now + takes;
            }
            takes -= stop - now;
            now = stop + self.length;
        }
    }

    /// The first instant from then on at which the machine is awake.
    fn awake(self, now: u64) -> u64 {
        let stop = self.stop(now);
        if now >= stop { stop + self.length } else { now }
    }

    /// When the next stop begins, or the one that it is in began.
    fn stop(self, now: u64) -> u64 {
        now / self.every * self.every + self.every - self.length
    }
}

/// One server and its queue.
struct Machine {
    delay: QueueDelay,
    hiccups: Hiccups,
    chance: SmallRng,
    /// When the next request comes, and when the server is free.
    due: u64,
    free: u64,
}

#[derive(Debug, Default)]
struct Outcome {
    accepted: u64,
    refused: u64,
    /// The longest wait of one that was accepted.
    longest: u64,
}

impl Machine {
    fn new(hiccups: Hiccups) -> Self {
        let delay = QueueDelay::new(Duration::from_nanos(TARGET), Duration::from_nanos(INTERVAL));
        Self { delay, hiccups, chance: SmallRng::seed_from_u64(7), due: 0, free: 0 }
    }

    /// So much of what can be served without hiccups comes in (Poisson arrivals) until the instant.
    fn run(&mut self, load: f64, until: u64) -> Outcome {
        let mut outcome = Outcome::default();
        while self.due < until {
            let start = self.hiccups.awake(self.due.max(self.free));
            let waited = start - self.due;
            let admitted = self.delay.admits(Duration::from_nanos(waited), Duration::from_nanos(start));
            self.free = self.hiccups.done(start, if admitted { SERVICE } else { REFUSAL });
            if admitted {
                outcome.accepted += 1;
                outcome.longest = outcome.longest.max(waited);
            } else {
                outcome.refused += 1;
            }
            let pause = -(1.0 - self.chance.random::<f64>()).ln() * SERVICE as f64 / load;
            self.due += pause as u64;
        }
        outcome
    }
}

#[test]
fn below_half_of_what_can_be_served_no_hiccup_shorter_than_the_interval_has_anyone_refused() {
    for load in [0.01, 0.1, 0.3, 0.5] {
        for ms in [4, 20, 50, 90] {
            let mut machine = Machine::new(Hiccups { every: SECOND, length: ms * MS });
            let outcome = machine.run(load, 30 * SECOND);
            assert_eq!(outcome.refused, 0, "{load} of the load, hiccups of {ms} ms: {outcome:?}");
            assert!(outcome.longest > ms * MS / 2, "nobody met a hiccup: {outcome:?}");
        }
    }
}

#[test]
fn a_neighbour_that_takes_half_of_the_time_in_turns_has_nobody_refused() {
    for load in [0.05, 0.2] {
        let outcome = Machine::new(Hiccups { every: 16 * MS, length: 8 * MS }).run(load, 30 * SECOND);
        assert_eq!(outcome.refused, 0, "{outcome:?}");
        assert!(outcome.longest > TARGET, "{outcome:?}");
    }
}

#[test]
fn a_queue_that_stands_is_cut_to_the_target_and_kept_there() {
    for load in [1.1, 1.5, 3.0, 10.0] {
        let mut machine = Machine::new(NONE);
        machine.run(load, 2 * SECOND);
        let outcome = machine.run(load, 20 * SECOND);
        assert!(outcome.longest <= TARGET, "{load} times the load: {outcome:?}");
        // What refusing takes is not there for serving; of the rest nothing is lost.
        let least = (18 * SECOND - outcome.refused * REFUSAL) / SERVICE * 99 / 100;
        assert!(outcome.accepted >= least, "{load} times the load: {outcome:?}, at least {least}");
    }
}

#[test]
fn it_is_over_soon_after_the_load_is_and_hiccups_are_forgiven_again() {
    let mut machine = Machine::new(Hiccups { every: SECOND, length: 50 * MS });
    assert!(machine.run(10.0, 3 * SECOND).refused > 0);
    machine.run(0.5, 3 * SECOND + 500 * MS);
    assert_eq!(machine.run(0.5, 20 * SECOND).refused, 0);
}

#[test]
fn requests_that_are_far_apart_are_no_queue_however_long_each_waits() {
    let mut delay = Machine::new(NONE).delay;
    let (target, wait) = (Duration::from_nanos(TARGET), Duration::from_nanos(4 * TARGET));
    for second in 1..100 {
        let now = Duration::from_secs(second);
        assert!(delay.admits(wait, now));
        assert!(delay.admits(wait, now + target));
    }
}

#[test]
fn what_was_long_ago_tells_nothing_of_now() {
    let mut machine = Machine::new(NONE);
    assert!(machine.run(10.0, SECOND).refused > 0);
    assert!(machine.delay.admits(Duration::from_nanos(10 * TARGET), Duration::from_secs(3)));
}
