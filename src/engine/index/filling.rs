//! Makes pools of rows, by what they are worth at an instant.

use super::first_rows::FirstRows;
use super::item_scores::{ByWorth, ItemScores};
use super::layout::Layout;
use super::order::Order;
use super::pool::Pool;
use super::signals::Signals;
use crate::engine::rank::features::columns::WIDTH;
use crate::engine::rank::features::{FEATURES, ITEM, POPULARITY};
use crate::engine::rank::model::Model;
use crate::engine::rank::topk;

/// How many rows a category may have, for each that its pool has, for the pool to be made of all of them.
const FEW_EACH: usize = 4;
/// And how many at most: it is made while a request waits.
const FEW: usize = 1024;

/// Pools on their way.
pub(super) struct Filling<'a> {
    pub scores: &'a ItemScores<'a>,
    pub layout: &'a Layout,
}

impl<'a> Filling<'a> {
    /// Pools of these rows.
    pub fn new(scores: &'a ItemScores<'a>) -> Self {
        Self { scores, layout: scores.layout }
    }

    /// Whether a category has so many rows that its pool is kept up to date, rather than made when somebody asks.
    pub fn has_many(layout: &Layout, model: &Model, category: u32) -> bool {
        layout.members_len(category) > FEW.min(model.candidates.per_category.saturating_mul(FEW_EACH))
    }

    /// That of these rows, in this order.
    pub fn pool(&self, rows: Vec<u32>) -> Pool {
        let (scores, layout) = (self.scores, self.layout);
        let mut columns = [const { None }; WIDTH];
        columns[POPULARITY] = Some(rows.iter().map(|row| scores.popularity(*row)).collect());
        for (index, feature) in ITEM.into_iter().enumerate() {
            let value = |row: &u32| scores.baseline.item_feature(index, *row);
            columns[feature] =
                FEATURES[feature].in_use(scores.model).then(|| rows.iter().map(value).collect());
        }
        let ranks = rows.iter().map(|row| layout.rank(*row)).collect();
        let category_sets = rows.iter().map(|row| layout.category_set(*row)).collect();
        Pool::new(rows, ranks, category_sets, columns, &scores.model.weights())
    }

    /// The most popular rows. The others come in the order of ids, if there are too few with popularity.
    pub fn popular(&self, mut rows: Vec<u32>, others: &mut FirstRows) -> Pool {
        let missing = self.scores.model.candidates.popular - rows.len();
        if missing > 0 {
            let others = others.first(self.layout.in_order(), |row| self.scores.is_unpopular(row));
            rows.extend(others.iter().take(missing));
        }
        self.pool(rows)
    }

    /// The newest rows.
    pub fn fresh(&self, first: &mut FirstRows) -> Pool {
        let newest = self.layout.newest_first();
        self.pool(first.first(newest, |row| self.scores.is_live_and_dated(row)).to_vec())
    }

    /// The best live rows of a category with few: all of them are looked at. They come in the order of their age.
    pub fn of_few(&self, category: u32) -> Pool {
        let (scores, model) = (self.scores, self.scores.model);
        let members = self.layout.members_newest_first(category);
        let pool = self.pool(members.filter(|row| scores.liveness.is_live(*row)).collect());
        let (len, limit) = (pool.rows().len(), model.candidates.per_category);
        if len <= limit {
            return pool;
        }
        let Some(last) = limit.checked_sub(1) else { return Pool::default() };
        let block = pool.block(0..len, scores.scale.ageing);
        let (popularity, mut worth) = (block.columns[POPULARITY], vec![0.0; len]);
        model.scorer.score(block.columns, &mut worth);
        // As in [`Self::with_unpopular`]: of two that are worth the same those with popularity come first, by rank, and
        // the others in the order of their age.
        let by_age = scores.goes_by_age();
        let mut keys = Vec::with_capacity(len);
        for (place, (worth, rank)) in (0_u32..).zip(worth.iter().zip(pool.ranks())) {
            let is_ranked = !by_age || popularity.get(place as usize) > 0.0;
            let tie = if is_ranked { u128::from(*rank) } else { 1_u128 << 32 | u128::from(place) };
            keys.push(topk::key(*worth, 0, 0) | tie);
        }
        let mut sorted = keys.clone();
        let (_, last, _) = sorted.select_nth_unstable(last);
        let best = keys.iter().map(|key| key <= last).collect::<Vec<bool>>();
        pool.those(&best, &model.weights())
    }

