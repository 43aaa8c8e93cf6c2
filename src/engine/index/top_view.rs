//! The best of many rows, kept up to date as some of them change.
//!
//! A view keeps somewhat more rows than are asked for, and of all others only a bound on what they may be
//! worth. As long as the last one that is asked for is worth more than that, nobody has to look at the
//! others; else the view is filled anew from all of them. This is the maintenance of a materialized top-k
//! view with a k that may shrink and is refilled (Yi, Yu, Yang, Xia and Chen, ICDE 2003). What is new here
//! is that scores drift together, with no row changing: the most popular item's count scales all
//! popularity, and all items age. The bound is that of the scale that the view was filled under, plus the
//! most that the others may have risen by since.

use std::cmp::Ordering;

use super::item_scores::{Scale, Signals};
use crate::engine::rank::topk::TopK;

/// How rows are ranked at an instant: higher scores first, ties by row.
pub(super) trait Order {
    /// The scale of the instant.
    fn scale(&self) -> &Scale;

    /// What a row is ranked by; none if it is not ranked.
    fn signals(&self, row: u32) -> Option<Signals>;

    /// The score of a row with these signals, under a scale.
    fn score(&self, scale: &Scale, signals: &Signals) -> f64;

    /// The most by which a score may have risen since an earlier scale, of a row whose signals are at most
    /// these, each by itself.
    fn risen(&self, from: &Scale, most: &Signals) -> f64;
}

/// A row with what it is ranked by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub row: u32,
    pub signals: Signals,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct TopView {
    /// None: it is to be filled.
    filled: Option<Filled>,
}

#[derive(Debug)]
struct Filled {
    /// In no order, each with its signals: a refresh looks at them from end to end.
    kept: Vec<Entry>,
    /// None: every ranked row is kept.
    others: Option<Others>,
}

/// A score, its row, and where that stands among those that are kept.
type Key = (f64, u32, u32);

/// What is known of the rows that are ranked and not kept.
#[derive(Debug)]
struct Others {
    /// The scale that scores hold for here.
    scale: Scale,
    /// The signals of the best of them. Many rows may be exactly alike, as those with one click in the
    /// week: their order among themselves is that of rows, however scores drift.
    best: Signals,
    best_score: f64,
    /// None of those that are like the best comes before this row.
    best_row: u32,
    /// None of those that are not like the best is worth more.
    bound: f64,
    /// None of their signals is more.
    most: Signals,
}

impl TopView {
    /// Takes in that rows have changed, ascending.
    pub fn update(&mut self, changed: &[u32], order: &impl Order) {
        let Some(Filled { kept, others }) = &mut self.filled else { return };
        if changed.is_empty() {
            return;
        }
        kept.retain(|entry| changed.binary_search(&entry.row).is_err());
        for row in changed {
            let Some(signals) = order.signals(*row) else { continue };
            match others {
                Some(others) if !others.would_lead(&signals, *row, order) => others.most.raise(&signals),
                _ => kept.push(Entry { row: *row, signals }),
            }
        }
    }

    /// Views of `len` groups of rows, filled in two walks through all rows. `groups` tells which ones a row
    /// is in. To look at the rows of one group after the other would be to jump about in memory.
    pub fn of_groups<'a>(
        len: usize,
        limit: usize,
        order: &impl Order,
        rows: impl Iterator<Item = u32> + Clone,
        groups: impl Fn(u32) -> &'a [u32],
    ) -> Vec<Self> {
        let mut best: Vec<TopK> = Vec::new();
        best.resize_with(len, TopK::default);
        best.iter_mut().for_each(|best| best.start(keep(limit)));
        for row in rows.clone() {
            let Some(signals) = order.signals(row) else { continue };
            let score = order.score(order.scale(), &signals);
            for group in groups(row) {
                best[*group as usize].offer(&[row], &[score], |_| true);
            }
        }
        let filled = |mut best: TopK| {
            let entry = |row| Some(Entry { row, signals: order.signals(row)? });
            let kept: Vec<Entry> = best.finish().filter_map(entry).collect();
            let last = kept.get(keep(limit) - 1);
            let last = last.map(|last| (order.score(order.scale(), &last.signals), last.row, 0));
            (last, Filled { kept, others: None })
        };
        let mut filled: Vec<(Option<Key>, Filled)> = best.into_iter().map(filled).collect();
        for row in rows {
            let Some(signals) = order.signals(row) else { continue };
            let key = (order.score(order.scale(), &signals), row, 0);
            for group in groups(row) {
                let (last, filled) = &mut filled[*group as usize];
                if last.is_some_and(|last| best_first(&last, &key) == Ordering::Less) {
                    Others::add(&mut filled.others, key.0, Entry { row, signals }, order);
                }
            }
        }
        filled.into_iter().map(|(_, filled)| Self { filled: Some(filled) }).collect()
    }

    /// The `limit` best with their scores, best first; `all` are the rows that may be ranked, if they have to be looked at.
    pub fn top<I: Iterator<Item = u32>>(
        &mut self,
        limit: usize,
        order: &impl Order,
        all: impl FnOnce() -> I,
    ) -> Vec<(f64, Entry)> {
        if limit == 0 {
            return Vec::new();
        }
        if let Some(filled) = &mut self.filled
            && let Some(top) = filled.top(limit, order)
        {
            return top;
        }
        let entry = |row| Some(Entry { row, signals: order.signals(row)? });
        let mut filled = Filled { kept: all().filter_map(entry).collect(), others: None };
        let top = filled.leave_out(limit, order);
        self.filled = Some(filled);
        top
    }
}

