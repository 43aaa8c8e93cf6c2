//! What each value of a model file may be.

use toml::Value;

use crate::config::rules::{Above, Millis, Number, Rule, Text, Whole};
use crate::engine::config::{DAY, SECOND};
use crate::engine::events::event::MAX_ID_BYTES;
use crate::engine::rank::model::Away;
use crate::models::forest::is_file_name;

pub(super) const MAX_BOOSTS: usize = 256;

pub(super) const FEATURE_WEIGHT: Number = Number { min: -10.0, max: 10.0 };
pub(super) const EVENT_WEIGHT: Number = Number { min: -100.0, max: 100.0 };
pub(super) const WINDOW_WEIGHT: Number = Number { min: 0.0, max: 1.0 };
pub(super) const EVIDENCE: Above = Above(Number { min: 0.0, max: 1e6 });
pub(super) const HALF_LIFE: Millis = Millis { min: SECOND, max: 36_500 * DAY };
pub(super) const SHARE: Above = Above(Number { min: 0.0, max: 1.0 });
pub(super) const RELATED_ITEMS: Whole<usize> = Whole { min: 0, max: 20 };
pub(super) const STEPS: Whole<usize> = Whole { min: 1, max: 1000 };
pub(super) const VISITS: Whole<usize> = Whole { min: 1, max: 10_000 };
pub(super) const POPULARITY_EVIDENCE: Number = Number { min: 0.0, max: 1e6 };
pub(super) const PART: Number = Number { min: 0.0, max: 1.0 };
pub(super) const DISTANCE: Above = Above(Number { min: 0.0, max: 1000.0 });
pub(super) const CANDIDATES: Whole<usize> = Whole { min: 0, max: 1_000_000 };
pub(super) const CATEGORY: Text =
    Text { expected: "a category of 1 to 256 bytes", valid: |text| (1..=MAX_ID_BYTES).contains(&text.len()) };

pub(super) const FOREST_FILE: Text = Text {
    expected: "the name of a file beside this one, ending in .json, of a-z A-Z 0-9 . _ -, such as \"news.forest.json\"",
    valid: is_file_name,
};
pub(super) const PLACES: Whole<usize> = Whole { min: 0, max: 1000 };
pub(super) const ACTED: Whole<u32> = Whole { min: 1, max: 1_000_000 };
pub(super) const GAP: Above = Above(Number { min: 0.0, max: 1e6 });
pub(super) const RERANK: Whole<usize> = Whole { min: 1, max: 1000 };

/// After how long something counts half, if ever.
pub(super) struct Fading;

impl Rule for Fading {
    type Out = Option<i64>;
    fn expected(&self) -> String {
        format!("\"never\" or {}", HALF_LIFE.expected())
    }
    fn read(&self, value: &Value) -> Option<Option<i64>> {
        match value.as_str() {
            Some("never") => Some(None),
            _ => HALF_LIFE.read(value).map(Some),
        }
    }
    fn show(&self, out: &Option<i64>) -> Value {
        out.as_ref().map_or_else(|| "never".into(), |length| HALF_LIFE.show(length))
    }
}

/// For how long an item is kept away.
pub(super) struct KeptAway;

const KEPT_AWAY: Millis = Millis { min: SECOND, max: 3650 * DAY };

impl Rule for KeptAway {
    type Out = Away;
    fn expected(&self) -> String {
        format!("\"always\", \"never\" or {}", KEPT_AWAY.expected())
    }
    fn read(&self, value: &Value) -> Option<Away> {
        match value.as_str() {
            Some("always") => Some(Away::Always),
            Some("never") => Some(Away::Never),
            _ => KEPT_AWAY.read(value).map(Away::For),
        }
    }
    fn show(&self, out: &Away) -> Value {
        match out {
            Away::Always => "always".into(),
            Away::Never => "never".into(),
            Away::For(length) => KEPT_AWAY.show(length),
        }
    }
}
