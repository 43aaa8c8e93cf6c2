//! The features of each row under a model as if nobody had acted on anything: they change with the
//! catalog, and by one factor for all as time goes on.

use std::sync::Arc;

use super::layout::Layout;
use super::pool::Pool;
use crate::engine::events::event::Timestamp;
use crate::engine::rank::model::Model;

/// After so many half-lives the recency of each item is computed anew, so that it keeps its precision.
const HALF_LIVES: i64 = 8;
/// The most half-lives that an item may be younger than the instant that recency is computed for.
const AHEAD: f64 = 64.0;

/// Every row at its own index, with its recency at an instant.
#[derive(Debug)]
pub struct Baseline {
    /// The rows.
    pub pool: Pool,
    /// The instant that their recency holds for.
    pub as_of: Timestamp,
}

impl Baseline {
    /// The features at an instant.
    pub fn new(layout: &Layout, model: &Model, as_of: Timestamp) -> Arc<Self> {
        let rows: Vec<u32> = (0..layout.len() as u32).collect();
        let recency = rows.iter().map(|row| recency(layout, model, *row, as_of)).collect();
        let boosts = || rows.iter().map(|row| boost(layout, model, *row)).collect();
        let boost = (!model.boosts.is_empty()).then(boosts);
        let lists = rows.iter().map(|row| layout.list(*row)).collect();
        Arc::new(Self { pool: Pool::new(rows, lists, None, recency, boost), as_of })
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

/// More than 1 for what is yet to be created.
fn recency(layout: &Layout, model: &Model, row: u32, t: Timestamp) -> f64 {
    let created_at = layout.item(row).and_then(|item| item.created_at());
    created_at.map_or(0.0, |created_at| {
        let age = t.0.saturating_sub(created_at.0);
        (-(age as f64) / model.half_life as f64).min(AHEAD).exp2()
    })
}

fn boost(layout: &Layout, model: &Model, row: u32) -> f64 {
    let of = |category: &u32| {
        let name = layout.category_name(*category);
        model.boosts.iter().find(|boost| boost.category == name).map_or(0.0, |boost| boost.add)
    };
    layout.categories(row).iter().map(of).sum()
}
