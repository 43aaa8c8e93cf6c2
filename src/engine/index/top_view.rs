//! The best of many rows, kept up to date as some of them change.
//!
//! A view keeps somewhat more rows than are asked for, and of all others only a bound on what they may be
//! worth. As long as the last one that is asked for is worth more than that, nobody has to look at the
//! others; else the view is filled anew from all of them. This is the maintenance of a materialized top-k
//! view with a k that may shrink and is refilled (Yi, Yu, Yang, Xia and Chen, ICDE 2003). What is new here
//! is that scores drift together, with no row changing: the most popular item's count scales all
//! popularity, and all items age. The bound is that of the scale that the view was filled under, plus the
//! most that the others may have risen by since.
//!
//! Nor are all that are kept looked at each time. They lie in the order that they had when they were last ranked, with
//! the scores of then: those that are further behind than scores can have drifted by since are none of the best. So
//! what it costs to ask is that of as many rows as are asked for, and of those that have changed.

use super::among::Among;
use super::layout::NOWHERE;
use super::order::{Entry, Key, Order, number_of};
use super::others::Others;
use super::signals::{Scale, Signals};
use crate::engine::rank::topk::{self, TopK};

/// So many rows that have changed are looked at each time before all are ranked anew.
const FEW: usize = 16;

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

#[derive(Debug, Default)]
struct Filled {
    /// Rows as they were last ranked, with their scores: some of them best first, and behind them others that are no
    /// better than any of those.
    ranked: Vec<(f64, Entry)>,
    /// The numbers of the same rows, side by side, to be looked for. [`NOWHERE`] in place of one that has changed since.
    rows: Vec<u32>,
    /// How many of them come best first.
    in_order: usize,
    /// How many have changed since.
    gone: usize,
    /// The scale that scores hold for here.
    scale: Scale,
    /// None of their signals was more.
    most: Signals,
    /// Rows that have changed since, or that are new, in no order.
    changed: Vec<Entry>,
    /// None: every ranked row is kept.
    others: Option<Others>,
}

impl TopView {
    /// A view of the `limit` best rows, to be filled. It keeps `spare` more, which let it be longer until all rows have
    /// to be looked at.
    pub fn new(limit: usize, spare: usize) -> Self {
        Self { limit, keep: limit.saturating_add(spare).max(1), filled: None }
    }

    /// Takes in that rows have changed, ascending.
    pub fn update(&mut self, changed: &[u32], order: &impl Order) {
        let Some(filled) = self.filled.as_mut().filter(|_| !changed.is_empty()) else { return };
        filled.forget(changed);
        for entry in changed.iter().filter_map(|row| Entry::of(*row, order)) {
            if !filled.others.as_mut().is_some_and(|others| others.take_in(&entry, order)) {
                filled.changed.push(entry);
            }
        }
    }

    /// Leaves out rows that are in the view no more, ascending.
    pub fn remove(&mut self, rows: &[u32]) {
        if let Some(filled) = &mut self.filled {
            filled.forget(rows);
        }
    }

    /// Takes in that rows have other ranks, in the same order.
    pub fn rerank(&mut self, order: &impl Order) {
        self.rerank_others(order);
        if let Some(Filled { ranked, changed, .. }) = &mut self.filled {
            let entries = ranked.iter_mut().map(|(_, entry)| entry).chain(changed);
            entries.for_each(|entry| entry.rank = order.rank(entry.row));
        }
    }

    /// Takes in that the best of those that are not kept may have another rank. It is told apart from the others
    /// by that even after it has left the view.
    pub fn rerank_others(&mut self, order: &impl Order) {
        if let Some(others) = self.filled.as_mut().and_then(|filled| filled.others.as_mut()) {
            others.rerank(order);
        }
    }

