//! The sum of weighted features.

use crate::engine::rank::features::columns::{Column, Row};

/// A weight for each feature.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    /// In the order of [`FEATURES`](crate::engine::rank::features::FEATURES).
    pub weights: Row,
}

impl Linear {
    /// Column after column, as that is an addition of whole vectors for each. What is added to each single
    /// score is what [`Self::contributions`] says, in the same order.
    #[inline]
    pub(super) fn score<'a>(&self, columns: impl IntoIterator<Item = Column<'a>>, scores: &mut [f64]) {
        let mut weighted = self.weights.into_iter().zip(columns);
        match weighted.next() {
            None | Some((_, Column::Zero)) => scores.fill(0.0),
            // Without the 0 a score could be -0, which would not tie with 0.
            Some((weight, first)) => first.each(scores, |score, value| *score = 0.0 + weight * value),
        }
        for (weight, column) in weighted {
            column.each(scores, |score, value| *score += weight * value);
        }
    }

    #[inline]
    pub(super) fn contributions(&self, row: &Row) -> Row {
        let mut contributions = self.weights;
        contributions.iter_mut().zip(row).for_each(|(weight, value)| *weight *= value);
        contributions
    }
}
