//! Sliding event-time windows over panes.
//!
//! A window of length W at time t covers `(t - W, t]`. Facts that are kept one by one are counted
//! exactly; facts behind them are kept as counts by pane, and a window slides over those by its own
//! pane: it counts a fact as long as the end of the fact's pane is inside. So an answer is off by
//! one pane at its trailing edge at most (5 % of the window) and never depends on how finely a fact
//! happens to be stored, as panes nest. The technique is stream slicing (Traub et al., "Scotty",
//! TODS 2021) with coarser slices for older time.

use crate::engine::events::event::{EventType, Timestamp};

/// The panes to choose from, in ms; each divides the next.
const PANES: [i64; 13] = [
    10, 50, 250, 1000, 5000, 15_000, 60_000, 300_000, 900_000, 3_600_000, 10_800_000, 21_600_000, 86_400_000,
];

/// A window is at least this many panes long.
const PANES_A_WINDOW: i64 = 20;

/// The windows of one kind, shortest first, each with its pane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ladder(Vec<Rung>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rung {
    window: i64,
    pane: i64,
}

impl Ladder {
    /// A ladder over window lengths in ms, ascending, each at least a second.
    pub fn new(windows: &[i64]) -> Self {
        let rung = |window: &i64| {
            let fits = PANES.iter().rev().find(|pane| *pane * PANES_A_WINDOW <= *window);
            Rung { window: *window, pane: fits.copied().unwrap_or(PANES[0]) }
        };
        Self(windows.iter().map(rung).collect())
    }

    /// How many windows there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no window.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The length of a window in ms, 0 for one that is not there.
    pub fn window(&self, place: usize) -> i64 {
        self.0.get(place).map_or(0, |rung| rung.window)
    }

    /// The shortest window's pane, in ms.
    pub fn finest_pane(&self) -> i64 {
        self.0.first().map_or(PANES[0], |rung| rung.pane)
    }

    /// The longest that a fact can be counted after it happened, in ms.
    pub fn reach(&self) -> i64 {
        self.0.last().map_or(0, |rung| rung.window + rung.pane)
    }

    /// The shortest window at `t` that covers `ts` exactly; all longer ones do too. `ts <= t`.
    pub fn covering(&self, ts: Timestamp, t: Timestamp) -> Option<usize> {
        self.0.iter().position(|rung| ts > t.minus(rung.window))
    }

    /// The shortest window at `t` that covers `ts`, or the pane that starts there, by panes; all
    /// longer ones do too.
    pub fn covering_by_pane(&self, ts: Timestamp, t: Timestamp) -> Option<usize> {
        self.0.iter().position(|rung| rung.covers(ts, t))
    }

    /// The start of the pane that holds `ts` in the window of that index.
    pub fn pane_start_of(&self, index: usize, ts: Timestamp) -> Timestamp {
        self.0.get(index).map_or(ts, |rung| rung.pane_start(ts))
    }

    /// The first instant at which the window of that index does not count a fact any more that happened
    /// in the pane that starts there.
    pub fn leaves_at(&self, index: usize, pane_start: Timestamp) -> Timestamp {
        self.0.get(index).map_or(pane_start, |rung| pane_start.plus(rung.pane + rung.window))
    }

    /// The place of the window whose pane is coarse enough to keep a fact in, for questions about
    /// `floor` and later: no shorter window will ever cover it. None: no window will.
    fn level(&self, ts: Timestamp, floor: Timestamp) -> Option<u8> {
        self.covering_by_pane(ts, floor).and_then(|place| u8::try_from(place).ok())
    }

    fn pane_start(&self, ts: Timestamp, level: u8) -> Timestamp {
        self.0.get(usize::from(level)).map_or(ts, |rung| rung.pane_start(ts))
    }
}

impl Rung {
    fn pane_start(self, ts: Timestamp) -> Timestamp {
        Timestamp(ts.0.div_euclid(self.pane) * self.pane)
    }

    /// Whether the end of the fact's pane is inside. Divides only where the answer hangs on the pane: this is
    /// asked of every window for every event.
    fn covers(self, ts: Timestamp, t: Timestamp) -> bool {
        ts.plus(self.window) > t
            || (ts.plus(self.window + self.pane) > t && self.pane_start(ts).plus(self.pane + self.window) > t)
    }
}

/// A count of facts of one kind in one pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PaneCount {
    /// Where the pane starts.
    pub start: Timestamp,
    /// What was counted; its meaning is the owner's.
    pub key: u32,
    /// The type of the events.
    pub kind: EventType,
    /// The rung of the ladder that gives the pane's length.
    pub level: u8,
    /// How many.
    pub count: u32,
}

