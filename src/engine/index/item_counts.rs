//! How often each item was acted on at an instant, by window: what all models that count the same event
//! types share.
//!
//! Most items of a large catalog have no event in any window: only the active ones are listed.

use super::layout::NOWHERE;
use crate::engine::config::MAX_WINDOWS;
use crate::engine::events::event::Timestamp;
use crate::engine::facts::popularity::{PopularityFact, accumulate};
use crate::engine::windows::window::Ladder;

/// The rows that were acted on, with their counts by window.
#[derive(Debug, Default)]
pub struct ItemCounts {
    rows: Vec<u32>,
    counts: Vec<u32>,
    windows: usize,
    /// By row of the layout: its place in `rows`.
    places: Vec<u32>,
    most: [u32; MAX_WINDOWS],
}

impl ItemCounts {
    /// The counts of the rows of a layout that are handed over, each once.
    pub fn new<'a>(
        windows: usize,
        layout_len: usize,
        active: impl Iterator<Item = (u32, &'a [u32])>,
    ) -> Self {
        let mut counts = Self { windows, places: vec![NOWHERE; layout_len], ..Self::default() };
        for (row, by_window) in active {
            let Some(place) = counts.places.get_mut(row as usize) else { continue };
            *place = counts.rows.len() as u32;
            counts.rows.push(row);
            counts.counts.extend_from_slice(by_window);
            for (most, count) in counts.most.iter_mut().zip(by_window) {
                *most = (*most).max(*count);
            }
        }
        counts
    }

    /// Counts facts on rows at an instant, those of the types of a bit mask.
    pub fn of(
        windows: &Ladder,
        layout_len: usize,
        types: u32,
        as_of: Timestamp,
        facts: &[(u32, PopularityFact)],
    ) -> Self {
        let len = windows.len();
        let mut counts = vec![0_u32; layout_len * len];
        for (row, fact) in facts {
            let counted = types >> (fact.kind.0 & 31) & 1 == 1 && fact.ts <= as_of;
            if let Some(first) = windows.covering_by_pane(fact.ts, as_of).filter(|_| counted) {
                let cell = &mut counts[*row as usize * len + first];
                *cell = cell.saturating_add(fact.count);
            }
        }
        let rows = counts.chunks_exact_mut(len.max(1)).zip(0..).filter_map(|(by_window, row)| {
            accumulate(by_window);
            by_window.last().is_some_and(|count| *count > 0).then_some((row, &*by_window))
        });
        Self::new(len, layout_len, rows)
    }

    /// The active rows, in no order, each with its counts by window.
    pub fn active(&self) -> impl ExactSizeIterator<Item = (u32, &[u32])> {
        self.rows.iter().copied().zip(self.counts.chunks_exact(self.windows.max(1)))
    }

    /// The active rows, in the order of [`Self::active`].
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// The place of a row among [`Self::rows`], if it is active.
    pub fn place(&self, row: u32) -> Option<usize> {
        self.places.get(row as usize).filter(|place| **place != NOWHERE).map(|place| *place as usize)
    }

    /// The counts of a row by window; none for one that nobody acted on.
    pub fn get(&self, row: u32) -> Option<&[u32]> {
        let start = self.place(row)? * self.windows;
        self.counts.get(start..start + self.windows)
    }

    /// The counts of the most popular row, by window.
    pub fn most(&self) -> [u32; MAX_WINDOWS] {
        self.most
    }

    /// How many windows there are.
    pub fn windows(&self) -> usize {
        self.windows
    }
}