    /// Views of `len` groups of rows, each `like` one that is to be filled, filled in two walks through all rows.
    /// `groups` tells which ones a row is in. To look at the rows of one group after the other would be to jump
    /// about in memory.
    pub fn of_groups<I: Iterator<Item = usize>>(
        len: usize,
        like: &Self,
        order: &impl Order,
        rows: impl Iterator<Item = u32> + Clone,
        groups: impl Fn(u32) -> I,
    ) -> Vec<Self> {
        let Self { limit, keep, .. } = *like;
        let mut best: Vec<TopK> = Vec::new();
        best.resize_with(len, TopK::default);
        best.iter_mut().for_each(|best| best.start(keep));
        for row in rows.clone() {
            let Some(signals) = order.signals(row) else { continue };
            let score = order.score(order.scale(), &signals);
            for group in groups(row) {
                best[group].offer(&[row], &[order.rank(row)], &[score], |_| true);
            }
        }
        let filled = |mut best: TopK| {
            let mut filled = Filled::default();
            filled.changed.extend(best.finish().filter_map(|row| Entry::of(row, order)));
            let last = filled.changed.get(keep - 1).map(|last| last.key(0, order));
            filled.rank(limit, keep, order);
            (last, filled)
        };
        let mut filled: Vec<(Option<Key>, Filled)> = best.into_iter().map(filled).collect();
        for row in rows {
            let Some(entry) = Entry::of(row, order) else { continue };
            let key = entry.key(0, order);
            for group in groups(row) {
                let (last, filled) = &mut filled[group];
                if last.is_some_and(|last| last < key) {
                    Others::add(&mut filled.others, entry, order);
                }
            }
        }
        filled.into_iter().map(|(_, filled)| Self { limit, keep, filled: Some(filled) }).collect()
    }

    /// The best, best first, and what `of` makes of each and its score. `all` are the rows that may be ranked, if they
    /// have to be looked at.
    pub fn top<T, I: Iterator<Item = u32>>(
        &mut self,
        order: &impl Order,
        all: impl FnOnce() -> I,
        of: impl Fn(f64, &Entry) -> T,
    ) -> Vec<T> {
        if self.limit == 0 {
            return Vec::new();
        }
        if let Some(filled) = &mut self.filled
            && let Some(top) = filled.top(self.limit, self.keep, order, &of)
        {
            return top;
        }
        let changed = all().filter_map(|row| Entry::of(row, order)).collect();
        let mut filled = Filled { changed, ..Filled::default() };
        filled.rank(self.limit, self.keep, order);
        let top = filled.ranked.iter().take(self.limit).map(|(score, entry)| of(*score, entry)).collect();
        self.filled = Some(filled);
        top
    }
}

impl Filled {
    /// Leaves out rows, ascending.
    fn forget(&mut self, rows: &[u32]) {
        let among = Among::new(rows);
        for row in self.rows.iter_mut().filter(|row| among.has(**row)) {
            *row = NOWHERE;
            self.gone += 1;
        }
        self.changed.retain(|entry| !among.has(entry.row));
    }

    /// The best, if they are known to be.
    fn top<T>(
        &mut self,
        limit: usize,
        keep: usize,
        order: &impl Order,
        of: impl Fn(f64, &Entry) -> T,
    ) -> Option<Vec<T>> {
        let (gone, changed) = (self.gone, self.changed.len());
        let too_much = self.ranked.len() - gone + changed > keep.saturating_mul(2);
        let near = Some(limit).filter(|_| !too_much && gone + changed <= FEW.max(limit / 2));
        let near = near.and_then(|limit| self.near(limit, order)).unwrap_or_else(|| {
            self.rank(limit, keep, order);
            limit.min(self.ranked.len())
        });
        let holds = order.holds_since(&self.scale);
        let mut ranked: Vec<Key> = Vec::with_capacity(near);
        for ((place, (score, entry)), row) in (0..).zip(&self.ranked[..near]).zip(&self.rows) {
            if *row != NOWHERE {
                let key = if holds { topk::key(*score, entry.rank, place) } else { entry.key(place, order) };
                ranked.push(key);
            }
        }
        let behind = self.ranked.len() as u32;
        let mut changed: Vec<Key> =
            (behind..).zip(&self.changed).map(|(number, entry)| entry.key(number, order)).collect();
        let entry = |key: Key| match number_of(key).checked_sub(self.ranked.len()) {
            None => &self.ranked[number_of(key)].1,
            Some(changed) => &self.changed[changed],
        };
        // As they were, many or all of them are in order.
        ranked.sort_unstable();
        changed.sort_unstable();
        let (mut ranked, mut changed) = (ranked.into_iter().peekable(), changed.into_iter().peekable());
        let mut top = Vec::with_capacity(limit.min(near + self.changed.len()));
        let mut last = None;
        while top.len() < limit {
            let next = match (ranked.peek(), changed.peek()) {
                (Some(a), Some(b)) if b < a => changed.next(),
                (None, _) => changed.next(),
                _ => ranked.next(),
            };
            let Some(key) = next else { break };
            top.push(of(topk::score_of(key), entry(key)));
            last = Some(key);
        }
        let known = match (&self.others, last) {
            (None, _) => true,
            (Some(others), Some(last)) => top.len() == limit && others.come_after(last, order),
            (Some(_), None) => false,
        };
        known.then_some(top)
    }

