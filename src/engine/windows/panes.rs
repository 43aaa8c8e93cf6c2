//! Counts by pane: what is kept of facts that are no longer kept one by one.
//!
//! The older a fact, the longer the windows that still cover it and the coarser its pane may be. Counts are made
//! coarser only for questions about `floor` and later, and only where no shorter window will cover the fact
//! again: so an answer is the same whether that has happened yet or not.

use super::sliding::WindowSet;
use crate::engine::events::event::{EventType, Timestamp};

/// A count of facts of one kind in one pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PaneCount {
    /// Where the pane starts.
    pub start: Timestamp,
    /// What was counted; its meaning is the owner's.
    pub key: u32,
    /// The type of the events.
    pub kind: EventType,
    /// The index of the window that gives the pane's length.
    pub level: u8,
    /// How many.
    pub count: u32,
}

impl PaneCount {
    #[inline]
    fn key_of_pane(&self) -> (Timestamp, u32, EventType, u8) {
        (self.start, self.key, self.kind, self.level)
    }
}

/// Sparse counts by pane, key and event type; older panes are coarser.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaneCounts(Vec<PaneCount>);

impl PaneCounts {
    /// Counts `count` facts at `ts`, for questions about `floor` and later. A fact that no window
    /// will cover is not kept.
    pub fn add(
        &mut self,
        windows: &WindowSet,
        floor: Timestamp,
        ts: Timestamp,
        key: u32,
        kind: EventType,
        count: u32,
    ) {
        let Some(level) = windows.level(ts, floor) else { return };
        let new = PaneCount { start: windows.pane_start(ts, level), key, kind, level, count };
        match self.0.binary_search_by_key(&new.key_of_pane(), PaneCount::key_of_pane) {
            Ok(found) => self.0[found].count = self.0[found].count.saturating_add(count),
            Err(gap) if self.0.len() < self.0.capacity() => self.0.insert(gap, new),
            Err(_) => {
                self.compact(windows, floor);
                // What was merged may have come to lie in the same pane.
                match self.0.binary_search_by_key(&new.key_of_pane(), PaneCount::key_of_pane) {
                    Ok(found) => self.0[found].count = self.0[found].count.saturating_add(count),
                    Err(gap) => {
                        self.0.reserve_exact(2 + self.0.len() / 4);
                        self.0.insert(gap, new);
                    }
                }
            }
        }
    }

    /// The counts as coarse as they may be: the same for the same facts and floor, however they
    /// came together.
    pub fn compacted(&self, windows: &WindowSet, floor: Timestamp) -> Self {
        let mut counts = self.clone();
        counts.compact(windows, floor);
        counts
    }

    /// Merges what may be coarser by now and forgets what no window will cover again.
    pub fn compact(&mut self, windows: &WindowSet, floor: Timestamp) {
        self.0.retain_mut(|entry| match windows.level(entry.start, floor) {
            Some(level) if level > entry.level => {
                (entry.start, entry.level) = (windows.pane_start(entry.start, level), level);
                true
            }
            kept => kept.is_some(),
        });
        self.0.sort_unstable();
        self.0.dedup_by(|next, kept| {
            let same = next.key_of_pane() == kept.key_of_pane();
            if same {
                kept.count = kept.count.saturating_add(next.count);
            }
            same
        });
    }

    /// If there are more than `limit` counts even when they are as coarse as they may be, forgets
    /// the oldest, an eighth of the limit at once. Returns how many were forgotten.
    pub fn bound(&mut self, windows: &WindowSet, floor: Timestamp, limit: usize) -> usize {
        if self.0.len() > limit {
            self.compact(windows, floor);
        }
        if self.0.len() <= limit {
            return 0;
        }
        let excess = self.0.len() - (limit - limit / 8);
        self.0.drain(..excess);
        excess
    }

    /// The keys of the counts that some window may cover, for questions about `floor` and later. It does not matter
    /// how coarse they are by now.
    pub fn keys_in_reach(&self, windows: &WindowSet, floor: Timestamp) -> impl Iterator<Item = u32> {
        let in_reach = move |entry: &&PaneCount| windows.level(entry.start, floor).is_some();
        self.0.iter().filter(in_reach).map(|entry| entry.key)
    }

    /// Forgets the counts that no window will cover again, and gives the others other keys, in the same order.
    pub fn renumber(&mut self, windows: &WindowSet, floor: Timestamp, key: impl Fn(u32) -> u32) {
        self.compact(windows, floor);
        self.0.iter_mut().for_each(|entry| entry.key = key(entry.key));
    }

    /// The counts, oldest pane first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &PaneCount> {
        self.0.iter()
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Counts that were written by [`Self::iter`], in any order.
    pub fn from_counts(mut counts: Vec<PaneCount>) -> Self {
        counts.sort_unstable();
        counts.shrink_to_fit();
        Self(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::{DAY, HOUR, MINUTE};
    use proptest::prelude::*;

    const CLICK: EventType = EventType(1);

    proptest! {
        /// However the counts were stored on the way, a question gets the answer of a plain scan.
        #[test]
        fn compacted_counts_answer_as_a_scan_over_the_facts_does(
            facts in prop::collection::vec((0..40 * DAY, 0_u32..3), 0..80),
            later in 0..5 * DAY,
            question in 0..3 * DAY,
        ) {
            let lengths = [HOUR, 24 * HOUR, 7 * DAY, 30 * DAY];
            let windows = WindowSet::new(&lengths);
            let newest = facts.iter().map(|fact| fact.0).max().unwrap_or(0);
            let floor = Timestamp(newest + later);
            let mut counts = PaneCounts::default();
            for (index, (ts, key)) in facts.iter().enumerate() {
                // Earlier floors leave finer panes behind: answers must not depend on that.
                let then = Timestamp(floor.0 * (index as i64 + 1) / facts.len() as i64);
                counts.add(&windows, then.max(Timestamp(*ts)), Timestamp(*ts), *key, CLICK, 1);
            }
            let t = floor.plus(question);
            for (window, (length, pane)) in lengths.into_iter().zip([MINUTE, HOUR, 6 * HOUR, DAY]).enumerate() {
                for key in 0..3 {
                    let counted: u32 = counts.iter()
                        .filter(|entry| entry.key == key)
                        .filter(|entry| windows.covering_by_pane(entry.start, t).is_some_and(|first| first <= window))
                        .map(|entry| entry.count)
                        .sum();
                    let scanned = facts.iter()
                        .filter(|fact| fact.1 == key && fact.0 / pane * pane + pane > t.0 - length)
                        .count();
                    prop_assert_eq!(counted as usize, scanned, "window {} key {}", window, key);
                }
            }
        }
    }
}
