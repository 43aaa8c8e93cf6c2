//! Fills the pools of a model, from the rows that have changed since it last did.

use std::sync::Arc;

use super::baseline::Baseline;
use super::first_rows::FirstRows;
use super::item_scores::{ByPopularity, ByTrend, ByWorth, ItemScores, Shared};
use super::layout::Layout;
use super::patch::Before;
use super::pool::Pool;
use super::pools::{CategoryPool, Pools, TRENDING};
use super::signals::Signals;
use super::top_view::{Entry, Order, TopView};
use crate::engine::rank::features::columns::WIDTH;
use crate::engine::rank::features::{FEATURES, ITEM, POPULARITY};
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
    /// Those rows of each category that age alone does not rank. None: to be filled.
    categories: Option<Vec<TopView>>,
    /// The categories of rows that have changed since pools were last filled, ascending.
    changed: Vec<u32>,
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
            categories: None,
            changed: Vec::new(),
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
        let Some(views) = &mut self.categories else { return };
        views.resize_with(shared.layout.categories_len(), || category_view(model));
        let left = by_category(&shared.layout, before.iter().map(|before| (before.set, before.row)));
        for (category, rows) in &left {
            views[*category as usize].remove(rows);
        }
        let sets = changed.iter().map(|row| (shared.layout.category_set(*row), *row));
        let now = by_category(&shared.layout, sets);
        for (category, rows) in &now {
            views[*category as usize].update(rows, &ByWorth(&scores));
        }
        self.changed.extend(left.iter().chain(&now).map(|(category, _)| *category));
        self.changed.sort_unstable();
    }

    /// Takes in that these rows have other ranks, in the same order.
    pub fn rerank(&mut self, shared: &Shared, model: &Model, baseline: &Baseline, rows: &[u32]) {
        let scores = ItemScores::new(shared, model, baseline);
        self.popular.rerank(&ByPopularity(&scores));
        self.trending.rerank(&ByTrend(&scores));
        let Some(views) = &mut self.categories else { return };
        // A view may know of a row that is not of its category any more.
        views.iter_mut().for_each(|view| view.rerank_others(&ByWorth(&scores)));
        for category in categories_of(&shared.layout, rows) {
            // One that is new is to be filled.
            if let Some(view) = views.get_mut(category as usize) {
                view.rerank(&ByWorth(&scores));
            }
            self.changed.push(category);
        }
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
        let filling = Filling { scores: &scores, layout: &shared.layout };
        let limits = &model.candidates;
        let active = || shared.counts.active();
        let trending = self.trending.top(&ByTrend(&scores), active);
        let popular = self.popular.top(&ByPopularity(&scores), active);
        let most = trending.iter().take(limits.trending).map(|(_, entry)| entry.row).collect();
        let categories = self.categories.get_or_insert_with(|| {
            TopView::of_groups(
                shared.layout.categories_len(),
                &category_view(&model),
                &ByWorth(&scores),
                0..shared.layout.len() as u32,
                |row| shared.layout.categories(row),
            )
        });
        let changed = std::mem::take(&mut self.changed);
        let category = |(category, view): (u32, &mut TopView)| {
            let unchanged = before.filter(|_| changed.binary_search(&category).is_err());
            filling.category(category, view, unchanged)
        };
        Pools {
            related: RelatedCache::default(),
            by_category: (0..).zip(categories).map(category).collect(),
            popular: Arc::new(
                filling.popular(popular.iter().map(|(_, entry)| entry.row).collect(), &mut self.unpopular),
            ),
            trending_most: Arc::new(filling.pool(most)),
            trending: Arc::new(ByTrend(&scores).trending(trending)),
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

/// A view of a category, to be filled.
fn category_view(model: &Model) -> TopView {
    let limit = model.candidates.per_category;
    TopView::new(limit, limit / 2)
}

/// The categories of rows, ascending. Many rows share a set of them.
fn categories_of(layout: &Layout, rows: &[u32]) -> Vec<u32> {
    let mut sets: Vec<u32> = rows.iter().map(|row| layout.category_set(*row)).collect();
    sets.sort_unstable();
    sets.dedup();
    let mut categories: Vec<u32> = sets.iter().flat_map(|set| layout.members(*set)).copied().collect();
    categories.sort_unstable();
    categories.dedup();
    categories
}

/// Rows by the categories of their sets, both ascending.
fn by_category(layout: &Layout, rows: impl Iterator<Item = (u32, u32)>) -> Vec<(u32, Vec<u32>)> {
    let categories = |(set, row)| layout.members(set).iter().map(move |category| (*category, row));
    let mut pairs: Vec<(u32, u32)> = rows.flat_map(categories).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let rows = |same: &[(u32, u32)]| (same[0].0, same.iter().map(|(_, row)| *row).collect());
    pairs.chunk_by(|a, b| a.0 == b.0).map(rows).collect()
}

/// Pools on their way.
struct Filling<'a> {
    scores: &'a ItemScores<'a>,
    layout: &'a Layout,
}

impl Filling<'_> {
    fn pool(&self, rows: Vec<u32>) -> Pool {
        let entries: Vec<Entry> =
            rows.into_iter().map(|row| self.entry(row, self.scores.signals(row))).collect();
        self.pool_of(&entries)
    }

    fn entry(&self, row: u32, signals: Signals) -> Entry {
        Entry { row, rank: self.layout.rank(row), signals }
    }

    /// The others come in the order of ids, if there are too few with popularity.
    fn popular(&self, mut rows: Vec<u32>, others: &mut FirstRows) -> Pool {
        let missing = self.scores.model.candidates.popular - rows.len();
        if missing > 0 {
            let others = others.first(self.layout.in_order(), |row| self.scores.is_unpopular(row));
            rows.extend(others.iter().take(missing));
        }
        self.pool(rows)
    }

    fn fresh(&self, first: &mut FirstRows) -> Pool {
        let newest = self.layout.newest_first();
        self.pool(first.first(newest, |row| self.scores.is_live_and_dated(row)).to_vec())
    }

    fn category(&self, category: u32, view: &mut TopView, before: Option<&Pools>) -> CategoryPool {
        let limit = self.scores.model.candidates.per_category;
        let members = self.layout.members_newest_first(category);
        let best = view.top(&ByWorth(self.scores), || members.clone());
        // Without popularity an item is worth what it was, less by a factor that all have in common.
        let known = before.and_then(|before| before.by_category.get(category as usize));
        match known.filter(|known| !known.popular && best.is_empty()) {
            Some(known) if self.scores.goes_by_age() => known.clone(),
            _ => {
                let popular = !best.is_empty() || !self.scores.goes_by_age();
                let entries = self.with_unpopular(best, members, limit);
                CategoryPool { popular, pool: Arc::new(self.pool_of(&entries)) }
            }
        }
    }

    /// The best of rows with popularity, best first, and of others. Those are in the order of their age, which
    /// is that of their worth, and still tells them apart where they are too old for any recency.
    fn with_unpopular(
        &self,
        popular: Vec<(f64, Entry)>,
        members: impl Iterator<Item = u32>,
        limit: usize,
    ) -> Vec<Entry> {
        if !self.scores.goes_by_age() {
            // All of them are ranked already.
            return popular.into_iter().map(|(_, entry)| entry).collect();
        }
        let by_worth = ByWorth(self.scores);
        let worth = |row: u32| {
            let item = self.scores.baseline.item_features(row);
            let signals = Signals { item, ..Signals::default() };
            (by_worth.score(&self.scores.scale, &signals), (row, signals))
        };
        let mut popular = popular.into_iter().peekable();
        // No later member is worth more than this, unless it is among the popular ones.
        let mut members = members.map(worth).peekable();
        let mut entries = Vec::new();
        while entries.len() < limit {
            let most = members.peek().map(|(worth, _)| *worth);
            let next = match popular.next_if(|(worth, _)| most.is_none_or(|most| *worth >= most)) {
                Some((_, popular)) => popular,
                None => match members.next() {
                    Some((_, (row, signals))) if self.scores.is_unpopular(row) => self.entry(row, signals),
                    Some(_) => continue,
                    None => break,
                },
            };
            entries.push(next);
        }
        entries
    }

    fn pool_of(&self, entries: &[Entry]) -> Pool {
        let column = |of: &dyn Fn(&Signals) -> f64| entries.iter().map(|entry| of(&entry.signals)).collect();
        let mut columns = [const { None }; WIDTH];
        columns[POPULARITY] = Some(column(&|signals| self.scores.scale.popularity(&signals.counts)));
        for (index, feature) in ITEM.into_iter().enumerate() {
            let in_use = FEATURES[feature].in_use(self.scores.model);
            columns[feature] = in_use.then(|| column(&|signals| signals.item[index]));
        }
        let rows = entries.iter().map(|entry| entry.row).collect();
        let ranks = entries.iter().map(|entry| entry.rank).collect();
        let category_sets = entries.iter().map(|entry| self.layout.category_set(entry.row)).collect();
        Pool::new(rows, ranks, category_sets, columns, &self.scores.model.weights())
    }
}
