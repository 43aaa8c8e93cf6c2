//! Tells a queue that stands from one that passes, and keeps a standing one short.
//!
//! A queue is there to take up bursts: what comes faster than it can be served for a moment, or while
//! the machine does something else, is worked off, however long the last of it waits. A queue that
//! *stands* takes up nothing. It only adds its length to each answer. "Controlled delay" (Nichols and
//! Jacobson, RFC 8289) tells the two apart by how long what leaves the queue has waited in it: it stands
//! once everything that has left it for a whole `interval` had waited longer than a `target`.
//!
//! What is done about it then is not the law of RFC 8289 (drop one now and the next one sooner and
//! sooner), which makes a TCP sender halve its rate. Callers of ours do not slow down when one of their
//! requests is refused: what is offered stays what it is, and all of the excess has to go. So every
//! request that has waited longer than the target is refused for as long as the queue stands, as in
//! Maurer, "Fail at scale" (ACM Queue, 2015) and `folly/executors/Codel.cpp`. It costs little, so that
//! the queue is cut to the target at once and stays there.
//!
//! That is also why it can't be over as soon as one request has waited less: the cut itself sees to
//! that, and a whole interval would pass each time before the next cut. It is over when most requests
//! of an interval have waited for less than half of the target, where the cut does not reach.

use std::time::Duration;

/// A queue that stands is judged by how many waited longer than this part of the target.
const PART: u32 = 2;

/// How long requests wait for their turn. Time is counted from any instant; the queue is first in,
/// first out.
#[derive(Debug)]
pub(super) struct QueueDelay {
    target: Duration,
    interval: Duration,
    /// When the last request had its turn.
    last: Duration,
    queue: Queue,
}

#[derive(Debug)]
enum Queue {
    /// The last to have its turn had waited for less than the target.
    Short,
    /// All who had their turn since then had waited longer.
    Long { since: Duration },
    /// It stands; how many have had their turn since it was last judged, and how many of them had
    /// waited longer than a part of the target.
    Standing { since: Duration, seen: u32, long: u32 },
}

impl QueueDelay {
    pub(super) fn new(target: Duration, interval: Duration) -> Self {
        Self { target, interval, last: Duration::ZERO, queue: Queue::Short }
    }

    /// Whether a request that has waited so long and has its turn at this time is to be served.
    pub(super) fn admits(&mut self, waited: Duration, now: Duration) -> bool {
        let last = std::mem::replace(&mut self.last, now);
        match self.queue {
            Queue::Short => {
                if waited > self.target {
                    self.queue = Queue::Long { since: now };
                }
                true
            }
            Queue::Long { .. } if waited <= self.target => {
                self.queue = Queue::Short;
                true
            }
            // It came after the one before it had left: there was no queue in between.
            Queue::Long { .. } if now.saturating_sub(waited) > last => {
                self.queue = Queue::Long { since: now };
                true
            }
            Queue::Long { since } if now.saturating_sub(since) < self.interval => true,
            Queue::Long { .. } => {
                self.queue = Queue::Standing { since: now, seen: 1, long: 1 };
                false
            }
            Queue::Standing { since, seen, long } => self.cut(waited, now, since, seen, long),
        }
    }

    fn cut(&mut self, waited: Duration, now: Duration, since: Duration, seen: u32, long: u32) -> bool {
        let passed = now.saturating_sub(since);
        let judged = passed >= self.interval;
        // What was long ago tells nothing of now.
        if judged && (long <= seen / 2 || passed >= 2 * self.interval) {
            self.queue = Queue::Short;
            return self.admits(waited, now);
        }
        let (since, seen, long) = if judged { (now, 0, 0) } else { (since, seen, long) };
        let is_long = u32::from(waited > self.target / PART);
        self.queue = Queue::Standing { since, seen: seen + 1, long: long + is_long };
        waited <= self.target
    }
}

#[cfg(test)]
mod tests;
