//! The features of each row under a model as if nobody had acted on anything: they change with the
//! catalog, and by one factor for all as time goes on.

use std::sync::Arc;

use super::blocks::Blocks;
use super::layout::Layout;
use crate::engine::events::event::Timestamp;
use crate::engine::rank::features::columns::{Column, Columns, WIDTH};
use crate::engine::rank::features::feature::{ItemFill, Per};
use crate::engine::rank::features::{FEATURES, ITEM};
use crate::engine::rank::model::Model;

/// After so many half-lives the recency of each item is computed anew, so that it keeps its precision.
const HALF_LIVES: i64 = 8;

/// What the catalog and the model say of every row at an instant.
#[derive(Clone, Debug)]
pub struct Baseline {
    /// By feature of [`ITEM`], if the model asks for it.
    features: [Option<Blocks<f64>>; ITEM.len()],
    /// The instant that what fades holds for.
    as_of: Timestamp,
}

impl Baseline {
    /// The features at an instant.
    pub fn new(layout: &Layout, model: &Model, as_of: Timestamp) -> Arc<Self> {
        let features = ITEM.map(|feature| {
            let fill = fill_of(feature).filter(|fill| (fill.in_use)(model))?;
            Some((0..layout.len() as u32).map(|row| (fill.value)(layout, model, row, as_of)).collect())
        });
        Arc::new(Self { features, as_of })
    }

    /// Takes in that a row has another item than before, or that it is new.
    pub(super) fn change(&mut self, layout: &Layout, model: &Model, row: u32) {
        for (feature, values) in ITEM.into_iter().zip(&mut self.features) {
            if let (Some(fill), Some(values)) = (fill_of(feature), values) {
                while values.len() <= row as usize {
                    values.push(0.0);
                }
                values.set(row as usize, (fill.value)(layout, model, row, self.as_of));
            }
        }
    }

    /// The features of [`ITEM`] of a row.
    #[inline]
    pub fn item_features(&self, row: u32) -> [f64; ITEM.len()] {
        let mut features = [0.0; ITEM.len()];
        for (feature, values) in features.iter_mut().zip(&self.features) {
            *feature = values.as_ref().and_then(|values| values.get(row as usize)).copied().unwrap_or(0.0);
        }
        features
    }

    /// One of them, by its place in [`ITEM`].
    #[inline]
    pub(super) fn item_feature(&self, index: usize, row: u32) -> f64 {
        self.features[index].as_ref().and_then(|values| values.get(row as usize)).copied().unwrap_or(0.0)
    }

    /// Those of a block of rows. `ageing` is the factor to the recency of now.
    pub(super) fn columns(&self, first: u32, ageing: f64) -> Columns<'_> {
        let mut columns = [Column::Zero; WIDTH];
        for (feature, values) in ITEM.into_iter().zip(&self.features) {
            if let Some(values) = values {
                let values = values.block(first as usize);
                columns[feature] = Column::Values(values, FEATURES[feature].factor(ageing));
            }
        }
        columns
    }

    /// Whether it still serves at an instant.
    pub fn serves(&self, model: &Model, t: Timestamp) -> bool {
        t.0.saturating_sub(self.as_of.0) / model.half_life.max(1) < HALF_LIVES
    }

    /// The factor from the recency here to that at `t`, which is not earlier.
    #[inline]
    pub fn ageing(&self, model: &Model, t: Timestamp) -> f64 {
        (-(t.0.saturating_sub(self.as_of.0).max(0) as f64) / model.half_life as f64).exp2()
    }
}

fn fill_of(feature: usize) -> Option<&'static ItemFill> {
    match &FEATURES[feature].per {
        Per::Item(fill) => Some(fill),
        Per::Pair(..) | Per::Related(_) | Per::Popularity => None,
    }
}
