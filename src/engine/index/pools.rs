//! What is the same for every user at an instant under a model: the item-level features, and the
//! candidate pools in the order that each source gives them.
//!
//! Most items of a large catalog have no event in any window. Of these only the order by age matters,
//! which the layout keeps; so pools are filled from the active rows and from the heads of that order, and
//! cost what is active and not what there is.

use std::cmp::Ordering;
use std::sync::{Arc, LazyLock};

use super::baseline::Baseline;
use super::collect::collect;
use super::item_counts::ItemCounts;
use super::layout::{Layout, PartitionMap, Partitions};
use super::liveness::{Liveness, NotLive, not_live};
use super::pool::Pool;
use crate::engine::config::MAX_WINDOWS;
use crate::engine::events::event::Timestamp;
use crate::engine::rank::model::Model;
use crate::engine::windows::window::Ladder;

/// Item-level features and pools, immutable.
#[derive(Debug)]
pub struct Pools {
    /// The rows.
    pub layout: Arc<Layout>,
    /// The model that weighs them.
    pub model: Arc<Model>,
    /// The instant that they hold for.
    pub as_of: Timestamp,
    /// The earliest instant that could have been asked for.
    pub floor: Timestamp,
    /// From each partition's numbers to rows; empty for one that is not here.
    pub maps: Vec<Arc<PartitionMap>>,
    /// Which rows are live at the instant.
    pub liveness: Arc<Liveness>,
    /// How often each row was acted on.
    pub counts: Arc<ItemCounts>,
    /// Every row, as if nobody had acted on anything.
    pub baseline: Arc<Baseline>,
    /// The rows that were acted on, live or not.
    pub active: Arc<Pool>,
    /// The most popular live rows.
    pub popular: Arc<Pool>,
    /// The live rows that trend, strongest first.
    pub trending: Arc<Vec<Trending>>,
    /// The first of them: as many as are candidates.
    pub trending_most: Arc<Pool>,
    /// The newest live rows.
    pub fresh: Arc<Pool>,
    /// The best live rows of each category.
    pub by_category: Vec<CategoryPool>,
}

/// The best live rows of a category.
#[derive(Clone, Debug, Default)]
pub struct CategoryPool {
    /// The rows.
    pub pool: Arc<Pool>,
    /// Whether one of them was acted on: where none was, only age decides.
    active: bool,
}

/// A row that more people turn to than they used to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trending {
    /// The item.
    pub row: u32,
    /// Standard deviations above what was expected.
    pub score: f64,
    /// Interactions in the short window.
    pub recent: u32,
    /// Interactions that the long window leads to expect in the short one.
    pub expected: f64,
}

/// What all models that count the same event types share at an instant.
#[derive(Clone)]
pub(super) struct Shared {
    pub layout: Arc<Layout>,
    pub as_of: Timestamp,
    pub floor: Timestamp,
    pub maps: Vec<Arc<PartitionMap>>,
    pub liveness: Arc<Liveness>,
    pub counts: Arc<ItemCounts>,
    pub windows: Ladder,
}

/// The weight of each feature: interest, popularity, recency, boost.
pub fn weights(model: &Model) -> [f64; 4] {
    [model.interest_weight, model.popularity_weight, model.recency_weight, 1.0]
}

impl Pools {
    /// Computes the pools of an instant from all facts.
    pub fn build(
        layout: Arc<Layout>,
        partitions: &(impl Partitions + ?Sized),
        model: Arc<Model>,
        as_of: Timestamp,
    ) -> Self {
        let (mut maps, mut floor, mut facts) = (Vec::new(), Timestamp(i64::MIN), Vec::new());
        let mut windows = Ladder::new(&[]);
        for partition in 0..partitions.len() {
            let Some(collected) = collect(partitions, partition, &layout, Arc::default(), false) else {
                maps.push(Arc::default());
                continue;
            };
            let map = collected.map;
            let rows = collected.facts.into_iter().map(|fact| (map.known_row(fact.item), fact));
            facts.extend(rows.filter_map(|(row, fact)| Some((row? as u32, fact))));
            floor = floor.max(collected.floor);
            windows = collected.windows;
            maps.push(map);
        }
        let counts = Arc::new(ItemCounts::of(&windows, layout.len(), model.positive_types(), as_of, &facts));
        let liveness = Arc::new(Liveness::new(&layout, as_of));
        let baseline = Baseline::new(&layout, &model, as_of);
        let shared = Shared { layout, as_of, floor, maps, liveness, counts, windows };
        Self::of(&shared, model, baseline, None)
    }

