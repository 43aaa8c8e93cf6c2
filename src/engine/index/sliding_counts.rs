//! Counts by item and window that are kept up to date: events come in, panes go out.
//!
//! Each window has a queue of its panes, and each pane what was counted in it. When a window has slid
//! past a pane, what the pane holds is taken off again. So the cost of an instant is that of what has
//! come and gone since the one before, however many items there are. The counts are those that a count of
//! all facts would give: windows slide by whole panes there as here, see
//! [`WindowSet`].

use std::collections::VecDeque;

use crate::engine::events::event::Timestamp;
use crate::engine::facts::popularity::PopularityFact;
use crate::engine::windows::sliding::WindowSet;

/// Stands for an item that has no index.
const NOWHERE: u32 = u32::MAX;
/// A pane's entries are merged when there are so many, and then when they have doubled.
const FIRST_MERGE: usize = 256;

/// The counts of events of some types, by slot (an item's number) and window.
#[derive(Debug)]
pub struct SlidingCounts {
    types: u32,
    windows: WindowSet,
    as_of: Timestamp,
    /// By slot: its index among those that are active.
    indexes: Vec<u32>,
    /// The slots that any window counts.
    active: Vec<u32>,
    /// `counts[index * windows + window]`
    counts: Vec<u32>,
    panes: Vec<VecDeque<Pane>>,
    /// What happened after `as_of`.
    ahead: Vec<(Timestamp, u32, u32)>,
    /// The slots whose counts have changed, some more than once.
    changed: Vec<u32>,
}

#[derive(Debug)]
struct Pane {
    start: Timestamp,
    /// Slots and how many events they have here; a slot may come more than once.
    entries: Vec<(u32, u32)>,
    merge_at: usize,
}

impl SlidingCounts {
    /// Nothing is counted. `types` are the event types to count, as a bit mask.
    pub fn new(types: u32, windows: WindowSet, as_of: Timestamp) -> Self {
        Self {
            types,
            as_of,
            indexes: Vec::new(),
            active: Vec::new(),
            counts: Vec::new(),
            panes: (0..windows.len()).map(|_| VecDeque::new()).collect(),
            windows,
            ahead: Vec::new(),
            changed: Vec::new(),
        }
    }

    /// The event types that are counted, as a bit mask.
    pub fn types(&self) -> u32 {
        self.types
    }

    /// The instant that the counts hold for.
    pub fn as_of(&self) -> Timestamp {
        self.as_of
    }

    /// The slots whose counts have changed since this was last called, each once.
    pub fn take_changed(&mut self) -> Vec<u32> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        changed.dedup();
        changed
    }

    /// The counts of a slot by window; none if no window counts it.
    pub fn get(&self, slot: u32) -> Option<&[u32]> {
        let index = *self.indexes.get(slot as usize).filter(|index| **index != NOWHERE)? as usize;
        self.counts.get(index * self.windows.len()..(index + 1) * self.windows.len())
    }

    /// The slots that any window counts, in no order, each with its counts by window.
    pub fn active(&self) -> impl ExactSizeIterator<Item = (u32, &[u32])> {
        self.active.iter().copied().zip(self.counts.chunks_exact(self.windows.len().max(1)))
    }

    /// Counts a fact on a slot, if it is of a type that counts.
    pub fn add(&mut self, slot: u32, fact: &PopularityFact) {
        if self.types >> (fact.kind.0 & 31) & 1 == 0 {
            return;
        }
        if fact.ts > self.as_of {
            self.ahead.push((fact.ts, slot, fact.count));
        } else {
            self.count(slot, fact.ts, fact.count);
        }
    }

    /// Moves on to a later instant.
    pub fn advance(&mut self, as_of: Timestamp) {
        if as_of <= self.as_of {
            return;
        }
        self.as_of = as_of;
        for window in 0..self.panes.len() {
            while let Some(pane) = self.panes[window].front()
                && self.windows.leaves_at(window, pane.start) <= as_of
                && let Some(pane) = self.panes[window].pop_front()
            {
                for (slot, count) in pane.entries {
                    self.take_off(slot, window, count);
                }
            }
        }
        let mut ahead = std::mem::take(&mut self.ahead);
        ahead.retain(|(ts, slot, count)| {
            let later = *ts > as_of;
            if !later {
                self.count(*slot, *ts, *count);
            }
            later
        });
        self.ahead = ahead;
    }

    fn count(&mut self, slot: u32, ts: Timestamp, count: u32) {
        for window in (0..self.panes.len()).rev() {
            let start = self.windows.pane_start_of(window, ts);
            if self.windows.leaves_at(window, start) <= self.as_of {
                // Shorter windows have passed it too.
                return;
            }
            let cell = self.index_of(slot) * self.windows.len() + window;
            self.counts[cell] = self.counts[cell].saturating_add(count);
            pane_at(&mut self.panes[window], start).add(slot, count);
            if self.changed.last() != Some(&slot) {
                self.changed.push(slot);
            }
        }
    }

    fn index_of(&mut self, slot: u32) -> usize {
        if self.indexes.len() <= slot as usize {
            self.indexes.resize(slot as usize + 1, NOWHERE);
        }
        let index = &mut self.indexes[slot as usize];
        if *index == NOWHERE {
            *index = self.active.len() as u32;
            self.active.push(slot);
            self.counts.resize(self.counts.len() + self.windows.len(), 0);
        }
        *index as usize
    }

    fn take_off(&mut self, slot: u32, window: usize, count: u32) {
        let windows = self.windows.len();
        let index = self.indexes[slot as usize] as usize;
        let counts = &mut self.counts[index * windows..(index + 1) * windows];
        counts[window] = counts[window].saturating_sub(count);
        self.changed.push(slot);
        if counts.iter().any(|count| *count > 0) {
            return;
        }
        // The last one takes its place.
        self.indexes[slot as usize] = NOWHERE;
        self.active.swap_remove(index);
        if let Some(moved) = self.active.get(index) {
            self.indexes[*moved as usize] = index as u32;
            self.counts.copy_within(self.active.len() * windows.., index * windows);
        }
        self.counts.truncate(self.active.len() * windows);
    }
}

