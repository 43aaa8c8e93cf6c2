//! What is the same for every user at an instant under a model: the item-level features, and the
//! candidate pools in the order that each source gives them.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::engine::config::MAX_WINDOWS;
use crate::engine::events::event::Timestamp;
use crate::engine::facts::popularity::accumulate;
use crate::engine::index::item_counts::{Census, take};
use crate::engine::index::layout::{Layout, PartitionMap, Partitions};
use crate::engine::index::pool::Pool;
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
    /// The first instant after `as_of` at which a live item expires.
    pub next_expiry: Timestamp,
    /// From each partition's numbers to rows; empty for one that is not here.
    pub maps: Vec<Arc<PartitionMap>>,
    /// Interactions by window, for each row: `counts[row * windows + window]`.
    counts: Vec<u32>,
    windows: usize,
    /// The counts of the most popular item, by window.
    pub most: [u32; MAX_WINDOWS],
    /// Every row, live or not, at its own place.
    pub all: Pool,
    /// How many rows may be recommended.
    pub live: usize,
    /// The most popular live rows.
    pub popular: Pool,
    /// The live rows that trend, strongest first.
    pub trending: Vec<Trending>,
    /// The first of them: as many as are candidates.
    pub trending_most: Pool,
    /// The newest live rows.
    pub fresh: Pool,
    /// The best live rows of each category.
    pub by_category: Vec<Pool>,
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

/// The weight of each feature: interest, popularity, recency, boost.
pub fn weights(model: &Model) -> [f64; 4] {
    [model.interest_weight, model.popularity_weight, model.recency_weight, 1.0]
}

/// Why an item is not live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotLive {
    /// The catalog says that it is not available.
    Unavailable,
    /// Its `expires_at` has come.
    Expired,
    /// Its `created_at` is still to come.
    NotYetCreated,
}

impl Pools {
    /// Computes the pools of an instant. `before` are pools whose maps can be used again.
    pub fn build(
        layout: Arc<Layout>,
        partitions: &(impl Partitions + ?Sized),
        model: Arc<Model>,
        as_of: Timestamp,
        before: Option<&Pools>,
    ) -> Self {
        let before = before.filter(|pools| Arc::ptr_eq(&pools.layout, &layout));
        let windows = model.popularity_windows.len().min(MAX_WINDOWS);
        let mut pools = Self {
            maps: Vec::new(),
            floor: Timestamp(i64::MIN),
            next_expiry: Timestamp(i64::MAX),
            counts: vec![0; layout.len() * windows],
            windows,
            most: [0; MAX_WINDOWS],
            all: Pool::default(),
            live: 0,
            popular: Pool::default(),
            trending: Vec::new(),
            trending_most: Pool::default(),
            fresh: Pool::default(),
            by_category: Vec::new(),
            layout,
            model,
            as_of,
        };
        let mask = pools.model.positive_types();
        let mut ladder = Ladder::new(&[]);
        for partition in 0..partitions.len() {
            let known = before.and_then(|pools| pools.maps.get(partition)).cloned();
            let known = known.unwrap_or_default();
            let Some(census) = take(partitions, partition, &pools.layout, mask, as_of, known) else {
                pools.maps.push(Arc::default());
                continue;
            };
            pools.add(&census);
            pools.floor = pools.floor.max(census.floor);
            pools.maps.push(census.map);
            ladder = census.ladder;
        }
        pools.compute_features();
        pools.fill(&ladder);
        pools
    }

    /// Interactions with a row's item by window.
    pub fn counts(&self, row: u32) -> &[u32] {
        let start = row as usize * self.windows;
        self.counts.get(start..start + self.windows).unwrap_or(&[])
    }

    /// Whether and why a row may not be recommended at `t`.
    pub fn not_live(&self, row: u32, t: Timestamp) -> Option<NotLive> {
        let item = self.layout.item(row)?;
        if !item.available {
            Some(NotLive::Unavailable)
        } else if item.expires_at.is_some_and(|expires_at| expires_at <= t) {
            Some(NotLive::Expired)
        } else if item.created_at.is_some_and(|created_at| created_at > t) {
            Some(NotLive::NotYetCreated)
        } else {
            None
        }
    }

    /// The factor from the recency at [`Self::as_of`] to that at `t`, which is not earlier.
    pub fn ageing(&self, t: Timestamp) -> f64 {
        (-((t.0 - self.as_of.0).max(0) as f64) / self.model.half_life as f64).exp2()
    }

    fn add(&mut self, census: &Census) {
        for (item, first, count) in &census.counts {
            if let Some(row) = census.map.known_row(*item) {
                let cell = &mut self.counts[row * self.windows + usize::from(*first)];
                *cell = cell.saturating_add(*count);
            }
        }
    }

