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
    /// What a window weighs when each has passed on what it can't say.
    pub(super) said: [f64; MAX_WINDOWS],
    pub(super) windows: usize,
    /// The factor from the recency of the baseline to that of the instant.
    pub(super) ageing: f64,
}

impl Scale {
    pub(super) fn new(model: &Model, most: [u32; MAX_WINDOWS], ageing: f64) -> Self {
        let (mut shares, mut all_said, mut passed_on) = ([0.0; MAX_WINDOWS], [0.0; MAX_WINDOWS], 0.0);
        let windows = shares.iter_mut().zip(&mut all_said).zip(&model.popularity_windows).zip(most);
        for (((share, window_said), weight), most) in windows {
            // One that weighs nothing has no say, and rows that only it counts have no popularity.
            if *weight == 0.0 || most == 0 && model.popularity_evidence == 0.0 {
                continue;
            }
            let (weight, most) = (weight + passed_on, f64::from(most));
            let said = weight * (most / (most + model.popularity_evidence));
            passed_on = weight - said;
            *share = if most == 0.0 { 0.0 } else { said / most.ln_1p() };
            *window_said = said;
        }
        Self { shares, said: all_said, windows: model.popularity_windows.len(), ageing }
    }

    /// In [0, 1]; 0 for a row that nobody acted on.
    #[inline]
    pub fn popularity(&self, counts: &[u32]) -> f64 {
        let mut sum = 0.0;
        self.parts(counts).for_each(|part| sum += part);
        sum
    }

    /// The part of all that people turn to that is one item: its part by window, as much of each as it weighs.
    pub fn part_of_all(&self, counts: &[u32], totals: &[u64]) -> f64 {
        let (mut sum, mut weights) = (0.0, 0.0);
        for ((said, count), total) in self.said.iter().zip(counts).zip(totals) {
            if *said > 0.0 && *total > 0 {
                sum += said * (f64::from(*count) / *total as f64);
                weights += said;
            }
        }
        if weights > 0.0 { sum / weights } else { 0.0 }
    }

    /// What each window adds to the popularity, in this order.
    #[inline]
    pub fn parts<'a>(&'a self, counts: &'a [u32]) -> impl Iterator<Item = f64> + use<'a> {
        let small = &**SMALL;
        let weighed = self.shares.iter().zip(counts).take(self.windows);
        weighed.map(move |(share, count)| share * ln_1p_of(small, *count))
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

#[inline]
fn ln_1p_of(small: &[f64], count: u32) -> f64 {
    small.get(count as usize).copied().unwrap_or_else(|| f64::from(count).ln_1p())
}

/// ln(1 + count).
#[inline]
pub(in crate::engine) fn ln_1p(count: u32) -> f64 {
    ln_1p_of(&SMALL, count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rank::model::tests::weighing;

    fn scale(evidence: f64, weights: &[f64], most: &[u32]) -> Scale {
        let model = Model {
            popularity_windows: weights.to_vec(),
            popularity_evidence: evidence,
            ..weighing(&[1.0], &[1.0])
        };
        let mut all = [0; MAX_WINDOWS];
        all.iter_mut().zip(most).for_each(|(slot, most)| *slot = *most);
        Scale::new(&model, all, 1.0)
    }

    fn parts(scale: &Scale, counts: &[u32]) -> Vec<f64> {
        scale.parts(counts).collect()
    }

    #[test]
    fn without_evidence_each_window_has_its_weight_whatever_has_happened_in_it() {
        let scale = scale(0.0, &[0.5, 0.3, 0.2], &[0, 1, 100]);
        assert_eq!(parts(&scale, &[0, 1, 100]), [0.0, 0.3, 0.2]);
    }

    #[test]
    fn what_a_window_in_which_little_has_happened_cannot_say_is_for_the_next_one_that_has_a_weight() {
        let told = parts(&scale(30.0, &[0.5, 0.0, 0.5], &[10, 90, 270]), &[10, 90, 270]);
        let expected = [0.5 * 0.25, 0.0, (0.5 + 0.5 * 0.75) * 0.9];
        assert!(
            told.iter().zip(expected).all(|(told, expected)| (told - expected).abs() < 1e-12),
            "{told:?}"
        );
        // A window of which nothing is known yet.
        let told = parts(&scale(30.0, &[0.5, 0.5], &[0, 30]), &[0, 30]);
        assert!(told[0] == 0.0 && (told[1] - 0.5).abs() < 1e-12, "{told:?}");
    }

    #[test]
    fn what_the_windows_add_comes_to_the_popularity_to_the_last_bit() {
        let scale = scale(7.0, &[0.1, 0.2, 0.3, 0.4], &[3, 50, 5000, 80_000]);
        for counts in [[0, 1, 2, 3], [3, 17, 4999, 70_001], [0, 0, 4096, 4095]] {
            let sum = parts(&scale, &counts).into_iter().fold(0.0, |sum, part| sum + part);
            assert_eq!(sum.to_bits(), scale.popularity(&counts).to_bits());
        }
    }
}
