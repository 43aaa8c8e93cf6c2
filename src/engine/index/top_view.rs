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

use super::signals::{Scale, Signals};
use crate::engine::rank::topk::TopK;

/// How rows are ranked at an instant: higher scores first, ties by rank.
pub(super) trait Order {
    /// The rank of a row: no two have the same.
    fn rank(&self, row: u32) -> u32;

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
    pub rank: u32,
    pub signals: Signals,
}

impl Entry {
    fn of(row: u32, order: &impl Order) -> Option<Self> {
        Some(Self { row, rank: order.rank(row), signals: order.signals(row)? })
    }

    fn key(&self, index: u32, order: &impl Order) -> Key {
        (order.score(order.scale(), &self.signals), self.rank, index)
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct TopView {
    /// How many rows are asked for.
    limit: usize,
    /// How many are kept when it is filled, up to twice as many later.
    keep: usize,
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

/// A score, the rank of its row, and where that stands among those that are kept.
type Key = (f64, u32, u32);

/// What is known of the rows that are ranked and not kept.
#[derive(Debug)]
struct Others {
    /// The scale that scores hold for here.
    scale: Scale,
    /// The best of them: none that is like it comes before it. Many rows may be exactly alike, as those with one click in the
    /// week: their order among themselves is that of ranks, however scores drift.
    best: Entry,
    /// None of those that are not like the best is worth more.
    bound: f64,
    /// None of their signals is more.
    most: Signals,
}

impl TopView {
    /// A view of the `limit` best rows, to be filled. It keeps `spare` more: each of them is looked at every
    /// time, and lets it be longer until all rows have to be.
    pub fn new(limit: usize, spare: usize) -> Self {
        Self { limit, keep: limit.saturating_add(spare).max(1), filled: None }
    }

    /// Takes in that rows have changed, ascending.
    pub fn update(&mut self, changed: &[u32], order: &impl Order) {
        let Some(Filled { kept, others }) = &mut self.filled else { return };
        if changed.is_empty() {
            return;
        }
        kept.retain(|entry| changed.binary_search(&entry.row).is_err());
        for entry in changed.iter().filter_map(|row| Entry::of(*row, order)) {
            match others {
                Some(others) if !others.would_lead(&entry, order) => others.most.raise(&entry.signals),
                _ => kept.push(entry),
            }
        }
    }

    /// Leaves out rows that are in the view no more, ascending.
    pub fn remove(&mut self, rows: &[u32]) {
        if let Some(filled) = &mut self.filled {
            filled.kept.retain(|entry| rows.binary_search(&entry.row).is_err());
        }
    }

    /// Takes in that rows have other ranks, in the same order.
    pub fn rerank(&mut self, order: &impl Order) {
        self.rerank_others(order);
        if let Some(filled) = &mut self.filled {
            filled.kept.iter_mut().for_each(|entry| entry.rank = order.rank(entry.row));
        }
    }

    /// Takes in that the best of those that are not kept may have another rank. It is told apart from the others
    /// by that even after it has left the view.
    pub fn rerank_others(&mut self, order: &impl Order) {
        if let Some(others) = self.filled.as_mut().and_then(|filled| filled.others.as_mut()) {
            others.best.rank = order.rank(others.best.row);
        }
    }

    /// Views of `len` groups of rows, each `like` one that is to be filled, filled in two walks through all rows.
    /// `groups` tells which ones a row is in. To look at the rows of one group after the other would be to jump
    /// about in memory.
    pub fn of_groups<'a>(
        len: usize,
        like: &Self,
        order: &impl Order,
        rows: impl Iterator<Item = u32> + Clone,
        groups: impl Fn(u32) -> &'a [u32],
    ) -> Vec<Self> {
        let Self { limit, keep, .. } = *like;
        let mut best: Vec<TopK> = Vec::new();
        best.resize_with(len, TopK::default);
        best.iter_mut().for_each(|best| best.start(keep));
        for row in rows.clone() {
            let Some(signals) = order.signals(row) else { continue };
            let score = order.score(order.scale(), &signals);
            for group in groups(row) {
                best[*group as usize].offer(&[row], &[order.rank(row)], &[score], |_| true);
            }
        }
        let filled = |mut best: TopK| {
            let kept: Vec<Entry> = best.finish().filter_map(|row| Entry::of(row, order)).collect();
            let last = kept.get(keep - 1).map(|last| last.key(0, order));
            (last, Filled { kept, others: None })
        };
        let mut filled: Vec<(Option<Key>, Filled)> = best.into_iter().map(filled).collect();
        for row in rows {
            let Some(entry) = Entry::of(row, order) else { continue };
            let key = entry.key(0, order);
            for group in groups(row) {
                let (last, filled) = &mut filled[*group as usize];
                if last.is_some_and(|last| best_first(&last, &key) == Ordering::Less) {
                    Others::add(&mut filled.others, entry, order);
                }
            }
        }
        filled.into_iter().map(|(_, filled)| Self { limit, keep, filled: Some(filled) }).collect()
    }

    /// The best with their scores, best first; `all` are the rows that may be ranked, if they have to be
    /// looked at.
    pub fn top<I: Iterator<Item = u32>>(
        &mut self,
        order: &impl Order,
        all: impl FnOnce() -> I,
    ) -> Vec<(f64, Entry)> {
        if self.limit == 0 {
            return Vec::new();
        }
        if let Some(filled) = &mut self.filled
            && let Some(top) = filled.top(self.limit, self.keep, order)
        {
            return top;
        }
        let kept = all().filter_map(|row| Entry::of(row, order)).collect();
        let mut filled = Filled { kept, others: None };
        let keys = filled.leave_out(self.keep, order);
        let top = filled.first(keys, self.limit);
        self.filled = Some(filled);
        top
    }
}

impl Filled {
    fn keys(&self, order: &impl Order) -> Vec<Key> {
        self.kept.iter().zip(0..).map(|(entry, index)| entry.key(index, order)).collect()
    }

    /// The best, if they are known to be.
    fn top(&mut self, limit: usize, keep: usize, order: &impl Order) -> Option<Vec<(f64, Entry)>> {
        let mut keys = self.leave_out(keep, order);
        if let Some(others) = &self.others {
            if keys.len() < limit {
                return None;
            }
            let (_, last, _) = keys.select_nth_unstable_by(limit - 1, best_first);
            if !others.come_after(*last, order) {
                return None;
            }
        }
        Some(self.first(keys, limit))
    }

    /// Leaves out what is too much. Returns the keys of those that are kept.
    fn leave_out(&mut self, keep: usize, order: &impl Order) -> Vec<Key> {
        let mut keys = self.keys(order);
        if keys.len() <= keep.saturating_mul(2) {
            return keys;
        }
        keys.select_nth_unstable_by(keep, best_first);
        for (_, _, index) in keys.split_off(keep) {
            Others::add(&mut self.others, self.kept[index as usize], order);
        }
        self.kept = keys.iter().map(|(_, _, index)| self.kept[*index as usize]).collect();
        (0..).zip(&mut keys).for_each(|(index, key)| key.2 = index);
        keys
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
    fn add(others: &mut Option<Self>, entry: Entry, order: &impl Order) {
        let new =
            || Self { scale: *order.scale(), best: entry, bound: f64::NEG_INFINITY, most: entry.signals };
        let others = others.get_or_insert_with(new);
        others.most.raise(&entry.signals);
        if entry.signals == others.best.signals {
            if entry.rank < others.best.rank {
                others.best = entry;
            }
            return;
        }
        let score = |entry: &Entry| order.score(&others.scale, &entry.signals);
        let (this, best) = (score(&entry), score(&others.best));
        if best_first(&(this, entry.rank, 0), &(best, others.best.rank, 0)) == Ordering::Less {
            others.bound = others.bound.max(best);
            others.best = entry;
        } else {
            others.bound = others.bound.max(this);
        }
    }

    /// Whether a row is to be kept rather than to be one of the others.
    fn would_lead(&self, entry: &Entry, order: &impl Order) -> bool {
        if entry.signals == self.best.signals {
            return entry.rank < self.best.rank;
        }
        order.score(&self.scale, &entry.signals) > self.bound
    }

    /// Whether all of them come after a row with that score.
    fn come_after(&self, last: Key, order: &impl Order) -> bool {
        // Sums of rounded parts: two that are that close may be either way round.
        let risen = order.risen(&self.scale, &self.most);
        let rounding = 1e-9 * (self.bound.abs() + risen);
        let below = self.bound == f64::NEG_INFINITY || last.0 > self.bound + risen + rounding;
        below && best_first(&last, &self.best.key(0, order)) == Ordering::Less
    }
}

fn best_first(a: &Key, b: &Key) -> Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;
    use crate::engine::config::MAX_WINDOWS;

    /// Rows by what their counts in two windows are worth, less what their age costs.
    struct Rows {
        scale: Scale,
        signals: Vec<Option<Signals>>,
        ranks: Vec<u32>,
        fills: Cell<usize>,
    }

    impl Rows {
        fn new(signals: Vec<Option<Signals>>) -> Self {
            let mut shares = [0.0; MAX_WINDOWS];
            (shares[0], shares[1]) = (0.5, 0.25);
            let ranks = (0..signals.len() as u32).collect();
            Self { scale: Scale { shares, windows: 2, ageing: 1.0 }, signals, ranks, fills: Cell::new(0) }
        }

        fn top(&self, view: &mut TopView) -> Vec<u32> {
            let all = || {
                self.fills.set(self.fills.get() + 1);
                0..self.signals.len() as u32
            };
            view.top(self, all).into_iter().map(|(_, entry)| entry.row).collect()
        }

        fn sorted(&self, limit: usize) -> Vec<u32> {
            let key = |(signals, row): (&Option<Signals>, u32)| {
                Some((self.score(&self.scale, signals.as_ref()?), self.rank(row), row))
            };
            let mut keys: Vec<Key> = self.signals.iter().zip(0..).filter_map(key).collect();
            keys.sort_by(best_first);
            keys.into_iter().take(limit).map(|(_, _, row)| row).collect()
        }
    }

    impl Order for Rows {
        fn rank(&self, row: u32) -> u32 {
            self.ranks[row as usize]
        }

        fn scale(&self) -> &Scale {
            &self.scale
        }

        fn signals(&self, row: u32) -> Option<Signals> {
            self.signals[row as usize]
        }

        fn score(&self, scale: &Scale, signals: &Signals) -> f64 {
            scale.popularity(&signals.counts) - scale.ageing * signals.item[0] + signals.item[1]
        }

        fn risen(&self, from: &Scale, most: &Signals) -> f64 {
            let to = &self.scale;
            let windows = from.shares.iter().zip(&to.shares).zip(most.counts);
            let risen: f64 =
                windows.map(|((from, to), most)| (to - from).max(0.0) * f64::from(most).ln_1p()).sum();
            risen + (from.ageing - to.ageing).max(0.0) * most.item[0]
        }
    }

    fn signals(short: u32, long: u32, recency: f64) -> Signals {
        let mut signals = Signals { item: [recency, 0.0], ..Signals::default() };
        (signals.counts[0], signals.counts[1]) = (short, long);
        signals
    }

    fn any_signals() -> impl Strategy<Value = Option<Signals>> {
        let one = (
            0..4_u32,
            0..9_u32,
            prop_oneof![Just(0.0), 0.0..0.3],
            prop_oneof![3 => Just(0.0), 1 => -0.2..0.2],
        );
        prop::option::weighted(
            0.9,
            one.prop_map(|(short, long, recency, boost)| Signals {
                item: [recency, boost],
                ..signals(short, short + long, recency)
            }),
        )
    }

    proptest! {
        /// Whatever changes, rows or what they are worth, the best are those that sorting all rows finds.
        #[test]
        fn the_best_are_those_that_sorting_finds(
            rows in prop::collection::vec(any_signals(), 1..90),
            steps in prop::collection::vec(
                (prop::collection::vec((0..90_usize, any_signals()), 0..7), prop::array::uniform3(0.8..1.25)),
                1..40,
            ),
            limit in 1..9_usize,
            spare in 0..9_usize,
        ) {
            let mut rows = Rows::new(rows);
            rows.ranks.reverse();
            let mut view = TopView::new(limit, spare);
            let all = 0..rows.signals.len() as u32;
            let mut groups = TopView::of_groups(2, &TopView::new(limit, spare), &rows, all, |row| {
                &[0, 1][row as usize % 2..][..1]
            });
            for (changes, factors) in steps {
                let mut changed = Vec::new();
                for (row, signals) in changes {
                    let row = row % rows.signals.len();
                    rows.signals[row] = signals;
                    changed.push(row as u32);
                }
                changed.sort_unstable();
                changed.dedup();
                view.update(&changed, &rows);
                // The others come to be in the group of even ones and leave it again.
                groups[0].update(&changed, &rows);
                changed.retain(|row| row % 2 == 1);
                groups[0].remove(&changed);
                if changed.len() == 1 {
                    rows.ranks.iter_mut().for_each(|rank| *rank = 3 * *rank + 1);
                    view.rerank(&rows);
                    groups[0].rerank(&rows);
                }
                rows.scale.shares[0] *= factors[0];
                rows.scale.shares[1] *= factors[1];
                rows.scale.ageing *= factors[2];
                prop_assert_eq!(rows.top(&mut view), rows.sorted(limit));
                let even = groups[0].top(&rows, || (0..rows.signals.len() as u32).step_by(2));
                let even: Vec<u32> = even.into_iter().map(|(_, entry)| entry.row).collect();
                let mut sorted = rows.sorted(usize::MAX);
                sorted.retain(|row| row % 2 == 0);
                sorted.truncate(limit);
                prop_assert_eq!(even, sorted);
            }
        }
    }

    #[test]
    fn all_rows_are_seldom_looked_at_while_scores_drift() {
        let mut rows = Rows::new((0..2000).map(|row| Some(signals(row % 50, row, 0.0))).collect());
        let mut view = TopView::new(100, 100);
        for step in 0..200_u32 {
            rows.signals[step as usize * 7] = Some(signals(40, 1500, 0.0));
            view.update(&[step * 7], &rows);
            rows.scale.shares[0] *= if step % 3 == 0 { 1.01 } else { 0.995 };
            rows.scale.shares[1] *= if step % 2 == 0 { 1.002 } else { 0.998 };
            assert_eq!(rows.top(&mut view), rows.sorted(100), "step {step}");
        }
        assert!(rows.fills.get() < 20, "{} fills", rows.fills.get());
    }

    #[test]
    fn rows_that_are_alike_stay_in_the_order_of_rows_and_need_no_second_look() {
        let mut rows = Rows::new(vec![Some(signals(0, 1, 0.0)); 1000]);
        let mut view = TopView::new(10, 5);
        for step in 0..50 {
            rows.scale.shares[1] *= if step % 2 == 0 { 1.3 } else { 0.8 };
            assert_eq!(rows.top(&mut view), (0..10).collect::<Vec<u32>>());
        }
        assert_eq!(rows.fills.get(), 1);
    }

    #[test]
    fn what_rises_is_kept_until_it_is_too_much_and_then_the_best_of_it() {
        let mut rows = Rows::new((0..1000).map(|row| Some(signals(0, 1000 - row, 0.0))).collect());
        let mut view = TopView::new(10, 10);
        for row in (0..1000).rev() {
            rows.signals[row as usize] = Some(signals(100, 3000 - row, 0.0));
            view.update(&[row], &rows);
            assert_eq!(rows.top(&mut view), rows.sorted(10));
            assert!(view.filled.as_ref().is_some_and(|filled| filled.kept.len() <= 40));
        }
        assert_eq!(rows.fills.get(), 1);
    }
}
