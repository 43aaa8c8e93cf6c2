//! What rows are ranked by, apart from who asks.

use std::sync::LazyLock;

use crate::engine::config::MAX_WINDOWS;
use crate::engine::rank::features::columns::{Row, WIDTH};
use crate::engine::rank::features::{FEATURES, ITEM, POPULARITY};
use crate::engine::rank::model::Model;

/// What a row is ranked by: it changes when somebody acts on the row, and not as time goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Signals {
    pub counts: [u32; MAX_WINDOWS],
    /// What the catalog and the model say of the row, as in the baseline: the features of [`ITEM`].
    pub item: [f64; ITEM.len()],
}

/// What signals count for at an instant, the same for all rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scale {
    /// What a window adds to the popularity for each unit of ln(1 + count).
    pub(super) shares: [f64; MAX_WINDOWS],
    pub(super) windows: usize,
    /// The factor from the recency of the baseline to that of the instant.
    pub(super) ageing: f64,
}

impl Scale {
    pub(super) fn new(model: &Model, most: [u32; MAX_WINDOWS], ageing: f64) -> Self {
        let mut shares = [0.0; MAX_WINDOWS];
        for ((share, weight), most) in shares.iter_mut().zip(&model.popularity_windows).zip(most) {
            *share = if most == 0 { 0.0 } else { weight / f64::from(most).ln_1p() };
        }
        Self { shares, windows: model.popularity_windows.len(), ageing }
    }

    /// In [0, 1]; 0 for a row that nobody acted on.
    #[inline]
    pub fn popularity(&self, counts: &[u32]) -> f64 {
        let small = &**SMALL;
        let mut sum = 0.0;
        for (share, count) in self.shares.iter().zip(counts).take(self.windows) {
            let ln = small.get(*count as usize).copied().unwrap_or_else(|| f64::from(*count).ln_1p());
            sum += share * ln;
        }
        sum
    }

    /// The features of a row with these signals; 0 for those that somebody has to ask for.
    pub(super) fn features(&self, signals: &Signals) -> Row {
        let mut row = [0.0; WIDTH];
        row[POPULARITY] = self.popularity(&signals.counts);
        for (feature, value) in ITEM.into_iter().zip(signals.item) {
            row[feature] = value * FEATURES[feature].factor(self.ageing);
        }
        row
    }
}

impl Signals {
    /// Makes each of them at least that of another.
    pub fn raise(&mut self, other: &Self) {
        for (most, count) in self.counts.iter_mut().zip(other.counts) {
            *most = (*most).max(count);
        }
        for (most, value) in self.item.iter_mut().zip(other.item) {
            *most = most.max(value);
        }
    }
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

/// ln(1 + count) for small counts: most are, and each is asked for by every model again and again.
static SMALL: LazyLock<Box<[f64]>> =
    LazyLock::new(|| (0..4096).map(|count| f64::from(count).ln_1p()).collect());
