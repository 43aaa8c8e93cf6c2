//! How many people turn to the item now: [`Scale::popularity`](crate::engine::index::signals::Scale::popularity).

use super::feature::{Feature, Per};

pub(super) const FEATURE: Feature =
    Feature { name: "popularity", reason: "popular now", weight: Some(0.3), per: Per::Popularity };
