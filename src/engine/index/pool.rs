//! Candidates side by side in memory with what they are scored by, so that a request reads and
//! scores a pool from end to end.

use std::ops::Range;

use crate::engine::rank::features::FEATURES;
use crate::engine::rank::features::columns::{Block, Column, Row, WIDTH};

/// Rows that are scored together, or passed over together.
pub const ROWS: usize = 128;

/// Rows, and with each of them its rank, its set of categories and the features that are the same for every user, a
/// column each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pool {
    rows: Vec<u32>,
    ranks: Vec<u32>,
    category_sets: Vec<u32>,
    /// By feature. None: 0 for each row, or filled in by each request. Those that fade hold for an instant
    /// that whoever holds the pool knows.
    columns: [Option<Vec<f64>>; WIDTH],
    /// By block of [`ROWS`]: the features that a row would have that is the best of them in each, under the
    /// weights of the model. No row of the block has a higher score (the block-max index of Ding and Suel,
    /// SIGIR 2011).
    peaks: Vec<Row>,
}

impl Pool {
    /// A pool of rows with their ranks, their sets of categories and the columns of those features that are kept.
    pub(super) fn new(
        rows: Vec<u32>,
        ranks: Vec<u32>,
        category_sets: Vec<u32>,
        columns: [Option<Vec<f64>>; WIDTH],
        weights: &Row,
    ) -> Self {
        let mut peaks = vec![[0.0; WIDTH]; rows.len().div_ceil(ROWS)];
        for (feature, values) in columns.iter().enumerate() {
            for (peak, values) in peaks.iter_mut().zip(values.iter().flat_map(|values| values.chunks(ROWS))) {
                let values = values.iter().copied();
                let best =
                    if weights[feature] < 0.0 { values.reduce(f64::min) } else { values.reduce(f64::max) };
                peak[feature] = best.unwrap_or_default();
            }
        }
        Self { rows, ranks, category_sets, columns, peaks }
    }

    /// Those of its rows that are to be kept, in the same order.
    pub(super) fn those(&self, kept: &[bool], weights: &Row) -> Self {
        fn those<T: Copy>(all: &[T], kept: &[bool]) -> Vec<T> {
            all.iter().zip(kept).filter(|(_, kept)| **kept).map(|(value, _)| *value).collect()
        }
        let mut columns = [const { None }; WIDTH];
        for (column, all) in columns.iter_mut().zip(&self.columns) {
            *column = all.as_ref().map(|all| those(all, kept));
        }
        let (ranks, category_sets) = (those(&self.ranks, kept), those(&self.category_sets, kept));
        Self::new(those(&self.rows, kept), ranks, category_sets, columns, weights)
    }

    /// The rows.
    #[inline]
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// The rank of each row.
    #[inline]
    pub fn ranks(&self) -> &[u32] {
        &self.ranks
    }

    /// The candidates block by block, each with what its best row could have. `ageing` is the factor to the
    /// recency of now. Features of a user and an item are 0.
    #[inline]
    pub fn peaks(&self, ageing: f64) -> impl Iterator<Item = (Range<usize>, Row)> {
        self.peaks.iter().zip((0..).step_by(ROWS)).map(move |(peak, start)| {
            let mut peak = *peak;
            for (value, feature) in peak.iter_mut().zip(&FEATURES) {
                *value *= feature.factor(ageing);
            }
            (start..self.rows.len().min(start + ROWS), peak)
        })
    }

    /// Some of the candidates, to be scored. `ageing` is the factor to the recency of now. Features of a user
    /// and an item are still to be filled in.
    #[inline]
    pub fn block(&self, range: Range<usize>, ageing: f64) -> Block<'_> {
        let mut columns = [Column::Zero; WIDTH];
        for ((column, feature), values) in columns.iter_mut().zip(&FEATURES).zip(&self.columns) {
            if let Some(values) = values {
                *column = Column::Values(&values[range.clone()], feature.factor(ageing));
            }
        }
        Block {
            rows: &self.rows[range.clone()],
            ranks: &self.ranks[range.clone()],
            category_sets: &self.category_sets[range],
            columns,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::rank::scorer::Scorer;

    proptest! {
        /// Rounding included, as a block is passed over by this alone. With one feature the best row is all of it.
        #[test]
        fn no_row_has_a_higher_score_than_the_peak_of_its_block(
            weights in prop::array::uniform8(prop_oneof![1 => Just(0.0), 3 => -1.0..1.0]),
            seeds in prop::collection::vec(prop::array::uniform8(prop_oneof![1 => Just(0.0), 4 => -1.0..1.0]), 1..40),
            kept in prop::array::uniform8(any::<bool>()),
            ageing in 0.0..1.0,
            rows in 1..3 * ROWS,
        ) {
            let value = |row: usize, feature: usize| {
                seeds[row % seeds.len()][feature] / (1 + row / seeds.len()) as f64
            };
            let columns: [_; WIDTH] = std::array::from_fn(|feature| {
                kept[feature].then(|| (0..rows).map(|row| value(row, feature)).collect())
            });
            let ranks = (0..rows as u32).collect();
            let pool = Pool::new(vec![0; rows], ranks, vec![0; rows], columns, &weights);
            let scorer = Scorer::linear(weights);
            let mut covered = 0;
            for (range, peak) in pool.peaks(ageing) {
                prop_assert_eq!(range.start, covered);
                covered = range.end;
                let mut scores = vec![f64::NAN; range.len()];
                scorer.score(pool.block(range, ageing).columns, &mut scores);
                let (most, peak) = (scores.iter().copied().fold(f64::NEG_INFINITY, f64::max), scorer.score_row(&peak));
                prop_assert!(most <= peak, "{} {}", most, peak);
                let counting = kept.iter().zip(&weights).filter(|(kept, weight)| **kept && **weight != 0.0).count();
                prop_assert!(counting > 1 || most == peak, "{} {}", most, peak);
            }
            prop_assert_eq!(covered, rows);
        }
    }
}
