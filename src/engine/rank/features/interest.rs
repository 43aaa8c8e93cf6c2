//! How much the user is interested in the item's categories.

use super::columns::{Block, Column};
use super::feature::{Asking, Feature, Per};

pub(super) const FEATURE: Feature =
    Feature { name: "interest", reason: "interest in", weight: Some(0.6), per: Per::Pair(fill, range) };

fn fill<'a>(asking: Asking<'a>, block: &'a Block<'a>, room: &'a mut Vec<f64>) -> Column<'a> {
    let Asking { interests, layout } = asking;
    if let Some(values) = interests.by_set() {
        return Column::BySet { values, sets: block.category_sets };
    }
    room.clear();
    room.extend(block.category_sets.iter().map(|set| interests.of(layout.members(*set))));
    Column::of(room)
}

fn range(asking: Asking<'_>) -> (f64, f64) {
    asking.interests.range()
}
