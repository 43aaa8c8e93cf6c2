//! What an item is worth to everybody at an instant, under a model: the part of a score that no user
//! changes, and the three orders that pools are filled in.

use std::sync::Arc;

use super::baseline::Baseline;
use super::item_counts::ItemCounts;
use super::layout::Layout;
use super::liveness::Liveness;
use super::order::{Entry, Order};
use super::partition_map::PartitionMap;
use super::signals::{Scale, Signals, Trending};
use crate::engine::config::MAX_WINDOWS;
use crate::engine::events::event::Timestamp;
use crate::engine::rank::features::feature::{Feature, Per};
use crate::engine::rank::features::{FEATURES, ITEM, POPULARITY};
use crate::engine::rank::model::Model;
use crate::engine::windows::sliding::WindowSet;

/// What all models that count the same event types share at an instant.
#[derive(Clone)]
pub(super) struct Shared {
    pub layout: Arc<Layout>,
    pub as_of: Timestamp,
    pub floor: Timestamp,
    pub maps: Vec<Arc<PartitionMap>>,
    pub liveness: Arc<Liveness>,
    pub counts: Arc<ItemCounts>,
    pub windows: WindowSet,
}

/// The rows of an instant and what they are worth under a model.
pub(super) struct ItemScores<'a> {
    pub layout: &'a Layout,
    pub model: &'a Model,
    pub counts: &'a ItemCounts,
    pub liveness: &'a Liveness,
    pub baseline: &'a Baseline,
    pub scale: Scale,
    pub windows: &'a WindowSet,
}

impl<'a> ItemScores<'a> {
    pub fn new(shared: &'a Shared, model: &'a Model, baseline: &'a Baseline) -> Self {
        Self {
            layout: &shared.layout,
            counts: &shared.counts,
            liveness: &shared.liveness,
            scale: Scale::new(model, shared.counts.most(), baseline.ageing(model, shared.as_of)),
            windows: &shared.windows,
            baseline,
            model,
        }
    }

    /// What a row is ranked by.
    pub fn signals(&self, row: u32) -> Signals {
        Signals { counts: self.counted(row), item: self.baseline.item_features(row) }
    }

    /// How popular a row is.
    #[inline]
    pub fn popularity(&self, row: u32) -> f64 {
        self.counts.get(row).map_or(0.0, |counts| self.scale.popularity(counts))
    }

    /// Whether the row has any popularity under the model.
    pub fn is_popular(&self, row: u32) -> bool {
        let weighed = |counts: &[u32]| {
            counts
                .iter()
                .zip(&self.model.popularity_windows)
                .any(|(count, weight)| *count > 0 && *weight > 0.0)
        };
        self.counts.get(row).is_some_and(weighed)
    }

    /// Whether the row is live without any.
    pub fn is_unpopular(&self, row: u32) -> bool {
        self.liveness.is_live(row) && !self.is_popular(row)
    }

    /// Whether the row is live and its age is known.
    pub fn is_live_and_dated(&self, row: u32) -> bool {
        self.liveness.is_live(row) && self.layout.is_dated(row)
    }

    /// Whether, of two rows without popularity, the younger one is never worth less.
    pub fn goes_by_age(&self) -> bool {
        let weights = self.model.weights();
        let by_age = |(feature, weight): (&Feature, f64)| match &feature.per {
            Per::Item(fill) => !(fill.in_use)(self.model) || (fill.fades && weight >= 0.0),
            Per::Pair(..) | Per::Related(_) | Per::Popularity => true,
        };
        FEATURES.iter().zip(weights).all(by_age)
    }

    fn counted(&self, row: u32) -> [u32; MAX_WINDOWS] {
        let mut counts = [0; MAX_WINDOWS];
        for (slot, count) in counts.iter_mut().zip(self.counts.get(row).unwrap_or_default()) {
            *slot = *count;
        }
        counts
    }

    /// The most that what everybody has of a score has risen by, for signals of at most these.
    fn worth_risen(&self, from: &Scale, to: &Scale, most: &Signals) -> f64 {
        let weights = self.model.weights();
        let item = ITEM.into_iter().zip(most.item).map(|(feature, most)| {
            let factor = |scale: &Scale| FEATURES[feature].factor(scale.ageing);
            (weights[feature] * (factor(to) - factor(from))).max(0.0) * most
        });
        let popularity = popularity_risen(weights[POPULARITY], from, to, most);
        item.fold(popularity, |risen, part| risen + part)
    }
}

/// The most that popularity of a weight has risen by, for counts of at most these.
fn popularity_risen(weight: f64, from: &Scale, to: &Scale, most: &Signals) -> f64 {
    let windows = from.shares.iter().zip(&to.shares).zip(most.counts);
    windows.map(|((from, to), most)| (weight * (to - from)).max(0.0) * f64::from(most).ln_1p()).sum()
}