    fn compute_features(&mut self) {
        let windows = self.windows.max(1);
        for row in self.counts.chunks_exact_mut(windows) {
            accumulate(row);
            for (most, count) in self.most.iter_mut().zip(row) {
                *most = (*most).max(*count);
            }
        }
        let (layout, model) = (Arc::clone(&self.layout), Arc::clone(&self.model));
        let shares: Vec<f64> = model
            .popularity_windows
            .iter()
            .zip(self.most)
            .map(|(weight, most)| if most == 0 { 0.0 } else { weight / f64::from(most).ln_1p() })
            .collect();
        let rows: Vec<u32> = (0..layout.len() as u32).collect();
        let counts = rows.iter().map(|row| self.counts(*row));
        let popularity = counts.map(|counts| popularity(&shares, counts)).collect();
        let recency = rows.iter().map(|row| self.recency_of(*row)).collect();
        let boosts = || rows.iter().map(|row| boost(&layout, &model, *row)).collect();
        let boost = (!model.boosts.is_empty()).then(boosts);
        let lists = rows.iter().map(|row| layout.list(*row)).collect();
        self.all = Pool::new(rows, lists, popularity, recency, boost);
    }

    fn recency_of(&self, row: u32) -> f64 {
        let created_at = self.layout.item(row).and_then(|item| item.created_at);
        created_at.map_or(0.0, |created_at| {
            let age = self.as_of.0.saturating_sub(created_at.0).max(0);
            (-(age as f64) / self.model.half_life as f64).exp2()
        })
    }

    fn fill(&mut self, ladder: &Ladder) {
        let limits = self.model.candidates;
        let is_live = |row: &u32| self.not_live(*row, self.as_of).is_none();
        let live: Vec<u32> = self.all.rows().iter().copied().filter(is_live).collect();
        self.live = live.len();
        let expiries = live.iter().filter_map(|row| self.layout.item(*row)?.expires_at);
        self.next_expiry = expiries.min().unwrap_or(self.next_expiry);

        let popularity = |row: &u32| self.all.features(*row)[0];
        let most = best(live.clone(), limits.popular, |a, b| popularity(b).total_cmp(&popularity(a)));
        self.popular = self.all.select(&most);

        let created = |row: &u32| self.layout.item(*row).and_then(|item| item.created_at);
        let dated = live.iter().copied().filter(|row| created(row).is_some()).collect();
        self.fresh = self.all.select(&best(dated, limits.fresh, |a, b| created(b).cmp(&created(a))));

        self.trending = live.iter().filter_map(|row| self.trend(ladder, *row)).collect();
        self.trending.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.row.cmp(&b.row)));
        let first = self.trending.iter().take(limits.trending).map(|trending| trending.row);
        self.trending_most = self.all.select(&first.collect::<Vec<u32>>());

        let mut by_category = vec![Vec::new(); self.layout.categories_len()];
        for row in &live {
            for category in self.layout.categories(*row) {
                by_category[*category as usize].push(*row);
            }
        }
        // The part of a score that is the same for every user.
        let mut worth = Vec::new();
        self.all.score(|_| 0.0, weights(&self.model), 1.0, &mut worth);
        let worth = |row: &u32| worth[*row as usize];
        let pool =
            |rows| self.all.select(&best(rows, limits.per_category, |a, b| worth(b).total_cmp(&worth(a))));
        self.by_category = by_category.into_iter().map(pool).collect();
    }

    /// The count in the short window against what the long one leads to expect, in standard
    /// deviations of a Poisson count of that expectation.
    fn trend(&self, ladder: &Ladder, row: u32) -> Option<Trending> {
        let trend = self.model.trending;
        if trend.short == trend.long {
            return None;
        }
        let counts = self.counts(row);
        let recent = *counts.get(trend.short).filter(|recent| **recent > 0)?;
        let share = ladder.window(trend.short) as f64 / ladder.window(trend.long).max(1) as f64;
        let expected = f64::from(*counts.get(trend.long)?) * share;
        let score = (f64::from(recent) - expected) / (expected + trend.evidence).sqrt();
        (score > 0.0).then_some(Trending { row, score, recent, expected })
    }
}

fn popularity(shares: &[f64], counts: &[u32]) -> f64 {
    // Most items of a large catalog have no recent interaction at all.
    if counts.last().is_none_or(|longest| *longest == 0) {
        return 0.0;
    }
    shares.iter().zip(counts).map(|(share, count)| share * f64::from(*count).ln_1p()).sum()
}

fn boost(layout: &Layout, model: &Model, row: u32) -> f64 {
    let of = |category: &u32| {
        let name = layout.category_name(*category);
        model.boosts.iter().find(|boost| boost.category == name).map_or(0.0, |boost| boost.add)
    };
    layout.categories(row).iter().map(of).sum()
}

/// The `limit` best rows, best first; the lower of rows that are as good. What comes early is likely
/// to stay in a list, so that most of what comes after can be told at once not to be in it.
fn best(mut rows: Vec<u32>, limit: usize, order: impl Fn(&u32, &u32) -> Ordering) -> Vec<u32> {
    let order = |a: &u32, b: &u32| order(a, b).then_with(|| a.cmp(b));
    if limit == 0 {
        rows.clear();
    } else if limit < rows.len() {
        rows.select_nth_unstable_by(limit - 1, order);
        rows.truncate(limit);
    }
    rows.sort_unstable_by(order);
    rows
}
