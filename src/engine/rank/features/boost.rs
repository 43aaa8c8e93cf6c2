//! What the model adds for the item's categories, whoever asks.

use super::feature::{Feature, ItemFill, Per};
use crate::engine::events::event::Timestamp;
use crate::engine::index::layout::Layout;
use crate::engine::rank::model::Model;

pub(super) const FEATURE: Feature = Feature {
    name: "boost",
    reason: "promoted",
    weight: None,
    per: Per::Item(ItemFill { value, in_use: |model| !model.boosts.is_empty(), fades: false }),
};

fn value(layout: &Layout, model: &Model, row: u32, _: Timestamp) -> f64 {
    let of = |category: &u32| {
        let name = layout.category_name(*category);
        model.boosts.iter().find(|boost| boost.category == name).map_or(0.0, |boost| boost.add)
    };
    layout.categories(row).iter().map(of).sum()
}
