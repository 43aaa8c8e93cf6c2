//! What is the same for every user at an instant under a model: the item-level features, and the
//! candidate pools in the order that each source gives them.

use std::sync::Arc;

use super::baseline::Baseline;
use super::category_pools::CategoryPools;
use super::filling::Filling;
use super::item_counts::ItemCounts;
use super::item_scores::{ByTrend, ItemScores};
use super::layout::{Layout, RowBlock};
use super::liveness::{Liveness, NotLive, not_live};
use super::partition_map::PartitionMap;
use super::pool::Pool;
use super::signals::{Scale, Trending};
use super::top_view::TopView;
use crate::engine::config::MAX_WINDOWS;
use crate::engine::events::event::Timestamp;
use crate::engine::facts::state::PartitionState;
use crate::engine::rank::features::columns::{Block, Column, Row, WIDTH};
use crate::engine::rank::features::feature::Per;
use crate::engine::rank::features::{FEATURES, ITEM, POPULARITY};
use crate::engine::rank::model::Model;
use crate::engine::rank::related::cache::RelatedCache;
use crate::engine::windows::sliding::WindowSet;

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
    /// What that counts for.
    pub scale: Scale,
    /// The windows of popularity.
    pub windows: WindowSet,
    /// Every row, as if nobody had acted on anything.
    pub baseline: Arc<Baseline>,
    /// The most popular live rows.
    pub popular: Arc<Pool>,
    /// The live rows that trend, strongest first: [`TRENDING`] of them, or as many as are candidates if that
    /// is more.
    pub trending: Arc<Vec<Trending>>,
    /// The first of them: as many as are candidates.
    pub trending_most: Arc<Pool>,
    /// The newest live rows.
    pub fresh: Arc<Pool>,
    /// What was found out of items that users were on.
    pub related: RelatedCache,
    /// See [`Self::category`].
    pub(super) by_category: CategoryPools,
}

/// What is made of a block of all rows when it is to be scored.
#[derive(Debug, Default)]
pub struct Room {
    rows: Vec<u32>,
    popularity: Vec<f64>,
}

/// What is made of rows of anywhere when they are to be scored.
#[derive(Debug, Default)]
pub struct Gathered {
    ranks: Vec<u32>,
    category_sets: Vec<u32>,
    features: [Vec<f64>; WIDTH],
}

/// How many rows that trend are at hand: as many as a list of them may have.
pub const TRENDING: usize = 1000;

impl Pools {
    /// Whether they were made with this state of a partition, and not before it came. The first ones are of nothing.
    pub fn know(&self, partition: usize, state: &PartitionState) -> bool {
        self.maps.is_empty() || self.maps.get(partition).is_some_and(|map| map.is_of_this_state(state))
    }

    /// Interactions with a row's item by window.
    pub fn counts(&self, row: u32) -> Vec<u32> {
        self.counts.get(row).map_or_else(|| vec![0; self.model.popularity_windows.len()], <[u32]>::to_vec)
    }

    /// The part of all that people turn to that is a row's item, in [0, 1].
    pub fn part_of_all(&self, row: u32) -> f64 {
        self.counts.get(row).map_or(0.0, |counts| self.scale.part_of_all(counts, &self.counts.totals()))
    }

    /// Interactions with the most popular item by window.
    pub fn most(&self) -> [u32; MAX_WINDOWS] {
        self.counts.most()
    }

    /// The features of a row at an instant, by the factor [`Self::ageing`] to the recency of then; 0 for those
    /// that depend on the user too.
    #[inline]
    pub fn item_features(&self, row: u32, ageing: f64) -> Row {
        let mut features = [0.0; WIDTH];
        features[POPULARITY] = self.popularity(row);
        for (feature, value) in ITEM.into_iter().zip(self.baseline.item_features(row)) {
            let faded = value * FEATURES[feature].factor(ageing);
            // What is yet to be created would be more than new.
            features[feature] = if FEATURES[feature].fades() { faded.min(1.0) } else { faded };
        }
        features
    }

    /// Rows of all, to be scored. `ageing` is the factor to the recency of now. Popularity is counted as it is
    /// asked for, into the room: most requests never look at all rows, and there may be millions.
    pub fn block<'a>(&'a self, rows: RowBlock<'a>, ageing: f64, room: &'a mut Room) -> Block<'a> {
        let RowBlock { first, ranks, category_sets } = rows;
        let rows = first..first + ranks.len() as u32;
        room.rows.clear();
        room.popularity.clear();
        room.popularity.extend(rows.clone().map(|row| self.popularity(row)));
        room.rows.extend(rows);
        let mut columns = self.baseline.columns(first, ageing);
        columns[POPULARITY] = Column::of(&room.popularity);
        Block { rows: &room.rows, ranks, category_sets, columns }
    }

    /// Rows of anywhere, to be scored. `ageing` is the factor to the recency of now.
    pub fn gather<'a>(&'a self, rows: &'a [u32], ageing: f64, room: &'a mut Gathered) -> Block<'a> {
        room.ranks.clear();
        room.category_sets.clear();
        room.features.iter_mut().for_each(Vec::clear);
        for row in rows {
            room.ranks.push(self.layout.rank(*row));
            room.category_sets.push(self.layout.category_set(*row));
            let features = self.item_features(*row, ageing);
            room.features.iter_mut().zip(features).for_each(|(column, value)| column.push(value));
        }
        let mut columns = [Column::Zero; WIDTH];
        for ((column, feature), values) in columns.iter_mut().zip(&FEATURES).zip(&room.features) {
            if matches!(feature.per, Per::Item(_) | Per::Popularity) {
                *column = Column::of(values);
            }
        }
        Block { rows, ranks: &room.ranks, category_sets: &room.category_sets, columns }
    }

    #[inline]
    fn popularity(&self, row: u32) -> f64 {
        self.counts.get(row).map_or(0.0, |counts| self.scale.popularity(counts))
    }

    /// The `n` live rows that trend most, of those that pass.
    pub fn trending(&self, n: usize, passes: impl Fn(u32) -> bool) -> Vec<Trending> {
        let passing = self.trending.iter().filter(|trending| passes(trending.row));
        let most: Vec<Trending> = passing.take(n).copied().collect();
        if most.len() == n || self.trending.len() < TRENDING {
            return most;
        }
        // A filter that few pass: whoever asks for it pays for a look at all rows.
        let scores = self.scores();
        let passing = self.counts.active().filter(|row| passes(*row));
        let by_trend = ByTrend(&scores);
        TopView::new(n, 0).top(&by_trend, || passing, |score, entry| by_trend.trending(score, entry))
    }

    /// The best live rows of a category, if there is such a category.
    pub fn category(&self, category: u32) -> Option<&Pool> {
        self.by_category.get_or_make(category, || Filling::new(&self.scores()).of_few(category))
    }

    pub(super) fn scores(&self) -> ItemScores<'_> {
        ItemScores {
            layout: &self.layout,
            model: &self.model,
            counts: &self.counts,
            liveness: &self.liveness,
            baseline: &self.baseline,
            scale: self.scale,
            windows: &self.windows,
        }
    }

    /// Whether and why a row may not be recommended at `t`.
    #[inline]
    pub fn not_live(&self, row: u32, t: Timestamp) -> Option<NotLive> {
        self.layout.item(row).and_then(|item| not_live(item, t))
    }

    /// The factor from the recency that pools hold to that at `t`, which is not earlier than [`Self::as_of`].
    #[inline]
    pub fn ageing(&self, t: Timestamp) -> f64 {
        self.baseline.ageing(&self.model, t)
    }
}
