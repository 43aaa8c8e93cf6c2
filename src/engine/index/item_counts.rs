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
}

impl ItemCounts {
    fn new(windows: usize, rows: usize) -> Self {
        Self { windows, blocks: vec![None; rows.div_ceil(BLOCK)], most: [0; MAX_WINDOWS] }
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
                for (most, count) in counts.most.iter_mut().zip(by_window) {
                    *most = (*most).max(*count);
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
        let Some(known) = counts.get_mut(row) else { return };
        for ((known, new), rows_with) in known.iter().zip(new).zip(&mut self.rows_with) {
            if known == new {
                continue;
            }
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
