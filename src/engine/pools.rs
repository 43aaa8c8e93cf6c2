//! What is the same for every user at an instant under a model: the item-level features, and the
//! candidate pools in the order that each source gives them.

use std::sync::Arc;

use super::event::Timestamp;
use super::layout::{Layout, PartitionMap, Partitions};
use super::model::Model;
use super::popularity::accumulate;
use super::stream::MAX_WINDOWS;
use super::window::Ladder;

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
    /// From each partition's numbers to rows.
    pub maps: Vec<Arc<PartitionMap>>,
    /// Interactions by window, for each row: `counts[row * windows + window]`.
    counts: Vec<u32>,
    windows: usize,
    /// The counts of the most popular item, by window.
    pub most: [u32; MAX_WINDOWS],
    /// What is known of each row.
    pub facts: Vec<Facts>,
    /// The boost of each row, or nothing if the model has none.
    pub boost: Vec<f64>,
    /// The rows that may be recommended, by id.
    pub live: Vec<u32>,
    /// The most popular live rows. Pools are in the order of rows, which is how a request reads
    /// what it scores them by.
    pub popular: Vec<u32>,
    /// The live rows that trend, strongest first.
    pub trending: Vec<Trending>,
    /// The newest live rows.
    pub fresh: Vec<u32>,
    /// The best live rows of each category.
    pub by_category: Vec<Vec<u32>>,
}

/// The features that are the same for every user, side by side, as they are read together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Facts {
    /// In [0, 1].
    pub popularity: f64,
    /// At the pools' instant, in [0, 1].
    pub recency: f64,
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
            facts: Vec::new(),
            boost: Vec::new(),
            live: Vec::new(),
            popular: Vec::new(),
            trending: Vec::new(),
            fresh: Vec::new(),
            by_category: Vec::new(),
            layout,
            model,
            as_of,
        };
        let mut ladder = Ladder::new(&[]);
        for partition in 0..partitions.len() {
            let known = before.and_then(|pools| pools.maps.get(partition));
            partitions.with(partition, &mut |state| {
                pools.count(state, known);
                if ladder.is_empty() {
                    ladder = state.popularity_ladder().clone();
                }
            });
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

    fn count(&mut self, state: &super::state::PartitionState, known: Option<&Arc<PartitionMap>>) {
        let map = match known {
            Some(map) if map.covers(state) => Arc::clone(map),
            known => {
                let mut map = known.map_or_else(PartitionMap::default, |map| PartitionMap::clone(map));
                map.extend(&self.layout, state);
                Arc::new(map)
            }
        };
        let (windows, counts) = (self.windows, &mut self.counts);
        let mask = self.model.positive_types();
        state.popularity().count(state.popularity_ladder(), mask, self.as_of, |item, first, count| {
            if let Some(row) = map.known_row(item) {
                let cell = &mut counts[row * windows + first];
                *cell = cell.saturating_add(count);
            }
        });
        self.floor = self.floor.max(state.floor());
        self.maps.push(map);
    }

    fn compute_features(&mut self) {
        let windows = self.windows.max(1);
        for row in self.counts.chunks_exact_mut(windows) {
            accumulate(row);
            for (most, count) in self.most.iter_mut().zip(row) {
                *most = (*most).max(*count);
            }
        }
        let model = Arc::clone(&self.model);
        let shares: Vec<f64> = model
            .popularity_windows
            .iter()
            .zip(self.most)
            .map(|(weight, most)| if most == 0 { 0.0 } else { weight / f64::from(most).ln_1p() })
            .collect();
        let layout = Arc::clone(&self.layout);
        let rows = 0..layout.len() as u32;
        let counts = rows.clone().zip(self.counts.chunks_exact(windows));
        let facts =
            |(row, counts)| Facts { popularity: popularity(&shares, counts), recency: self.recency_of(row) };
        self.facts = counts.map(facts).collect();
        if !model.boosts.is_empty() {
            self.boost = rows.clone().map(|row| boost(&layout, &model, row)).collect();
        }
        self.live = rows.filter(|row| self.not_live(*row, self.as_of).is_none()).collect();
        let expiries = self.live.iter().filter_map(|row| self.layout.item(*row)?.expires_at);
        self.next_expiry = expiries.min().unwrap_or(self.next_expiry);
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
        let mut ranked = self.live.clone();
        let popularity = |row: &u32| self.facts[*row as usize].popularity;
        let more_popular = |a: &u32, b: &u32| popularity(b).total_cmp(&popularity(a)).then_with(|| a.cmp(b));
        best(&mut ranked, limits.popular, more_popular);
        self.popular = ranked;

        let created = |row: &u32| self.layout.item(*row).and_then(|item| item.created_at);
        let mut dated: Vec<u32> = self.live.iter().copied().filter(|row| created(row).is_some()).collect();
        best(&mut dated, limits.fresh, |a, b| created(b).cmp(&created(a)).then_with(|| a.cmp(b)));
        self.fresh = dated;

        self.trending = self.live.iter().filter_map(|row| self.trend(ladder, *row)).collect();
        self.trending.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.row.cmp(&b.row)));

        let mut by_category = vec![Vec::new(); self.layout.categories_len()];
        for row in &self.live {
            for category in self.layout.categories(*row) {
                by_category[*category as usize].push(*row);
            }
        }
        let worth: Vec<f64> = (0..self.layout.len()).map(|row| self.worth(row)).collect();
        for rows in &mut by_category {
            best(rows, limits.per_category, |a, b| {
                worth[*b as usize].total_cmp(&worth[*a as usize]).then_with(|| a.cmp(b))
            });
        }
        self.by_category = by_category;
    }

    /// The part of a score that is the same for every user.
    fn worth(&self, row: usize) -> f64 {
        self.model.popularity_weight * self.facts[row].popularity
            + self.model.recency_weight * self.facts[row].recency
            + self.boost.get(row).copied().unwrap_or(0.0)
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

/// Keeps the `limit` best of ascending rows, ascending.
fn best(rows: &mut Vec<u32>, limit: usize, order: impl Fn(&u32, &u32) -> std::cmp::Ordering) {
    if limit == 0 {
        rows.clear();
    } else if limit < rows.len() {
        rows.select_nth_unstable_by(limit - 1, &order);
        rows.truncate(limit);
        rows.sort_unstable();
    }
}
