//! From features to scores.

mod linear;

pub use linear::Linear;

use crate::engine::rank::features::columns::{Column, Row};

/// How a model makes a score of features.
#[derive(Clone, Debug, PartialEq)]
pub enum Scorer {
    /// The sum of weighted features. Candidates are found by it: what it adds up for an item, whoever asks, is
    /// the order of the pools. So whatever stands beside it one day ranks what this has found.
    Linear(Linear),
}

impl Scorer {
    /// The sum of features times these weights, in the order of
    /// [`FEATURES`](crate::engine::rank::features::FEATURES).
    pub fn linear(weights: Row) -> Self {
        Self::Linear(Linear { weights })
    }

    /// Fills in the score of each row of the columns, one for each of
    /// [`FEATURES`](crate::engine::rank::features::FEATURES).
    #[inline]
    pub fn score<'a>(&self, columns: impl IntoIterator<Item = Column<'a>>, scores: &mut [f64]) {
        match self {
            Self::Linear(linear) => linear.score(columns, scores),
        }
    }

    /// What each feature of a row adds to its score: added up by [`sum`] they give it to the last bit.
    #[inline]
    pub fn contributions(&self, row: &Row) -> Row {
        match self {
            Self::Linear(linear) => linear.contributions(row),
        }
    }

    /// The score of one row, to the last bit that which [`Self::score`] gives it.
    #[inline]
    pub fn score_row(&self, row: &Row) -> f64 {
        sum(&self.contributions(row))
    }
}

/// The score that contributions add up to, from 0 on and in their order: floating-point addition is not
/// associative, so each sum of another order would be another score.
#[inline]
pub fn sum(contributions: &Row) -> f64 {
    contributions.iter().fold(0.0, |sum, part| sum + part)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::rank::features::columns::WIDTH;

    const ROWS: usize = 7;

    /// A column of each kind, and what is in it row by row.
    fn column(kind: usize, values: &[f64; ROWS], factor: f64) -> (Column<'_>, [f64; ROWS]) {
        const SETS: [u32; ROWS] = [3, 0, 0, 6, 2, 2, 1];
        match kind {
            0 => (Column::Zero, [0.0; ROWS]),
            1 => (Column::of(values), *values),
            2 => (Column::Values(values, factor), values.map(|value| value * factor)),
            _ => (Column::BySet { values, sets: &SETS }, SETS.map(|set| values[set as usize])),
        }
    }

    proptest! {
        /// Whether rows are scored together or one by one, a score is the sum of what is told of it.
        #[test]
        fn scores_are_the_sum_of_their_contributions_to_the_last_bit(
            weights in prop::array::uniform8(prop_oneof![Just(0.0), Just(-1.0), -10.0..10.0]),
            kinds in prop::array::uniform8(0..4_usize),
            values in prop::array::uniform8(prop::array::uniform7(prop_oneof![1 => Just(0.0), 4 => -1.0..1.0])),
            factor in 0.0..2.0,
        ) {
            let scorer = Scorer::linear(weights);
            let all: [_; WIDTH] = std::array::from_fn(|index| column(kinds[index], &values[index], factor));
            let mut scores = [f64::NAN; ROWS];
            scorer.score(all.map(|(column, _)| column), &mut scores);
            for (index, score) in scores.into_iter().enumerate() {
                let row = all.map(|(column, values)| {
                    assert_eq!(column.get(index), values[index]);
                    values[index]
                });
                let told = sum(&scorer.contributions(&row));
                prop_assert_eq!(score.to_bits(), told.to_bits(), "{} {} {:?}", score, told, row);
                prop_assert_eq!(score.to_bits(), scorer.score_row(&row).to_bits());
            }
        }
    }
}
