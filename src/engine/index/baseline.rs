//! The features of each row under a model as if nobody had acted on anything: they change with the
//! catalog, and by one factor for all as time goes on.

use std::sync::Arc;

use super::layout::Layout;
use super::pool::Pool;
use crate::engine::events::event::Timestamp;
use crate::engine::rank::features::FEATURES;
use crate::engine::rank::features::feature::Per;
use crate::engine::rank::model::Model;

/// After so many half-lives the recency of each item is computed anew, so that it keeps its precision.
const HALF_LIVES: i64 = 8;

/// Every row at its own index, with what the catalog and the model say of it at an instant.
#[derive(Debug)]
pub struct Baseline {
    /// The rows.
    pub pool: Pool,
    /// The instant that what fades holds for.
    pub as_of: Timestamp,
}

impl Baseline {
    /// The features at an instant.
    pub fn new(layout: &Layout, model: &Model, as_of: Timestamp) -> Arc<Self> {
        let rows: Vec<u32> = (0..layout.len() as u32).collect();
        let column = |feature: usize| match &FEATURES[feature].per {
            Per::Item(fill) if (fill.in_use)(model) => {
                Some(rows.iter().map(|row| (fill.value)(layout, model, *row, as_of)).collect())
            }
            _ => None,
        };
        let columns = std::array::from_fn(column);
        let category_sets = rows.iter().map(|row| layout.category_set(*row)).collect();
        Arc::new(Self { pool: Pool::new(rows, category_sets, columns), as_of })
    }

    /// Whether it still serves at an instant.
    pub fn serves(&self, model: &Model, t: Timestamp) -> bool {
        t.0.saturating_sub(self.as_of.0) / model.half_life.max(1) < HALF_LIVES
    }

    /// The factor from the recency here to that at `t`, which is not earlier.
    pub fn ageing(&self, model: &Model, t: Timestamp) -> f64 {
        (-(t.0.saturating_sub(self.as_of.0).max(0) as f64) / model.half_life as f64).exp2()
    }
}