    /// How many of those that were ranked may be among the best: all that are not so many are behind; none if it is not
    /// known which ones.
    fn near(&self, limit: usize, order: &impl Order) -> Option<usize> {
        let all = self.ranked.len();
        // So many of the first were as many as are asked for, without those that have changed.
        let first = limit + self.gone;
        if first >= all && self.in_order == all {
            return Some(all);
        }
        if first > self.in_order {
            return None;
        }
        if order.holds_since(&self.scale) {
            return Some(first);
        }
        // None of the first is worth less now, and whatever was worth less then is not worth more.
        let drift = order.risen(&self.scale, &self.most) + order.fallen(&self.scale, &self.most);
        let (last, _) = self.ranked[first - 1];
        // Sums of rounded parts.
        let least = last - drift - 1e-12 * (1.0 + last.abs() + drift);
        let near = self.ranked[..self.in_order].partition_point(|(score, _)| *score >= least);
        (near < self.in_order || near == all).then_some(near)
    }

    /// Ranks all that are kept, and leaves out what is too much.
    fn rank(&mut self, limit: usize, keep: usize, order: &impl Order) {
        let known = self.ranked.iter().zip(&self.rows).filter(|(_, row)| **row != NOWHERE);
        let entries: Vec<Entry> = known.map(|((_, entry), _)| *entry).chain(self.changed.drain(..)).collect();
        let mut keys: Vec<Key> =
            (0..).zip(&entries).map(|(number, entry)| entry.key(number, order)).collect();
        if keys.len() > keep.saturating_mul(2) {
            keys.select_nth_unstable(keep);
            for key in keys.split_off(keep) {
                Others::add(&mut self.others, entries[number_of(key)], order);
            }
        }
        self.in_order = keys.len().min(limit.saturating_mul(2));
        if self.in_order < keys.len() {
            keys.select_nth_unstable(self.in_order);
        }
        keys[..self.in_order].sort_unstable();
        self.ranked = keys.into_iter().map(|key| (topk::score_of(key), entries[number_of(key)])).collect();
        self.rows = self.ranked.iter().map(|(_, entry)| entry.row).collect();
        self.most = Signals::default();
        self.ranked.iter().for_each(|(_, entry)| self.most.raise(&entry.signals));
        (self.scale, self.gone) = (*order.scale(), 0);
    }
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
            Self {
                scale: Scale { shares, windows: 2, ageing: 1.0, ..Scale::default() },
                signals,
                ranks,
                fills: Cell::new(0),
            }
        }

        fn top(&self, view: &mut TopView) -> Vec<u32> {
            let all = || {
                self.fills.set(self.fills.get() + 1);
                0..self.signals.len() as u32
            };
            view.top(self, all, |_, entry| entry.row)
        }

        fn sorted(&self, limit: usize) -> Vec<u32> {
            let key = |(signals, row): (&Option<Signals>, u32)| {
                Some((self.score(&self.scale, signals.as_ref()?), self.rank(row), row))
            };
            let mut keys: Vec<(f64, u32, u32)> = self.signals.iter().zip(0..).filter_map(key).collect();
            keys.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
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

        fn holds_since(&self, from: &Scale) -> bool {
            *from == self.scale
        }

        fn risen(&self, from: &Scale, most: &Signals) -> f64 {
            let to = &self.scale;
            let windows = from.shares.iter().zip(&to.shares).zip(most.counts);
            let risen: f64 =
                windows.map(|((from, to), most)| (to - from).max(0.0) * f64::from(most).ln_1p()).sum();
            risen + (from.ageing - to.ageing).max(0.0) * most.item[0]
        }

        fn fallen(&self, from: &Scale, most: &Signals) -> f64 {
            let to = &self.scale;
            let windows = from.shares.iter().zip(&to.shares).zip(most.counts);
            let fallen: f64 =
                windows.map(|((from, to), most)| (from - to).max(0.0) * f64::from(most).ln_1p()).sum();
            fallen + (to.ageing - from.ageing).max(0.0) * most.item[0]
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
                std::iter::once(row as usize % 2)
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
                let all = || (0..rows.signals.len() as u32).step_by(2);
                let even = groups[0].top(&rows, all, |_, entry| entry.row);
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
            assert!(
                view.filled.as_ref().is_some_and(|filled| filled.ranked.len() + filled.changed.len() <= 40)
            );
        }
        assert_eq!(rows.fills.get(), 1);
    }
}
