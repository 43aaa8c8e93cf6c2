//! What is related to the items that a user was last on, row by row.

use std::sync::Arc;

use super::{RelatedItems, Relation, Values};
use crate::engine::rank::features::FEATURES;
use crate::engine::rank::features::columns::{Column, Columns};
use crate::engine::rank::features::feature::Per;

/// What is related to one of the items that the user was last on.
#[derive(Clone, Debug, PartialEq)]
pub struct RelatedTo {
    /// That item.
    pub row: u32,
    /// What it counts.
    pub share: f64,
    /// What is related to it.
    pub items: Arc<RelatedItems>,
}

impl RelatedTo {
    /// How a row is related to it, if it is.
    pub fn values(&self, row: u32) -> Option<Values> {
        self.items.rows.iter().find(|(other, _)| *other == row).map(|(_, values)| *values)
    }
}

/// Rows that are related to what the user was last on. All others have 0 of each relation.
#[derive(Debug, Default)]
pub struct RelatedRows {
    rows: Vec<u32>,
    /// By relation, then by index in [`Self::rows`].
    values: [Vec<f64>; Relation::ALL.len()],
    /// By row of the layout: its index in [`Self::rows`] and one more; 0 if it is not there.
    index: Vec<u32>,
}

impl RelatedRows {
    /// Starts anew, for a layout of so many rows.
    pub fn fill(&mut self, len: usize, related: &[RelatedTo]) {
        for row in self.rows.drain(..) {
            self.index[row as usize] = 0;
        }
        self.values.iter_mut().for_each(Vec::clear);
        if self.index.len() < len && !related.is_empty() {
            self.index.resize(len, 0);
        }
        for to in related {
            for (row, values) in &to.items.rows {
                self.add(*row, to.share, values);
            }
        }
    }

    fn add(&mut self, row: u32, share: f64, added: &Values) {
        let Some(index) = self.index.get_mut(row as usize) else { return };
        if *index == 0 {
            self.rows.push(row);
            *index = self.rows.len() as u32;
            self.values.iter_mut().for_each(|values| values.push(0.0));
        }
        let index = *index as usize - 1;
        for (values, added) in self.values.iter_mut().zip(added) {
            values[index] += share * added;
        }
    }

    /// The rows, each once.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// Puts what the rows have into the columns of a block of them.
    pub fn fill_columns<'a>(&'a self, columns: &mut Columns<'a>) {
        for (column, feature) in columns.iter_mut().zip(&FEATURES) {
            if let Per::Related(relation) = feature.per {
                *column = Column::of(self.values(relation));
            }
        }
    }

    /// By index in [`Self::rows`]; none is negative. 1: all that others did after the newest item was this.
    pub fn values(&self, relation: Relation) -> &[f64] {
        &self.values[relation as usize]
    }

    /// What a row of the layout has of a relation.
    pub fn get(&self, row: u32, relation: Relation) -> f64 {
        let index = self.index.get(row as usize).filter(|index| **index > 0);
        index.and_then(|index| self.values(relation).get(*index as usize - 1)).copied().unwrap_or(0.0)
    }
}