/// The rows with popularity, by it.
pub(super) struct ByPopularity<'a, 'b>(pub &'b ItemScores<'a>);

impl Order for ByPopularity<'_, '_> {
    fn rank(&self, row: u32) -> u32 {
        self.0.layout.rank(row)
    }

    fn scale(&self) -> &Scale {
        &self.0.scale
    }

    fn signals(&self, row: u32) -> Option<Signals> {
        let is_in = self.0.liveness.is_live(row) && self.0.is_popular(row);
        is_in.then(|| Signals { counts: self.0.counted(row), ..Signals::default() })
    }

    fn score(&self, scale: &Scale, signals: &Signals) -> f64 {
        scale.popularity(&signals.counts)
    }

    fn holds_since(&self, from: &Scale) -> bool {
        from.shares == self.0.scale.shares
    }

    fn risen(&self, from: &Scale, most: &Signals) -> f64 {
        popularity_risen(1.0, from, &self.0.scale, most)
    }

    fn fallen(&self, from: &Scale, most: &Signals) -> f64 {
        popularity_risen(1.0, &self.0.scale, from, most)
    }
}

/// By the part of a score that is the same for every user: the rows with popularity, and the others too
/// if age alone does not tell which of them is worth more.
pub(super) struct ByWorth<'a, 'b>(pub &'b ItemScores<'a>);

impl Order for ByWorth<'_, '_> {
    fn rank(&self, row: u32) -> u32 {
        self.0.layout.rank(row)
    }

    fn scale(&self) -> &Scale {
        &self.0.scale
    }

    fn signals(&self, row: u32) -> Option<Signals> {
        let is_in = self.0.liveness.is_live(row) && (!self.0.goes_by_age() || self.0.is_popular(row));
        is_in.then(|| self.0.signals(row))
    }

    /// As it is for somebody without interests.
    fn score(&self, scale: &Scale, signals: &Signals) -> f64 {
        self.0.model.scorer.score_row(&scale.features(signals))
    }

    fn holds_since(&self, from: &Scale) -> bool {
        *from == self.0.scale
    }

    fn risen(&self, from: &Scale, most: &Signals) -> f64 {
        self.0.worth_risen(from, &self.0.scale, most)
    }

    fn fallen(&self, from: &Scale, most: &Signals) -> f64 {
        self.0.worth_risen(&self.0.scale, from, most)
    }
}

/// The rows that more people turn to than they used to: by the count in the short window against what the
/// long one leads to expect, in standard deviations of a Poisson count of that expectation.
pub(super) struct ByTrend<'a, 'b>(pub &'b ItemScores<'a>);

impl ByTrend<'_, '_> {
    /// A row that trends, with why.
    pub fn trending(&self, score: f64, Entry { row, signals, .. }: &Entry) -> Trending {
        let recent = signals.counts[self.0.model.trending.short];
        Trending { row: *row, score, recent, expected: self.expected(signals) }
    }

    /// What the long window leads to expect in the short one.
    fn expected(&self, signals: &Signals) -> f64 {
        let (trend, windows) = (self.0.model.trending, self.0.windows);
        let share = windows.length(trend.short) as f64 / windows.length(trend.long).max(1) as f64;
        f64::from(signals.counts[trend.long]) * share
    }
}

impl Order for ByTrend<'_, '_> {
    fn rank(&self, row: u32) -> u32 {
        self.0.layout.rank(row)
    }

    fn scale(&self) -> &Scale {
        &self.0.scale
    }

    fn signals(&self, row: u32) -> Option<Signals> {
        let trend = self.0.model.trending;
        let counts = self.0.counts.get(row)?;
        let recent = *counts.get(trend.short)?;
        if trend.short == trend.long || recent == 0 || !self.0.liveness.is_live(row) {
            return None;
        }
        // Nothing else counts: rows that trend alike are alike.
        let mut signals = Signals::default();
        signals.counts[trend.short] = recent;
        *signals.counts.get_mut(trend.long)? = *counts.get(trend.long)?;
        (self.score(&self.0.scale, &signals) > 0.0).then_some(signals)
    }

    fn score(&self, _: &Scale, signals: &Signals) -> f64 {
        let (trend, expected) = (self.0.model.trending, self.expected(signals));
        (f64::from(signals.counts[trend.short]) - expected) / (expected + trend.evidence).sqrt()
    }

    fn holds_since(&self, _: &Scale) -> bool {
        true
    }

    fn risen(&self, _: &Scale, _: &Signals) -> f64 {
        0.0
    }

    fn fallen(&self, _: &Scale, _: &Signals) -> f64 {
        0.0
    }
}