    /// The pools of an instant for a model. `before` are earlier ones of the same layout, liveness and
    /// baseline, whose unchanged parts are taken over.
    pub(super) fn of(
        shared: &Shared,
        model: Arc<Model>,
        baseline: Arc<Baseline>,
        before: Option<&Pools>,
    ) -> Self {
        let shares = shares(&model, shared.counts.most());
        let popularity: Vec<f64> =
            shared.counts.active().map(|(_, counts)| popularity(&shares, counts)).collect();
        let filling = Filling { shared, model: &model, baseline: &baseline, popularity: &popularity };
        let active = filling.pool(shared.counts.rows().to_vec());
        let trending = filling.trending();
        let most = trending.iter().take(model.candidates.trending).map(|trending| trending.row).collect();
        Self {
            popular: Arc::new(filling.popular()),
            trending_most: Arc::new(filling.pool(most)),
            fresh: before.map_or_else(|| Arc::new(filling.fresh()), |before| Arc::clone(&before.fresh)),
            by_category: filling.by_category(&active, before),
            trending: Arc::new(trending),
            active: Arc::new(active),
            layout: Arc::clone(&shared.layout),
            as_of: shared.as_of,
            floor: shared.floor,
            maps: shared.maps.clone(),
            liveness: Arc::clone(&shared.liveness),
            counts: Arc::clone(&shared.counts),
            baseline,
            model,
        }
    }

    /// Interactions with a row's item by window.
    pub fn counts(&self, row: u32) -> Vec<u32> {
        self.counts.get(row).map_or_else(|| vec![0; self.model.popularity_windows.len()], <[u32]>::to_vec)
    }

    /// Interactions with the most popular item by window.
    pub fn most(&self) -> [u32; MAX_WINDOWS] {
        self.counts.most()
    }

    /// The popularity, recency and boost of a row at `t`, which is not earlier than [`Self::as_of`].
    pub fn features(&self, row: u32, t: Timestamp) -> [f64; 3] {
        let popularity = self.counts.place(row).map_or(0.0, |place| self.active.popularity(place));
        let (recency, boost) = self.baseline.pool.recency_and_boost(row as usize);
        // What is yet to be created would be more than new.
        [popularity, (recency * self.ageing(t)).min(1.0), boost]
    }

    /// Whether and why a row may not be recommended at `t`.
    pub fn not_live(&self, row: u32, t: Timestamp) -> Option<NotLive> {
        self.layout.item(row).and_then(|item| not_live(item, t))
    }

    /// The factor from the recency that pools hold to that at `t`.
    pub fn ageing(&self, t: Timestamp) -> f64 {
        self.baseline.ageing(&self.model, t)
    }
}

/// Pools on their way.
struct Filling<'a> {
    shared: &'a Shared,
    model: &'a Model,
    baseline: &'a Baseline,
    /// Of the active rows.
    popularity: &'a [f64],
}