/// The pane that starts there, made if there is none. Most events belong into the newest.
fn pane_at(panes: &mut VecDeque<Pane>, start: Timestamp) -> &mut Pane {
    let index = match panes.back() {
        Some(newest) if newest.start == start => panes.len() - 1,
        Some(newest) if newest.start > start => panes.partition_point(|pane| pane.start < start),
        _ => panes.len(),
    };
    if panes.get(index).is_none_or(|pane| pane.start != start) {
        panes.insert(index, Pane { start, entries: Vec::new(), merge_at: FIRST_MERGE });
    }
    &mut panes[index]
}

impl Pane {
    fn add(&mut self, slot: u32, count: u32) {
        if self.entries.len() >= self.merge_at {
            self.entries.sort_unstable_by_key(|(slot, _)| *slot);
            self.entries.dedup_by(|next, kept| {
                let same = next.0 == kept.0;
                if same {
                    kept.1 = kept.1.saturating_add(next.1);
                }
                same
            });
            self.merge_at = (2 * self.entries.len()).max(FIRST_MERGE);
        }
        self.entries.push((slot, count));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::config::{HOUR, MINUTE, SECOND};
    use crate::engine::events::event::EventType;

    const START: i64 = 1_700_000_000_000;
    const WINDOWS: [i64; 3] = [5 * MINUTE, HOUR, 6 * HOUR];

    fn fact(ts: i64, kind: u8) -> PopularityFact {
        PopularityFact { ts: Timestamp(START + ts), item: 0, kind: EventType(kind), count: 1 }
    }

    fn told(counts: &SlidingCounts) -> Vec<(u32, Vec<u32>)> {
        let mut told: Vec<(u32, Vec<u32>)> =
            counts.active().map(|(slot, counts)| (slot, counts.to_vec())).collect();
        told.sort();
        told
    }

    #[test]
    fn an_event_counts_in_each_window_until_its_pane_has_left_it_and_not_before_it_happens() {
        let mut counts = SlidingCounts::new(0b10, WindowSet::new(&WINDOWS), Timestamp(START));
        counts.add(7, &fact(SECOND, 1));
        counts.add(7, &fact(SECOND, 0));
        assert_eq!(told(&counts), [], "it has not happened yet, and the other is of no type that counts");
        counts.advance(Timestamp(START + SECOND));
        assert_eq!(told(&counts), [(7, vec![1, 1, 1])]);
        counts.advance(Timestamp(START + 5 * MINUTE + 20 * SECOND));
        assert_eq!(told(&counts), [(7, vec![0, 1, 1])]);
        counts.advance(Timestamp(START + 7 * HOUR));
        assert_eq!((told(&counts), counts.counts.len()), (vec![], 0));
    }

    proptest! {
        /// Whatever the order of events, and however time goes on, the counts are those of a scan.
        #[test]
        fn the_counts_are_those_of_a_scan_over_all_events(
            events in prop::collection::vec((0..8 * HOUR, 0_u32..9), 0..900),
            steps in prop::collection::vec(0..40 * MINUTE, 1..30),
        ) {
            let windows = WindowSet::new(&WINDOWS);
            let mut counts = SlidingCounts::new(1, windows.clone(), Timestamp(START));
            let (mut fed, mut now) = (0, START);
            for (step, length) in steps.iter().enumerate() {
                now += length;
                let until = events.len() * (step + 1) / steps.len();
                // Some come before their time and some after it.
                events[fed..until].iter().for_each(|(ts, slot)| counts.add(*slot, &fact(*ts, 0)));
                fed = until;
                counts.advance(Timestamp(now));
                let mut expected: Vec<(u32, Vec<u32>)> = Vec::new();
                for slot in 0..9 {
                    let by_window = (0..WINDOWS.len()).map(|window| {
                        let counted = |event: &&(i64, u32)| {
                            let ts = Timestamp(START + event.0);
                            let first = windows.covering_by_pane(ts, Timestamp(now));
                            event.1 == slot && ts.0 <= now && first.is_some_and(|first| first <= window)
                        };
                        events[..fed].iter().filter(counted).count() as u32
                    });
                    let by_window: Vec<u32> = by_window.collect();
                    if by_window[2] > 0 {
                        expected.push((slot, by_window));
                    }
                }
                prop_assert_eq!(told(&counts), expected, "at {}", now - START);
            }
        }
    }
}
