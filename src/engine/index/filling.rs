//! Fills the pools of a model, from the rows that have changed since it last did.

use std::sync::Arc;

use super::baseline::Baseline;
use super::item_scores::{ByPopularity, ByTrend, ByWorth, ItemScores, Shared};
use super::layout::Layout;
use super::pool::Pool;
use super::pools::{CategoryPool, Pools, TRENDING};
use super::signals::Signals;
use super::top_view::{Entry, Order, TopView};
use crate::engine::rank::features::columns::WIDTH;
use crate::engine::rank::features::{FEATURES, ITEM, POPULARITY};
use crate::engine::rank::model::Model;

/// What is kept from one filling to the next, for one model, one layout and one baseline.
#[derive(Debug)]
pub(super) struct Views {
    popular: TopView,
    trending: TopView,
    /// Those rows of each category that age alone does not rank. None: to be filled.
    categories: Option<Vec<TopView>>,
}

/// How many more than are asked for the views over all rows keep, for each that is asked for.
const SPARE: usize = 4;

impl Views {
    /// Empty views for a model.
    pub fn new(model: &Model) -> Self {
        let view = |limit: usize| TopView::new(limit, limit.saturating_mul(SPARE));
        Self {
            popular: view(model.candidates.popular),
            trending: view(model.candidates.trending.max(TRENDING)),
            categories: None,
        }
    }

    /// Takes in that rows have changed, ascending: counts, or whether they are live.
    pub fn update(&mut self, shared: &Shared, model: &Model, baseline: &Baseline, changed: &[u32]) {
        let scores = ItemScores::new(shared, model, baseline);
        self.popular.update(changed, &ByPopularity(&scores));
        self.trending.update(changed, &ByTrend(&scores));
        let Some(views) = &mut self.categories else { return };
        let categories =
            |row: u32| shared.layout.categories(row).iter().map(move |category| (*category, row));
        let mut by_category: Vec<(u32, u32)> = changed.iter().flat_map(|row| categories(*row)).collect();
        by_category.sort_unstable();
        for same in by_category.chunk_by(|a, b| a.0 == b.0) {
            let rows: Vec<u32> = same.iter().map(|(_, row)| *row).collect();
            views[same[0].0 as usize].update(&rows, &ByWorth(&scores));
        }
    }

    /// The pools of an instant. `before` are earlier ones of the same layout, liveness and baseline, whose
    /// unchanged parts are taken over.
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
                limits.per_category,
                limits.per_category / 2,
                &ByWorth(&scores),
                0..shared.layout.len() as u32,
                |row| shared.layout.categories(row),
            )
        });
        let category = |(category, view): (u32, &mut TopView)| filling.category(category, view, before);
        Pools {
            by_category: (0..).zip(categories).map(category).collect(),
            popular: Arc::new(filling.popular(popular.iter().map(|(_, entry)| entry.row).collect())),
            trending_most: Arc::new(filling.pool(most)),
            trending: Arc::new(ByTrend(&scores).trending(trending)),
            fresh: before.map_or_else(|| Arc::new(filling.fresh()), |before| Arc::clone(&before.fresh)),
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

/// Pools on their way.
struct Filling<'a> {
    scores: &'a ItemScores<'a>,
    layout: &'a Layout,
}

impl Filling<'_> {
    fn pool(&self, rows: Vec<u32>) -> Pool {
        self.scores.baseline.pool.select(rows, |row| self.scores.popularity(row))
    }

    /// The others come in the order of rows, if there are too few with popularity.
    fn popular(&self, mut rows: Vec<u32>) -> Pool {
        let missing = self.scores.model.candidates.popular - rows.len();
        let others = (0..self.layout.len() as u32).filter(|row| self.is_unpopular(*row));
        rows.extend(others.take(missing));
        self.pool(rows)
    }

    fn fresh(&self) -> Pool {
        let dated = self.layout.newest_first().iter().copied();
        let live = dated.filter(|row| self.scores.liveness.is_live(*row));
        self.pool(live.take(self.scores.model.candidates.fresh).collect())
    }

    fn category(&self, category: u32, view: &mut TopView, before: Option<&Pools>) -> CategoryPool {
        let limit = self.scores.model.candidates.per_category;
        let members = self.layout.members_newest_first(category);
        let best = view.top(&ByWorth(self.scores), || members.iter().copied());
        // Without popularity an item is worth what it was, less by a factor that all have in common.
        let known = before.and_then(|before| before.by_category.get(category as usize));
        match known.filter(|known| !known.popular && best.is_empty()) {
            Some(known) if self.scores.goes_by_age() => known.clone(),
            _ => CategoryPool {
                popular: !best.is_empty() || !self.scores.goes_by_age(),
                pool: Arc::new(self.entries(self.with_unpopular(best, members, limit))),
            },
        }
    }

    /// The best of rows with popularity, best first, and of others. Those are in the order of their age, which
    /// is that of their worth, and still tells them apart where they are too old for any recency.
    fn with_unpopular(&self, popular: Vec<(f64, Entry)>, members: &[u32], limit: usize) -> Vec<Entry> {
        if !self.scores.goes_by_age() {
            // All of them are ranked already.
            return popular.into_iter().map(|(_, entry)| entry).collect();
        }
        let by_worth = ByWorth(self.scores);
        let worth = |row: u32| {
            let entry = self.unpopular(row);
            (by_worth.score(&self.scores.scale, &entry.signals), entry)
        };
        let mut popular = popular.into_iter().peekable();
        // No later member is worth more than this, unless it is among the popular ones.
        let mut members = members.iter().map(|row| worth(*row)).peekable();
        let mut best = Vec::with_capacity(limit.min(popular.len() + members.len()));
        while best.len() < limit {
            let most = members.peek().map(|(worth, _)| *worth);
            match popular.next_if(|(worth, _)| most.is_none_or(|most| *worth >= most)) {
                Some((_, entry)) => best.push(entry),
                None => match members.next() {
                    Some((_, entry)) if self.is_unpopular(entry.row) => best.push(entry),
                    Some(_) => {}
                    None => break,
                },
            }
        }
        best
    }

    fn unpopular(&self, row: u32) -> Entry {
        let item = self.scores.baseline.pool.item_features(row as usize);
        Entry { row, signals: Signals { item, ..Signals::default() } }
    }

    fn entries(&self, entries: Vec<Entry>) -> Pool {
        let column = |of: &dyn Fn(&Signals) -> f64| entries.iter().map(|entry| of(&entry.signals)).collect();
        let mut columns = [const { None }; WIDTH];
        columns[POPULARITY] = Some(column(&|signals| self.scores.scale.popularity(&signals.counts)));
        for (index, feature) in ITEM.into_iter().enumerate() {
            let in_use = FEATURES[feature].in_use(self.scores.model);
            columns[feature] = in_use.then(|| column(&|signals| signals.item[index]));
        }
        Pool::new(
            entries.iter().map(|entry| entry.row).collect(),
            entries.iter().map(|entry| self.layout.category_set(entry.row)).collect(),
            columns,
        )
    }

    fn is_unpopular(&self, row: u32) -> bool {
        self.scores.liveness.is_live(row) && !self.scores.is_popular(row)
    }
}