impl Filling<'_> {
    fn pool(&self, rows: Vec<u32>) -> Pool {
        self.baseline.pool.select(rows, |row| self.popularity_of(row))
    }

    fn popularity_of(&self, row: u32) -> f64 {
        self.shared.counts.place(row).map_or(0.0, |place| self.popularity[place])
    }

    fn is_still(&self, row: &u32) -> bool {
        self.shared.liveness.is_live(*row) && self.shared.counts.place(*row).is_none()
    }

    fn popular(&self) -> Pool {
        let limit = self.model.candidates.popular;
        let active = self.shared.counts.rows().iter().copied();
        let mut rows: Vec<u32> = active.filter(|row| self.shared.liveness.is_live(*row)).collect();
        // Nobody acted on the others: the first of them will do for those who are not enough.
        rows.extend((0..self.shared.layout.len() as u32).filter(|row| self.is_still(row)).take(limit));
        self.pool(best(rows, limit, |a, b| {
            self.popularity_of(*b).total_cmp(&self.popularity_of(*a)).then(a.cmp(b))
        }))
    }

    fn fresh(&self) -> Pool {
        let dated = self.shared.layout.newest_first().iter().copied();
        let live = dated.filter(|row| self.shared.liveness.is_live(*row));
        self.pool(live.take(self.model.candidates.fresh).collect())
    }

    /// What trends, by the count in the short window against what the long one leads to expect, in
    /// standard deviations of a Poisson count of that expectation.
    fn trending(&self) -> Vec<Trending> {
        let (trend, windows) = (self.model.trending, &self.shared.windows);
        if trend.short == trend.long {
            return Vec::new();
        }
        let share = windows.window(trend.short) as f64 / windows.window(trend.long).max(1) as f64;
        let of = |(row, counts): (u32, &[u32])| {
            let recent = *counts.get(trend.short).filter(|recent| **recent > 0)?;
            let expected = f64::from(*counts.get(trend.long)?) * share;
            let score = (f64::from(recent) - expected) / (expected + trend.evidence).sqrt();
            let trends = score > 0.0 && self.shared.liveness.is_live(row);
            trends.then_some(Trending { row, score, recent, expected })
        };
        let mut trending: Vec<Trending> = self.shared.counts.active().filter_map(of).collect();
        trending.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.row.cmp(&b.row)));
        trending
    }

    /// The best of each category by the part of a score that is the same for every user.
    fn by_category(&self, active: &Pool, before: Option<&Pools>) -> Vec<CategoryPool> {
        let Shared { layout, liveness, .. } = self.shared;
        let ageing = self.baseline.ageing(self.model, self.shared.as_of);
        let mut worth = Vec::new();
        active.score(|_| 0.0, weights(self.model), ageing, &mut worth);
        let mut acted_on: Vec<Vec<(f64, u32)>> = vec![Vec::new(); layout.categories_len()];
        for (row, worth) in active.rows().iter().zip(&worth).filter(|(row, _)| liveness.is_live(**row)) {
            for category in layout.categories(*row) {
                acted_on[*category as usize].push((*worth, *row));
            }
        }
        // Without popularity an item is worth what it was, less by a factor that all have in common.
        let kept = |category: usize| {
            let pool = before?.by_category.get(category)?;
            (!pool.active && self.goes_by_age()).then(|| pool.clone())
        };
        let pool = |(category, acted_on): (usize, Vec<(f64, u32)>)| match kept(category) {
            Some(kept) if acted_on.is_empty() => kept,
            _ => {
                CategoryPool { active: !acted_on.is_empty(), pool: self.category(category, acted_on, ageing) }
            }
        };
        acted_on.into_iter().enumerate().map(pool).collect()
    }

    fn category(&self, category: usize, acted_on: Vec<(f64, u32)>, ageing: f64) -> Arc<Pool> {
        let limit = self.model.candidates.per_category;
        let members = self.shared.layout.members_newest_first(category as u32).iter().copied();
        let still = members.filter(|row| self.is_still(row));
        // Of those that go by age the first few are the best.
        let still = still.take(if self.goes_by_age() { limit } else { usize::MAX });
        let mut rows = acted_on;
        rows.extend(still.map(|row| (self.still_worth(row, ageing), row)));
        let worth: Vec<(f64, u32)> = best(rows, limit, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        Arc::new(self.pool(worth.into_iter().map(|(_, row)| row).collect()))
    }

    /// Whether, of two rows that nobody acted on, the younger one is never worth less.
    fn goes_by_age(&self) -> bool {
        self.model.recency_weight >= 0.0 && self.model.boosts.is_empty()
    }

    fn still_worth(&self, row: u32, ageing: f64) -> f64 {
        let (recency, boost) = self.baseline.pool.recency_and_boost(row as usize);
        // As `Pool::score` adds it up.
        0.0 + self.model.recency_weight * (recency * ageing) + boost
    }
}

/// What a window adds to the popularity for each unit of ln(1 + count).
fn shares(model: &Model, most: [u32; MAX_WINDOWS]) -> Vec<f64> {
    let windows = model.popularity_windows.iter().zip(most);
    windows.map(|(weight, most)| if most == 0 { 0.0 } else { weight / f64::from(most).ln_1p() }).collect()
}

fn popularity(shares: &[f64], counts: &[u32]) -> f64 {
    shares.iter().zip(counts).map(|(share, count)| share * ln_1p(*count)).sum()
}

/// ln(1 + count). Most counts are small, and each is asked for by every model again and again.
fn ln_1p(count: u32) -> f64 {
    static SMALL: LazyLock<Vec<f64>> =
        LazyLock::new(|| (0..4096).map(|count| f64::from(count).ln_1p()).collect());
    SMALL.get(count as usize).copied().unwrap_or_else(|| f64::from(count).ln_1p())
}

/// The `limit` best, best first. What comes early is likely to stay in a list, so that most of what comes
/// after can be told at once not to be in it.
fn best<T>(mut all: Vec<T>, limit: usize, order: impl Fn(&T, &T) -> Ordering) -> Vec<T> {
    if limit == 0 {
        all.clear();
    } else if limit < all.len() {
        all.select_nth_unstable_by(limit - 1, &order);
        all.truncate(limit);
    }
    all.sort_unstable_by(order);
    all
}
