//! How often each item was turned to within a length of time, one by one.

use std::collections::VecDeque;

/// Counts of a window that slides.
#[derive(Debug)]
pub(super) struct Window {
    /// In ms.
    length: i64,
    /// What is within, oldest first.
    within: VecDeque<(i64, u32)>,
    counts: Vec<u32>,
}

impl Window {
    /// One of that length in ms, over so many items.
    pub fn new(length: i64, items: usize) -> Self {
        Self { length, within: VecDeque::new(), counts: vec![0; items] }
    }

    /// How often an item is within.
    pub fn count(&self, item: u32) -> u32 {
        self.counts.get(item as usize).copied().unwrap_or(0)
    }

    /// How many are within.
    pub fn total(&self) -> usize {
        self.within.len()
    }

    /// Counts one more, which is not older than those before.
    pub fn add(&mut self, item: u32, ts: i64) {
        if let Some(count) = self.counts.get_mut(item as usize) {
            *count += 1;
            self.within.push_back((ts, item));
        }
    }

    /// Moves on to an instant: an event of `length` before is not within any more. Calls back with each item that
    /// leaves and how often it is within after that.
    pub fn slide(&mut self, now: i64, mut left: impl FnMut(u32, u32)) {
        while let Some((ts, item)) = self.within.front().copied()
            && now.saturating_sub(ts) >= self.length
        {
            self.within.pop_front();
            let count = &mut self.counts[item as usize];
            *count -= 1;
            left(item, *count);
        }
    }
}
