//! What a model file may be made of.

use crate::engine::rank::features::FEATURES;

/// What a file may hold besides the weights of features; `*` is a name of the file's own.
pub(super) const KEYS: [&str; 42] = [
    "event_weights.*",
    "seen.*",
    "interest.evidence",
    "interest.rarity",
    "interest.dilution",
    "interest.windows.*",
    "interest.parts.*",
    "interest.recent.weight",
    "interest.recent.distance",
    "interest.recent.evidence",
    "popularity.evidence",
    "popularity.windows.*",
    "recency.half_life",
    "trending.short",
    "trending.long",
    "trending.evidence",
    "related.items",
    "related.fade",
    "related.visits",
    "related.steps",
    "related.half_life",
    "related.evidence",
    "related.expected",
    "related.near",
    "related.beyond",
    "related.new_visit",
    "own.half_life",
    "own.evidence",
    "diversity.max_category_share",
    "candidates.categories",
    "candidates.per_category",
    "candidates.popular",
    "candidates.trending",
    "candidates.fresh",
    "candidates.related",
    "explore.every",
    "explore.below",
    "explore.gap",
    "forest.file",
    "forest.rerank",
    "boosts.category",
    "boosts.add",
];

/// The features that a file may weigh, with their names.
pub(super) fn weighted() -> impl Iterator<Item = (usize, &'static str)> {
    let known = FEATURES.iter().enumerate().filter(|(_, feature)| feature.weight.is_some());
    known.map(|(index, feature)| (index, feature.name))
}

/// What an interest is made of, and the feature that stands for it.
pub(super) const INTEREST_PARTS: [(&str, &str); 5] = [
    ("categories", "interest"),
    ("next", "next"),
    ("covisits", "covisits"),
    ("neighbours", "neighbours"),
    ("own", "own"),
];

/// The index of a feature.
pub(super) fn feature(name: &str) -> Option<usize> {
    FEATURES.iter().position(|feature| feature.name == name)
}

pub(super) fn sections() -> impl Iterator<Item = &'static str> {
    let nested = ["weights", "interest.windows", "interest.parts", "interest.recent", "popularity.windows"];
    KEYS.iter().filter_map(|key| key.split_once('.')).map(|(section, _)| section).chain(nested)
}