    /// The best of the rows of a category: of those with popularity and what they are worth, best first, and of all
    /// others.
    pub fn of_many(&self, category: u32, popular: Vec<(f64, u32)>) -> Pool {
        if !self.scores.goes_by_age() {
            // All of them are ranked already.
            return self.pool(popular.into_iter().map(|(_, row)| row).collect());
        }
        let limit = self.scores.model.candidates.per_category;
        self.pool(self.with_unpopular(popular, self.layout.members_newest_first(category), limit))
    }

    /// The best of rows with popularity, best first, and of others. Those are in the order of their age, which
    /// is that of their worth, and still tells them apart where they are too old for any recency.
    fn with_unpopular(
        &self,
        popular: Vec<(f64, u32)>,
        members: impl Iterator<Item = u32>,
        limit: usize,
    ) -> Vec<u32> {
        let by_worth = ByWorth(self.scores);
        let worth = |row: u32| {
            let signals = Signals { item: self.scores.baseline.item_features(row), ..Signals::default() };
            (by_worth.score(&self.scores.scale, &signals), row)
        };
        let mut popular = popular.into_iter().peekable();
        // No later member is worth more than this, unless it is among the popular ones.
        let mut members = members.map(worth).peekable();
        let mut rows = Vec::new();
        while rows.len() < limit {
            let most = members.peek().map(|(worth, _)| *worth);
            let next = match popular.next_if(|(worth, _)| most.is_none_or(|most| *worth >= most)) {
                Some((_, popular)) => popular,
                None => match members.next() {
                    Some((_, row)) if self.scores.is_unpopular(row) => row,
                    Some(_) => continue,
                    None => break,
                },
            };
            rows.push(next);
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::engine::config::{HOUR, MINUTE};
    use crate::engine::events::catalog::Catalog;
    use crate::engine::events::event::Timestamp;
    use crate::engine::events::item::{Item, ItemChange};
    use crate::engine::facts::state::PartitionState;
    use crate::engine::index::layout::tests::clicked;
    use crate::engine::index::pools::Pools;
    use crate::engine::index::top_view::TopView;
    use crate::engine::rank::model::tests::weighing;
    use crate::engine::rank::scorer::Scorer;

    const NOW: i64 = 1_700_000_000_000;

    proptest! {
        /// Many items are worth exactly the same, and some are so old that recency is 0.
        #[test]
        fn a_category_has_the_same_items_whether_it_counts_as_one_with_few_or_with_many(
            items in prop::collection::vec((prop::option::of(0..3000_i64), any::<bool>()), 1..40),
            clicks in prop::collection::vec((0..40_usize, 0..90_i64), 0..40),
            limit in 0..12_usize,
            recency in prop_oneof![Just(0.1), Just(0.0), Just(-0.1)],
        ) {
            let mut catalog = Catalog::default();
            for (number, (hours, available)) in items.iter().enumerate() {
                let created_at = hours.map(|hours| Timestamp(NOW - hours * HOUR));
                let item = Item { created_at, available: *available, ..Item::new(format!("i{number}"), ["c"]) };
                catalog.apply(ItemChange::Put(item), usize::MAX);
            }
            let click = |(item, ago): &(usize, i64)| clicked(&format!("i{item}"), NOW - ago * MINUTE, &[]);
            let states: Vec<PartitionState> = clicks.iter().map(click).collect();
            let mut model = weighing(&[0.0, 1.0], &[1.0]);
            model.scorer = Scorer::linear([0.6, 0.0, 0.0, 0.0, 0.0, 0.3, recency, 1.0]);
            (model.popularity_windows, model.half_life) = (vec![0.5, 0.5, 0.0], HOUR);
            model.candidates.per_category = limit;
            let layout = Arc::new(Layout::build(&catalog, &states[..]));
            let pools = Pools::build(layout, &states[..], Arc::new(model), Timestamp(NOW));
            let scores = pools.scores();
            let (filling, by_worth) = (Filling::new(&scores), ByWorth(&scores));
            let members = || scores.layout.members_newest_first(0);
            let best = TopView::new(limit, 0).top(&by_worth, members, |worth, entry| (worth, entry.row));
            let (few, many) = (filling.of_few(0), filling.of_many(0, best));
            let sorted = |pool: &Pool| {
                let mut rows = pool.rows().to_vec();
                rows.sort_unstable();
                rows
            };
            prop_assert_eq!(sorted(&few), sorted(&many));
            prop_assert!(few.rows().len() <= limit);
        }
    }
}
