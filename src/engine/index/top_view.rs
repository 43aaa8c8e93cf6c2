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

/// See the module.
#[derive(Debug, Default)]
pub(super) struct TopView {
    /// None: it is to be filled.
    filled: Option<Filled>,
}

#[derive(Debug)]
struct Filled {
    /// In no order.
    kept: Vec<u32>,
    /// None: every ranked row is kept.
    others: Option<Others>,
}

/// What is known of the rows that are ranked and not kept.
#[derive(Debug)]
struct Others {
    /// The scale that `bound` holds for.
    scale: Scale,
    /// The signals of the best of them. Many rows may be exactly alike, as those with one click in the
    /// week: their order among themselves is that of rows, however scores drift.
    best: Signals,
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
        kept.retain(|row| changed.binary_search(row).is_err());
        for row in changed {
            let Some(signals) = order.signals(*row) else { continue };
            match others {
                Some(others) if !others.would_lead(&signals, *row, order) => others.most.raise(&signals),
                _ => kept.push(*row),
            }
        }
    }

    /// The `limit` best, best first; `all` are the rows that may be ranked, if they have to be looked at.
    pub fn top<I: Iterator<Item = u32>>(
        &mut self,
        limit: usize,
        order: &impl Order,
        all: impl FnOnce() -> I,
    ) -> Vec<u32> {
        if limit == 0 {
            return Vec::new();
        }
        if let Some(filled) = &mut self.filled
            && let Some(top) = filled.top(limit, order)
        {
            return top;
        }
        let (filled, top) = Filled::new(limit, order, all());
        self.filled = Some(filled);
        top
    }
}

impl Filled {
    fn new(limit: usize, order: &impl Order, all: impl Iterator<Item = u32>) -> (Self, Vec<u32>) {
        let mut scored = scored(all, order);
        let mut filled = Self { kept: Vec::new(), others: None };
        filled.keep_best(limit, &mut scored, order);
        (filled, first(scored, limit))
    }

    /// Keeps some more than `limit` and leaves the others out, of rows and their scores.
    fn keep_best(&mut self, limit: usize, scored: &mut Vec<(f64, u32)>, order: &impl Order) {
        let keep = keep(limit);
        let mut left_out = Vec::new();
        if scored.len() > keep {
            scored.select_nth_unstable_by(keep, best_first);
            left_out = scored.split_off(keep);
        }
        self.kept = scored.iter().map(|(_, row)| *row).collect();
        if let Some((_, row)) = left_out.first()
            && let Some(best) = order.signals(*row)
        {
            // The selection has put the best of them first.
            let mut others = Others {
                scale: *order.scale(),
                best,
                best_row: *row,
                bound: f64::NEG_INFINITY,
                most: Signals::default(),
            };
            for (score, row) in left_out {
                let Some(signals) = order.signals(row) else { continue };
                others.most.raise(&signals);
                if signals != others.best {
                    others.bound = others.bound.max(score);
                }
            }
            self.others = Some(others);
        }
    }

    fn top(&mut self, limit: usize, order: &impl Order) -> Option<Vec<u32>> {
        let mut scored = scored(self.kept.iter().copied(), order);
        if let Some(others) = &self.others {
            // What was kept for an earlier scale and is too much by now is found by a look at all rows.
            if scored.len() < limit || scored.len() > 2 * keep(limit) {
                return None;
            }
            let (_, last, _) = scored.select_nth_unstable_by(limit - 1, best_first);
            if !others.come_after(*last, order) {
                return None;
            }
        } else if scored.len() > 2 * keep(limit) {
            self.keep_best(limit, &mut scored, order);
        }
        Some(first(scored, limit))
    }
}

impl Others {
    /// Whether a row with these signals is to be kept rather than to be one of the others.
    fn would_lead(&self, signals: &Signals, row: u32, order: &impl Order) -> bool {
        if *signals == self.best {
            return row < self.best_row;
        }
        order.score(&self.scale, signals) > self.bound
    }

    /// Whether all of them come after a row with that score.
    fn come_after(&self, (score, row): (f64, u32), order: &impl Order) -> bool {
        let best = (order.score(order.scale(), &self.best), self.best_row);
        // Sums of rounded parts: two that are that close may be either way round.
        let risen = order.risen(&self.scale, &self.most);
        let rounding = 1e-9 * (self.bound.abs() + risen);
        let below = self.bound == f64::NEG_INFINITY || score > self.bound + risen + rounding;
        below && best_first(&(score, row), &best) == Ordering::Less
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

fn scored(rows: impl Iterator<Item = u32>, order: &impl Order) -> Vec<(f64, u32)> {
    rows.filter_map(|row| Some((order.score(order.scale(), &order.signals(row)?), row))).collect()
}

fn best_first(a: &(f64, u32), b: &(f64, u32)) -> Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

fn first(mut scored: Vec<(f64, u32)>, limit: usize) -> Vec<u32> {
    if limit < scored.len() {
        scored.select_nth_unstable_by(limit, best_first);
        scored.truncate(limit);
    }
    scored.sort_unstable_by(best_first);
    scored.into_iter().map(|(_, row)| row).collect()
}
