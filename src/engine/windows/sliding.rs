//! Sliding event-time windows over panes.
//!
//! A window of length W at time t covers `(t - W, t]`. Facts that are kept one by one are counted
//! exactly; facts behind them are kept as counts by pane, and a window slides over those by its own
//! pane: it counts a fact as long as the end of the fact's pane is inside. So an answer is off by
//! one pane at its trailing edge at most (5 % of the window) and never depends on how finely a fact
//! happens to be stored, as panes nest. The technique is stream slicing (Traub et al., "Scotty",
//! TODS 2021) with coarser slices for older time.

use crate::engine::events::event::Timestamp;

/// The panes to choose from, in ms; each divides the next.
const PANES: [i64; 13] = [
    10, 50, 250, 1000, 5000, 15_000, 60_000, 300_000, 900_000, 3_600_000, 10_800_000, 21_600_000, 86_400_000,
];

/// A window is at least this many panes long.
const PANES_A_WINDOW: i64 = 20;

/// The windows of one kind, shortest first, each with its pane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowSet(Vec<Window>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    length: i64,
    pane: i64,
}

impl WindowSet {
    /// Windows of these lengths in ms, ascending, each at least a second.
    pub fn new(lengths: &[i64]) -> Self {
        let window = |length: &i64| {
            let fits = PANES.iter().rev().find(|pane| *pane * PANES_A_WINDOW <= *length);
            Window { length: *length, pane: fits.copied().unwrap_or(PANES[0]) }
        };
        Self(lengths.iter().map(window).collect())
    }

    /// How many windows there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no window.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The length of a window in ms, 0 for one that is not there.
    pub fn length(&self, index: usize) -> i64 {
        self.0.get(index).map_or(0, |window| window.length)
    }

    /// The shortest window's pane, in ms.
    #[inline]
    pub fn finest_pane(&self) -> i64 {
        self.0.first().map_or(PANES[0], |window| window.pane)
    }

    /// The longest that a fact can be counted after it happened, in ms.
    #[inline]
    pub fn reach(&self) -> i64 {
        self.0.last().map_or(0, |window| window.length + window.pane)
    }

    /// The shortest window at `t` that covers `ts` exactly; all longer ones do too. `ts <= t`.
    #[inline]
    pub fn covering(&self, ts: Timestamp, t: Timestamp) -> Option<usize> {
        self.0.iter().position(|window| ts > t.minus(window.length))
    }

    /// The shortest window at `t` that covers `ts`, or the pane that starts there, by panes; all
    /// longer ones do too.
    #[inline]
    pub fn covering_by_pane(&self, ts: Timestamp, t: Timestamp) -> Option<usize> {
        self.0.iter().position(|window| window.covers(ts, t))
    }

    /// The start of the pane that holds `ts` in the window of that index.
    #[inline]
    pub fn pane_start_of(&self, index: usize, ts: Timestamp) -> Timestamp {
        self.0.get(index).map_or(ts, |window| window.pane_start(ts))
    }

    /// The first instant at which the window of that index does not count a fact any more that happened
    /// in the pane that starts there.
    #[inline]
    pub fn leaves_at(&self, index: usize, pane_start: Timestamp) -> Timestamp {
        self.0.get(index).map_or(pane_start, |window| pane_start.plus(window.pane + window.length))
    }

    /// The index of the window whose pane is coarse enough to keep a fact in, for questions about
    /// `floor` and later: no shorter window will ever cover it. None: no window will.
    #[inline]
    pub(super) fn level(&self, ts: Timestamp, floor: Timestamp) -> Option<u8> {
        self.covering_by_pane(ts, floor).and_then(|index| u8::try_from(index).ok())
    }

    /// The start of the pane of a level that holds `ts`.
    #[inline]
    pub(super) fn pane_start(&self, ts: Timestamp, level: u8) -> Timestamp {
        self.0.get(usize::from(level)).map_or(ts, |window| window.pane_start(ts))
    }
}

impl Window {
    #[inline]
    fn pane_start(self, ts: Timestamp) -> Timestamp {
        Timestamp(ts.0.div_euclid(self.pane) * self.pane)
    }

    /// Whether the end of the fact's pane is inside. Divides only where the answer hangs on the pane: this is
    /// asked of every window for every event.
    #[inline]
    fn covers(self, ts: Timestamp, t: Timestamp) -> bool {
        ts.plus(self.length) > t
            || (ts.plus(self.length + self.pane) > t && self.pane_start(ts).plus(self.pane + self.length) > t)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::{DAY, HOUR, MINUTE};

    #[test]
    fn panes_are_at_most_five_percent_of_their_window_and_nest() {
        let lengths = [1000, 5 * MINUTE, HOUR, 24 * HOUR, 7 * DAY, 30 * DAY, 90 * DAY];
        let windows = WindowSet::new(&lengths);
        for window in &windows.0 {
            assert!(window.pane * 20 <= window.length, "{window:?}");
        }
        for pair in PANES.windows(2) {
            assert_eq!(pair[1] % pair[0], 0, "{pair:?}");
        }
        assert_eq!(windows.0[2].pane, MINUTE);
        assert_eq!(windows.0[5].pane, DAY);
    }

    #[test]
    fn an_exact_window_excludes_its_start_and_includes_its_end() {
        let windows = WindowSet::new(&[HOUR]);
        let t = Timestamp(10 * HOUR);
        assert_eq!(windows.covering(t, t), Some(0));
        assert_eq!(windows.covering(t.minus(HOUR - 1), t), Some(0));
        assert_eq!(windows.covering(t.minus(HOUR), t), None);
    }
}
