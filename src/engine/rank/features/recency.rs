//! How new the item is: 1 when it is created, and half of that after each half-life.

use super::feature::{Feature, ItemFill, Per};
use crate::engine::events::event::Timestamp;
use crate::engine::index::layout::Layout;
use crate::engine::rank::model::Model;

pub(super) const FEATURE: Feature = Feature {
    name: "recency",
    reason: "new",
    weight: Some(0.1),
    per: Per::Item(ItemFill { value, in_use: |_| true, fades: true }),
};

/// The most half-lives that an item may be younger than the instant that recency is computed for.
const AHEAD: f64 = 64.0;

/// More than 1 for what is yet to be created; 0 for an item of unknown age.
fn value(layout: &Layout, model: &Model, row: u32, t: Timestamp) -> f64 {
    let created_at = layout.item(row).and_then(|item| item.created_at());
    created_at.map_or(0.0, |created_at| {
        let age = t.0.saturating_sub(created_at.0);
        (-(age as f64) / model.half_life as f64).min(AHEAD).exp2()
    })
}