impl Filled {
    fn keys(&self, order: &impl Order) -> Vec<Key> {
        let scale = order.scale();
        let keys = self.kept.iter().zip(0..);
        keys.map(|(entry, index)| (order.score(scale, &entry.signals), entry.row, index)).collect()
    }

    /// The best, if they are known to be.
    fn top(&mut self, limit: usize, order: &impl Order) -> Option<Vec<(f64, Entry)>> {
        let Some(others) = &self.others else { return Some(self.leave_out(limit, order)) };
        // What was kept for an earlier scale and is too much by now is found by a look at all rows.
        if self.kept.len() < limit || self.kept.len() > 2 * keep(limit) {
            return None;
        }
        let mut keys = self.keys(order);
        let (_, last, _) = keys.select_nth_unstable_by(limit - 1, best_first);
        others.come_after(*last, order).then(|| self.first(keys, limit))
    }

    /// The best of all. Keeps somewhat more of them and leaves the others out, if they are too many.
    fn leave_out(&mut self, limit: usize, order: &impl Order) -> Vec<(f64, Entry)> {
        let mut keys = self.keys(order);
        let keep = keep(limit);
        if self.kept.len() <= 2 * keep {
            return self.first(keys, limit);
        }
        keys.select_nth_unstable_by(keep, best_first);
        let (kept, left_out) = keys.split_at(keep);
        for (score, _, index) in left_out {
            Others::add(&mut self.others, *score, self.kept[*index as usize], order);
        }
        let top = self.first(kept.to_vec(), limit);
        self.kept = kept.iter().map(|(_, _, index)| self.kept[*index as usize]).collect();
        top
    }

    fn first(&self, mut keys: Vec<Key>, limit: usize) -> Vec<(f64, Entry)> {
        if limit < keys.len() {
            keys.select_nth_unstable_by(limit, best_first);
            keys.truncate(limit);
        }
        keys.sort_unstable_by(best_first);
        keys.into_iter().map(|(score, _, index)| (score, self.kept[index as usize])).collect()
    }
}

impl Others {
    /// Takes in a row that is not kept.
    fn add(others: &mut Option<Self>, score: f64, Entry { row, signals }: Entry, order: &impl Order) {
        let new = || Self {
            scale: *order.scale(),
            best: signals,
            best_score: score,
            best_row: row,
            bound: f64::NEG_INFINITY,
            most: signals,
        };
        let others = others.get_or_insert_with(new);
        others.most.raise(&signals);
        if signals == others.best {
            others.best_row = others.best_row.min(row);
        } else if best_first(&(score, row, 0), &(others.best_score, others.best_row, 0)) == Ordering::Less {
            others.bound = others.bound.max(others.best_score);
            (others.best, others.best_score, others.best_row) = (signals, score, row);
        } else {
            others.bound = others.bound.max(score);
        }
    }

    /// Whether a row with these signals is to be kept rather than to be one of the others.
    fn would_lead(&self, signals: &Signals, row: u32, order: &impl Order) -> bool {
        if *signals == self.best {
            return row < self.best_row;
        }
        order.score(&self.scale, signals) > self.bound
    }

    /// Whether all of them come after a row with that score.
    fn come_after(&self, (score, row, _): Key, order: &impl Order) -> bool {
        let best = (order.score(order.scale(), &self.best), self.best_row, 0);
        // Sums of rounded parts: two that are that close may be either way round.
        let risen = order.risen(&self.scale, &self.most);
        let rounding = 1e-9 * (self.bound.abs() + risen);
        let below = self.bound == f64::NEG_INFINITY || score > self.bound + risen + rounding;
        below && best_first(&(score, row, 0), &best) == Ordering::Less
    }
}

impl Signals {
    fn raise(&mut self, other: &Self) {
        for (most, count) in self.counts.iter_mut().zip(other.counts) {
            *most = (*most).max(count);
        }
        self.recency = self.recency.max(other.recency);
    }
}

/// How many rows a view keeps of which so many are asked for: each fill costs a look at all rows, each row
/// that is kept a look at it at every refresh.
fn keep(limit: usize) -> usize {
    limit.saturating_add(limit / 2).saturating_add(4)
}

fn best_first(a: &Key, b: &Key) -> Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}
