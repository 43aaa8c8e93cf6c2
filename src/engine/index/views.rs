//! What a model's pools are filled from: views that take in the rows that have changed since it last was.

use std::sync::Arc;

use super::baseline::Baseline;
use super::category_views::CategoryViews;
use super::filling::Filling;
use super::first_rows::FirstRows;
use super::item_scores::{ByPopularity, ByTrend, ItemScores, Shared};
use super::order::Entry;
use super::patch::Before;
use super::pools::{Pools, TRENDING};
use super::top_view::TopView;
use crate::engine::rank::model::Model;
use crate::engine::rank::related::cache::RelatedCache;

/// What is kept from one filling to the next, for one model, one layout and what it goes on to, and one baseline.
#[derive(Debug)]
pub(super) struct Views {
    popular: TopView,
    /// Live rows without popularity in the order of ids, which come where those with it are too few.
    unpopular: FirstRows,
    trending: TopView,
    /// Live rows of known age, newest first.
    fresh: FirstRows,
    categories: CategoryViews,
}

/// How many more than are asked for the views over all rows keep, for each that is asked for.
const SPARE: usize = 4;

impl Views {
    /// Empty views for a model.
    pub fn new(model: &Model) -> Self {
        let view = |limit: usize| TopView::new(limit, limit.saturating_mul(SPARE));
        let first = |limit: usize| FirstRows::new(limit, limit.saturating_mul(SPARE));
        Self {
            popular: view(model.candidates.popular),
            unpopular: first(model.candidates.popular),
            trending: view(model.candidates.trending.max(TRENDING)),
            fresh: first(model.candidates.fresh),
            categories: CategoryViews::default(),
        }
    }

    /// Takes in that rows have changed, ascending: counts, items, or whether they are live. Those whose items
    /// have changed come with what they were `before`.
    pub fn update(
        &mut self,
        shared: &Shared,
        model: &Model,
        baseline: &Baseline,
        changed: &[u32],
        before: &[Before],
    ) {
        let scores = ItemScores::new(shared, model, baseline);
        self.popular.update(changed, &ByPopularity(&scores));
        self.trending.update(changed, &ByTrend(&scores));
        self.unpopular.update(changed, |row| shared.layout.rank(row), |row| scores.is_unpopular(row));
        self.fresh.update(changed, |row| shared.layout.age(row), |row| scores.is_live_and_dated(row));
        self.categories.update(&scores, changed, before);
    }

    /// Takes in that these rows have other ranks, in the same order.
    pub fn rerank(&mut self, shared: &Shared, model: &Model, baseline: &Baseline, rows: &[u32]) {
        let scores = ItemScores::new(shared, model, baseline);
        self.popular.rerank(&ByPopularity(&scores));
        self.trending.rerank(&ByTrend(&scores));
        self.categories.rerank(&scores, rows);
    }

    /// The pools of an instant. `before` are earlier ones of the same baseline, whose unchanged parts are taken
    /// over.
    pub fn pools(
        &mut self,
        shared: &Shared,
        model: Arc<Model>,
        baseline: Arc<Baseline>,
        before: Option<&Pools>,
    ) -> Pools {
        let scores = ItemScores::new(shared, &model, &baseline);
        let filling = Filling::new(&scores);
        let limits = &model.candidates;
        let active = || shared.counts.active();
        let (by_popularity, by_trend) = (ByPopularity(&scores), ByTrend(&scores));
        let trending = |score: f64, entry: &Entry| by_trend.trending(score, entry);
        let trending = self.trending.top(&by_trend, active, trending);
        let popular = self.popular.top(&by_popularity, active, |_, entry| entry.row);
        let most = trending.iter().take(limits.trending).map(|of| of.row).collect();
        Pools {
            related: RelatedCache::default(),
            by_category: self.categories.pools(&scores, before.map(|before| &before.by_category)),
            popular: Arc::new(filling.popular(popular, &mut self.unpopular)),
            trending_most: Arc::new(filling.pool(most)),
            trending: Arc::new(trending),
            fresh: Arc::new(filling.fresh(&mut self.fresh)),
            layout: Arc::clone(&shared.layout),
            as_of: shared.as_of,
            floor: shared.floor,
            maps: shared.maps.clone(),
            liveness: Arc::clone(&shared.liveness),
            counts: Arc::clone(&shared.counts),
            scale: scores.scale,
            windows: shared.windows.clone(),
            baseline,
            model,
        }
    }
}
