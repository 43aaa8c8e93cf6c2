//! Candidates side by side in memory with what they are scored by, so that a request reads and
//! scores a pool from end to end.

use std::ops::Range;

use ndarray::ArrayView1;

use super::layout::Layout;
use crate::engine::rank::features::FEATURES;
use crate::engine::rank::features::columns::{Block, Column, WIDTH};

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
}

impl Pool {
    /// A pool of rows of a layout and their ranks, with the columns of those features that are kept.
    pub(super) fn new(
        layout: &Layout,
        rows: Vec<u32>,
        ranks: Vec<u32>,
        columns: [Option<Vec<f64>>; WIDTH],
    ) -> Self {
        let category_sets = rows.iter().map(|row| layout.category_set(*row)).collect();
        Self { rows, ranks, category_sets, columns }
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

    /// Some of the candidates, to be scored. `ageing` is the factor to the recency of now. Features of a user
    /// and an item are still to be filled in.
    #[inline]
    pub fn block(&self, range: Range<usize>, ageing: f64) -> Block<'_> {
        let mut columns = [Column::Zero; WIDTH];
        for ((column, feature), values) in columns.iter_mut().zip(&FEATURES).zip(&self.columns) {
            if let Some(values) = values {
                *column = Column::Values(ArrayView1::from(&values[range.clone()]), feature.factor(ageing));
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