impl PaneCount {
    fn place(&self) -> (Timestamp, u32, EventType, u8) {
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
        ladder: &Ladder,
        floor: Timestamp,
        ts: Timestamp,
        key: u32,
        kind: EventType,
        count: u32,
    ) {
        let Some(level) = ladder.level(ts, floor) else { return };
        let new = PaneCount { start: ladder.pane_start(ts, level), key, kind, level, count };
        match self.0.binary_search_by_key(&new.place(), PaneCount::place) {
            Ok(found) => self.0[found].count = self.0[found].count.saturating_add(count),
            Err(gap) if self.0.len() < self.0.capacity() => self.0.insert(gap, new),
            Err(_) => {
                self.compact(ladder, floor);
                // What was merged may have come to lie in the same place.
                match self.0.binary_search_by_key(&new.place(), PaneCount::place) {
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
    pub fn compacted(&self, ladder: &Ladder, floor: Timestamp) -> Self {
        let mut counts = self.clone();
        counts.compact(ladder, floor);
        counts
    }

    /// Merges what may be coarser by now and forgets what no window will cover again.
    pub fn compact(&mut self, ladder: &Ladder, floor: Timestamp) {
        self.0.retain_mut(|entry| match ladder.level(entry.start, floor) {
            Some(level) if level > entry.level => {
                (entry.start, entry.level) = (ladder.pane_start(entry.start, level), level);
                true
            }
            kept => kept.is_some(),
        });
        self.0.sort_unstable();
        self.0.dedup_by(|next, kept| {
            let same = next.place() == kept.place();
            if same {
                kept.count = kept.count.saturating_add(next.count);
            }
            same
        });
    }

    /// If there are more than `limit` counts even when they are as coarse as they may be, forgets
    /// the oldest, an eighth of the limit at once. Returns how many were forgotten.
    pub fn bound(&mut self, ladder: &Ladder, floor: Timestamp, limit: usize) -> usize {
        if self.0.len() > limit {
            self.compact(ladder, floor);
        }
        if self.0.len() <= limit {
            return 0;
        }
        let excess = self.0.len() - (limit - limit / 8);
        self.0.drain(..excess);
        excess
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

    #[test]
    fn panes_are_at_most_five_percent_of_their_window_and_nest() {
        let windows = [1000, 5 * MINUTE, HOUR, 24 * HOUR, 7 * DAY, 30 * DAY, 90 * DAY];
        let ladder = Ladder::new(&windows);
        for rung in &ladder.0 {
            assert!(rung.pane * 20 <= rung.window, "{rung:?}");
        }
        for pair in PANES.windows(2) {
            assert_eq!(pair[1] % pair[0], 0, "{pair:?}");
        }
        assert_eq!(ladder.0[2].pane, MINUTE);
        assert_eq!(ladder.0[5].pane, DAY);
    }

    #[test]
    fn an_exact_window_excludes_its_start_and_includes_its_end() {
        let ladder = Ladder::new(&[HOUR]);
        let t = Timestamp(10 * HOUR);
        assert_eq!(ladder.covering(t, t), Some(0));
        assert_eq!(ladder.covering(t.minus(HOUR - 1), t), Some(0));
        assert_eq!(ladder.covering(t.minus(HOUR), t), None);
    }

    proptest! {
        /// However the counts were stored on the way, a question gets the answer of a plain scan.
        #[test]
        fn compacted_counts_answer_as_a_scan_over_the_facts_does(
            facts in prop::collection::vec((0..40 * DAY, 0_u32..3), 0..80),
            later in 0..5 * DAY,
            question in 0..3 * DAY,
        ) {
            let ladder = Ladder::new(&[HOUR, 24 * HOUR, 7 * DAY, 30 * DAY]);
            let newest = facts.iter().map(|fact| fact.0).max().unwrap_or(0);
            let floor = Timestamp(newest + later);
            let mut counts = PaneCounts::default();
            for (place, (ts, key)) in facts.iter().enumerate() {
                // Earlier floors leave finer panes behind: answers must not depend on that.
                let then = Timestamp(floor.0 * (place as i64 + 1) / facts.len() as i64);
                counts.add(&ladder, then.max(Timestamp(*ts)), Timestamp(*ts), *key, CLICK, 1);
            }
            let t = floor.plus(question);
            for window in 0..ladder.len() {
                for key in 0..3 {
                    let counted: u32 = counts.iter()
                        .filter(|entry| entry.key == key)
                        .filter(|entry| ladder.covering_by_pane(entry.start, t).is_some_and(|first| first <= window))
                        .map(|entry| entry.count)
                        .sum();
                    let (length, pane) = (ladder.0[window].window, ladder.0[window].pane);
                    let scanned = facts.iter()
                        .filter(|fact| fact.1 == key && fact.0 / pane * pane + pane > t.0 - length)
                        .count();
                    prop_assert_eq!(counted as usize, scanned, "window {} key {}", window, key);
                }
            }
        }
    }
}
