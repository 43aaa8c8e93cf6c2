//! What each visit had last.

use std::collections::VecDeque;

use hashbrown::HashMap;

use super::super::contender::Observed;
use crate::engine::time::DAY;

/// A visit in which nothing has happened for so long, in ms, may be forgotten.
const IDLE: i64 = DAY;
/// So many visits are kept however idle.
const FEW: usize = 4096;

/// The newest items of each visit that goes on.
pub(super) struct Trails {
    of: HashMap<u32, Trail>,
    steps: usize,
    /// When there are so many, the idle ones are forgotten.
    full: usize,
}

#[derive(Default)]
struct Trail {
    /// Newest last, each with its instant.
    items: VecDeque<(u32, i64)>,
    ts: i64,
}

/// An item that a visit had before another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Earlier {
    pub(super) item: u32,
    /// How many events lie between, 1 for the one right before.
    pub(super) steps: usize,
    /// How many ms lie between.
    pub(super) gap: i64,
}

impl Trails {
    /// Those of so many steps.
    pub(super) fn new(steps: usize) -> Self {
        Self { of: HashMap::new(), steps, full: FEW }
    }

    /// Tells what an event's visit had before it, newest first, and remembers the event.
    pub(super) fn follow(&mut self, event: &Observed, mut tell: impl FnMut(Earlier)) {
        if self.of.len() >= self.full && !self.of.contains_key(&event.visit) {
            self.of.retain(|_, trail| event.ts - trail.ts < IDLE);
            self.full = FEW.max(2 * self.of.len());
        }
        let trail = self.of.entry(event.visit).or_default();
        for (place, (item, ts)) in trail.items.iter().rev().enumerate() {
            tell(Earlier { item: *item, steps: place + 1, gap: event.ts - ts });
        }
        if trail.items.len() == self.steps {
            trail.items.pop_front();
        }
        trail.items.push_back((event.item, event.ts));
        trail.ts = event.ts;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::click;
    use super::*;

    #[test]
    fn visits_are_told_apart_and_idle_ones_are_forgotten() {
        let mut trails = Trails::new(2);
        let mut told = |visit, item, ts| {
            let mut earlier = Vec::new();
            trails.follow(&click(visit, item, ts), |one| earlier.push((one.item, one.steps, one.gap)));
            earlier
        };
        assert_eq!(told(1, 10, 0), []);
        assert_eq!(told(2, 20, 5), []);
        assert_eq!(told(1, 11, 7), [(10, 1, 7)]);
        assert_eq!(told(1, 12, 9), [(11, 1, 2), (10, 2, 9)]);
        assert_eq!(told(1, 13, 9), [(12, 1, 0), (11, 2, 2)]);
        for visit in 3..=FEW as u32 {
            told(visit, 1, 10);
        }
        told(FEW as u32 + 1, 1, DAY + 9);
        assert_eq!(told(1, 14, DAY + 9), []);
        assert_eq!(told(3, 14, DAY + 9), [(1, 1, DAY - 1)]);
    }
}
