//! Candidates side by side in memory with what they are scored by, so that a request reads and
//! scores a pool from end to end.

use std::ops::Range;

use ndarray::{Array1, Axis, s};

use crate::engine::rank::features::columns::{Block, Column, WIDTH};
use crate::engine::rank::features::{FEATURES, ITEM, POPULARITY};

/// Rows, and with each of them its set of categories and the features that are the same for every user, a
/// column each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pool {
    rows: Vec<u32>,
    category_sets: Vec<u32>,
    /// By feature. None: 0 for each row, or filled in by each request. Those that fade hold for an instant
    /// that whoever holds the pool knows.
    columns: [Option<Array1<f64>>; WIDTH],
}

impl Pool {
    /// A pool of rows, with their sets of categories and the columns of those features that are kept.
    pub fn new(rows: Vec<u32>, category_sets: Vec<u32>, columns: [Option<Array1<f64>>; WIDTH]) -> Self {
        Self { rows, category_sets, columns }
    }

    /// Some candidates of this one, which holds each row at its own index, with their popularity in
    /// [0, 1].
    pub fn select(&self, rows: Vec<u32>, popularity: impl Fn(u32) -> f64) -> Self {
        let indices: Vec<usize> = rows.iter().map(|row| *row as usize).collect();
        let select = |column: &Array1<f64>| column.select(Axis(0), &indices);
        let mut columns = self.columns.each_ref().map(|column| column.as_ref().map(select));
        columns[POPULARITY] = Some(rows.iter().map(|row| popularity(*row)).collect());
        Self {
            category_sets: indices.iter().map(|index| self.category_sets[*index]).collect(),
            columns,
            rows,
        }
    }

    /// The rows.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// What the catalog and the model say of a candidate: the features of [`ITEM`].
    pub fn item_features(&self, index: usize) -> [f64; ITEM.len()] {
        ITEM.map(|feature| {
            let column = self.columns[feature].as_ref();
            column.and_then(|column| column.get(index)).copied().unwrap_or(0.0)
        })
    }

    /// Some of the candidates, to be scored. `ageing` is the factor to the recency of now. Features of a user
    /// and an item are still to be filled in.
    pub fn block(&self, range: Range<usize>, ageing: f64) -> Block<'_> {
        let column = |feature: usize| match &self.columns[feature] {
            Some(values) => Column::Values(values.slice(s![range.clone()]), FEATURES[feature].factor(ageing)),
            None => Column::Zero,
        };
        Block {
            rows: &self.rows[range.clone()],
            category_sets: &self.category_sets[range.clone()],
            columns: std::array::from_fn(column),
        }
    }
}
