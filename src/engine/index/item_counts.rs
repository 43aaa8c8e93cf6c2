//! How often each item was acted on at an instant, by window: what all models that count the same event
//! types share.
//!
//! Requests read it while the next one is made. So rows lie in blocks that two of them may share: what a
//! refresh copies is what has changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::config::MAX_WINDOWS;
use crate::engine::events::event::Timestamp;
use crate::engine::facts::popularity::{PopularityFact, accumulate};
use crate::engine::windows::sliding::WindowSet;

/// Rows a block: few enough that to copy one for each of a thousand events a second is nothing.
const BLOCK: usize = 128;

/// The counts of each row by window, shortest first.
#[derive(Clone, Debug, Default)]
pub struct ItemCounts {
    windows: usize,
    /// None: nobody acted on any of its rows.
    blocks: Vec<Option<Arc<[u32]>>>,
    most: [u32; MAX_WINDOWS],
    totals: [u64; MAX_WINDOWS],
}

impl ItemCounts {
    fn new(windows: usize, rows: usize) -> Self {
        Self {
            windows,
            blocks: vec![None; rows.div_ceil(BLOCK)],
            most: [0; MAX_WINDOWS],
            totals: [0; MAX_WINDOWS],
        }
    }

    /// Counts facts on rows at an instant, those of the types of a bit mask.
    pub fn of(
        windows: &WindowSet,
        rows: usize,
        types: u32,
        as_of: Timestamp,
        facts: &[(u32, PopularityFact)],
    ) -> Self {
        let mut counts = Self::new(windows.len(), rows);
        for (row, fact) in facts {
            let counted = types >> (fact.kind.0 & 31) & 1 == 1 && fact.ts <= as_of;
            if let Some(first) = windows.covering_by_pane(fact.ts, as_of).filter(|_| counted)
                && let Some(count) = counts.get_mut(*row).and_then(|counts| counts.get_mut(first))
            {
                *count = count.saturating_add(fact.count);
            }
        }
        for block in counts.blocks.iter_mut().flatten() {
            for by_window in Arc::make_mut(block).chunks_exact_mut(counts.windows.max(1)) {
                accumulate(by_window);
                for ((most, total), count) in counts.most.iter_mut().zip(&mut counts.totals).zip(by_window) {
                    *most = (*most).max(*count);
                    *total += u64::from(*count);
                }
            }
        }
        counts
    }

    /// The counts of a row by window; none, or zeros, for one that nobody acted on.
    #[inline]
    pub fn get(&self, row: u32) -> Option<&[u32]> {
        let start = row as usize % BLOCK * self.windows;
        self.blocks.get(row as usize / BLOCK)?.as_ref()?.get(start..start + self.windows)
    }

    /// The rows that somebody acted on, ascending.
    pub fn active(&self) -> impl Iterator<Item = u32> {
        self.blocks.iter().enumerate().flat_map(|(index, block)| {
            let counts = block.as_deref().unwrap_or_default().chunks_exact(self.windows.max(1));
            let first = (index * BLOCK) as u32;
            counts
                .zip(first..)
                .filter(|(counts, _)| counts.iter().any(|count| *count > 0))
                .map(|(_, row)| row)
        })
    }

    /// The counts of the most popular row, by window.
    pub fn most(&self) -> [u32; MAX_WINDOWS] {
        self.most
    }

    /// The counts of all rows together, by window.
    pub fn totals(&self) -> [u64; MAX_WINDOWS] {
        self.totals
    }

    /// None for a row that is not there.
    fn get_mut(&mut self, row: u32) -> Option<&mut [u32]> {
        let (start, len) = (row as usize % BLOCK * self.windows, BLOCK * self.windows);
        let block = self.blocks.get_mut(row as usize / BLOCK)?;
        let block = block.get_or_insert_with(|| vec![0; len].into());
        Arc::make_mut(block).get_mut(start..start + self.windows)
    }
}

/// Counts that change row by row, and know what the most is after each change.
#[derive(Debug, Default)]
pub struct ChangingCounts {
    counts: Arc<ItemCounts>,
    /// By window: how many rows have a count.
    rows_with: Vec<BTreeMap<u32, u32>>,
}

impl ChangingCounts {
    /// Nobody acted on any of so many rows.
    pub fn new(windows: usize, rows: usize) -> Self {
        Self { counts: Arc::new(ItemCounts::new(windows, rows)), rows_with: vec![BTreeMap::new(); windows] }
    }

    /// There are so many rows now.
    pub fn grow(&mut self, rows: usize) {
        if rows.div_ceil(BLOCK) > self.counts.blocks.len() {
            Arc::make_mut(&mut self.counts).blocks.resize(rows.div_ceil(BLOCK), None);
        }
    }

    /// The counts as they are.
    pub fn counts(&self) -> &Arc<ItemCounts> {
        &self.counts
    }

    /// Sets the counts of a row.
    pub fn set(&mut self, row: u32, new: &[u32]) {
        let counts = Arc::make_mut(&mut self.counts);
        let mut totals = counts.totals;
        let Some(known) = counts.get_mut(row) else { return };
        let changes = known.iter().zip(new).zip(&mut totals).zip(&mut self.rows_with);
        for (((known, new), total), rows_with) in changes {
            if known == new {
                continue;
            }
            *total = *total - u64::from(*known) + u64::from(*new);
            if let Some(rows) = rows_with.get_mut(known) {
                *rows -= 1;
                if *rows == 0 {
                    rows_with.remove(known);
                }
            }
            if *new > 0 {
                *rows_with.entry(*new).or_default() += 1;
            }
        }
        known.copy_from_slice(new);
        counts.totals = totals;
        let block = row as usize / BLOCK;
        if new.iter().all(|count| *count == 0)
            && counts.blocks[block].iter().all(|block| block.iter().all(|count| *count == 0))
        {
            counts.blocks[block] = None;
        }
        for (most, rows_with) in counts.most.iter_mut().zip(&self.rows_with) {
            *most = rows_with.last_key_value().map_or(0, |(most, _)| *most);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever changes in what order.
        #[test]
        fn totals_and_the_most_are_those_of_all_rows(
            changes in prop::collection::vec((0..300_u32, prop::array::uniform2(0..9_u32)), 0..200),
        ) {
            let mut changing = ChangingCounts::new(2, 300);
            for (row, new) in changes {
                changing.set(row, &new);
                let counts = changing.counts();
                for window in 0..2 {
                    let of_row = |row| counts.get(row).map_or(0, |counts| counts[window]);
                    let total: u64 = (0..300).map(|row| u64::from(of_row(row))).sum();
                    prop_assert_eq!(counts.totals()[window], total);
                    prop_assert_eq!(counts.most()[window], (0..300).map(of_row).max().unwrap_or(0));
                }
            }
        }
    }
}
