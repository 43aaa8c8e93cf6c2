//! What holds where a model file says nothing, by its edition: a file goes on to mean what it meant when it was written.

use crate::engine::config::{DAY, HOUR, MINUTE, StreamConfig};
use crate::engine::events::event::EventTypes;
use crate::engine::rank::features::FEATURES;
use crate::engine::rank::model::{CandidateLimits, Model, Recent, Trend};
use crate::engine::rank::scorer::Scorer;

/// What editions differ in.
struct Edition {
    interest_windows: [(i64, f64); 4],
    evidence: f64,
    rarity: f64,
    dilution: f64,
    recent: Recent,
    popularity_windows: [(i64, f64); 6],
    popularity_evidence: f64,
}

/// The mean over an item's categories, whatever they are, and nothing else.
const FIRST: Edition = Edition {
    interest_windows: [(HOUR, 0.25), (24 * HOUR, 0.25), (7 * DAY, 0.2), (30 * DAY, 0.2)],
    evidence: 1.0,
    rarity: 0.0,
    dilution: 1.0,
    recent: Recent { weight: 0.0, distance: 4.0, evidence: 3.0 },
    popularity_windows: [
        (5 * MINUTE, 0.2),
        (15 * MINUTE, 0.5),
        (HOUR, 0.1),
        (6 * HOUR, 0.0),
        (24 * HOUR, 0.1),
        (7 * DAY, 0.1),
    ],
    popularity_evidence: 0.0,
};

const SECOND: Edition = Edition {
    interest_windows: [(HOUR, 0.15), (24 * HOUR, 0.15), (7 * DAY, 0.15), (30 * DAY, 0.15)],
    evidence: 6.0,
    rarity: 1.0,
    dilution: 0.5,
    recent: Recent { weight: 0.3, distance: 4.0, evidence: 3.0 },
    popularity_windows: [
        (5 * MINUTE, 0.3),
        (15 * MINUTE, 0.5),
        (HOUR, 0.05),
        (6 * HOUR, 0.0),
        (24 * HOUR, 0.1),
        (7 * DAY, 0.05),
    ],
    popularity_evidence: 30.0,
};

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
/// The short and the long window of a trend, where the stream has them.
pub(super) const TREND: (i64, i64) = (HOUR, 24 * HOUR);

/// The model of a file that says nothing but its edition, but for what is only known at the end of it.
pub(super) fn model(name: &str, text: &str, stream: &StreamConfig, edition: u32) -> Model {
    let usual = if edition < 2 { FIRST } else { SECOND };
    let version = format!("{:016x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()));
    Model {
        name: name.to_owned(),
        version,
        source: text.to_owned(),
        scorer: Scorer::linear(std::array::from_fn(|feature| FEATURES[feature].weight.unwrap_or(1.0))),
        event_weights: default_event_weights(&stream.event_types),
        seen: Vec::new(),
        interest_windows: default_window_weights(&stream.interest_windows, &usual.interest_windows),
        evidence: usual.evidence,
        rarity: usual.rarity,
        dilution: usual.dilution,
        recent: usual.recent,
        popularity_windows: default_window_weights(&stream.popularity_windows, &usual.popularity_windows),
        popularity_evidence: usual.popularity_evidence,
        half_life: HOUR,
        trending: Trend { short: 0, long: 0, evidence: 1.0 },
        max_category_share: 1.0,
        boosts: Vec::new(),
        candidates: CandidateLimits {
            categories: 8,
            per_category: 200,
            popular: 500,
            trending: 100,
            fresh: 100,
        },
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
