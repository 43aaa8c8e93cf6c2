//! What a model file may be made of.

use crate::engine::rank::features::FEATURES;

/// What a file may hold besides the weights of features; `*` is a name of the file's own.
pub(super) const KEYS: [&str; 24] = [
    "edition",
    "event_weights.*",
    "seen.*",
    "interest.evidence",
    "interest.rarity",
    "interest.dilution",
    "interest.windows.*",
    "interest.recent.weight",
    "interest.recent.distance",
    "interest.recent.evidence",
    "popularity.evidence",
    "popularity.windows.*",
    "recency.half_life",
    "trending.short",
    "trending.long",
    "trending.evidence",
    "diversity.max_category_share",
    "candidates.categories",
    "candidates.per_category",
    "candidates.popular",
    "candidates.trending",
    "candidates.fresh",
    "boosts.category",
    "boosts.add",
];

/// The features that a file may weigh, with their names.
pub(super) fn weighted() -> impl Iterator<Item = (usize, &'static str)> {
    let known = FEATURES.iter().enumerate().filter(|(_, feature)| feature.weight.is_some());
    known.map(|(index, feature)| (index, feature.name))
}

pub(super) fn sections() -> impl Iterator<Item = &'static str> {
    let nested = ["weights", "interest.windows", "interest.recent", "popularity.windows"];
    KEYS.iter().filter_map(|key| key.split_once('.')).map(|(section, _)| section).chain(nested)
}
