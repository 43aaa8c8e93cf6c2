//! What holds where a model file says nothing.

use crate::engine::config::{DAY, HOUR, MINUTE, StreamConfig};
use crate::engine::events::event::EventTypes;
use crate::engine::rank::explore::Explore;
use crate::engine::rank::features::FEATURES;
use crate::engine::rank::model::{CandidateLimits, Model, Recent, Trend};
use crate::engine::rank::related::{OwnSettings, RelatedSettings};
use crate::engine::rank::scorer::Scorer;

const EVENT_WEIGHTS: [(&str, f64); 8] = [
    ("view", 0.5),
    ("click", 1.0),
    ("add_to_cart", 2.0),
    ("purchase", 3.0),
    ("like", 2.0),
    ("dislike", -2.0),
    ("hide", -3.0),
    ("impression", 0.0),
];
const INTEREST_WINDOWS: [(i64, f64); 4] = [(HOUR, 0.25), (24 * HOUR, 0.25), (7 * DAY, 0.2), (30 * DAY, 0.2)];
const POPULARITY_WINDOWS: [(i64, f64); 6] =
    [(5 * MINUTE, 0.2), (15 * MINUTE, 0.5), (HOUR, 0.1), (6 * HOUR, 0.0), (24 * HOUR, 0.1), (7 * DAY, 0.1)];
/// The short and the long window of a trend, where the stream has them.
pub(super) const TREND: (i64, i64) = (HOUR, 24 * HOUR);

/// How many candidates a forest ranks.
pub(super) const RERANKED: usize = 200;

/// The name of what a model is made of.
pub(super) fn version(content: &str) -> String {
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(content.as_bytes()))
}

/// The model of an empty file, but for what is only known at the end of it.
pub(super) fn model(name: &str, text: &str, stream: &StreamConfig) -> Model {
    Model {
        name: name.to_owned(),
        version: version(text),
        source: text.to_owned(),
        scorer: Scorer::linear(std::array::from_fn(|feature| FEATURES[feature].weight.unwrap_or(1.0))),
        event_weights: default_event_weights(&stream.event_types),
        seen: Vec::new(),
        interest_windows: default_window_weights(&stream.interest_windows, &INTEREST_WINDOWS),
        evidence: 1.0,
        rarity: 0.0,
        dilution: 1.0,
        recent: Recent { weight: 0.0, distance: 4.0, evidence: 3.0 },
        popularity_windows: default_window_weights(&stream.popularity_windows, &POPULARITY_WINDOWS),
        popularity_evidence: 0.0,
        half_life: HOUR,
        trending: Trend { short: 0, long: 0, evidence: 1.0 },
        max_category_share: 1.0,
        boosts: Vec::new(),
        related: RelatedSettings::DEFAULT,
        own: OwnSettings::DEFAULT,
        candidates: CandidateLimits {
            categories: 8,
            per_category: 200,
            popular: 500,
            trending: 100,
            fresh: 100,
            related: 100,
        },
        explore: Explore::NONE,
        reranking: None,
    }
}

fn default_event_weights(types: &EventTypes) -> Vec<f64> {
    let known = |name: &String| EVENT_WEIGHTS.iter().find(|(known, _)| known == name);
    types.names().iter().map(|name| known(name).map_or(0.0, |(_, weight)| *weight)).collect()
}

/// The usual weights for the usual windows; for other windows, equal ones that add up to 1.
fn default_window_weights(lengths: &[i64], usual: &[(i64, f64)]) -> Vec<f64> {
    if lengths.iter().eq(usual.iter().map(|(length, _)| length)) {
        return usual.iter().map(|(_, weight)| *weight).collect();
    }
    vec![1.0 / lengths.len().max(1) as f64; lengths.len()]
}
