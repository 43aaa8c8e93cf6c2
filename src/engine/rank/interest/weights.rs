//! What events weigh: whole millionths, so that a sum does not depend on the order of events.

use crate::engine::rank::model::Model;

/// A weight of 1.
const UNIT: f64 = 1e6;

/// What a weight in a category is divided by: what all events in the window weigh, in millionths and without
/// their signs, and so much evidence that one event is no certainty.
#[inline]
pub fn certainty(total: i64, evidence: f64) -> f64 {
    whole(total) + evidence
}

/// A weight of millionths.
#[inline]
pub fn whole(millionths: i64) -> f64 {
    millionths as f64 / UNIT
}

/// The weight of an event type in millionths.
#[inline]
pub fn micro_weight(model: &Model, kind: u8) -> i64 {
    model.event_weights.get(usize::from(kind)).map_or(0, |weight| millionths(*weight))
}

/// A weight in millionths.
#[inline]
pub(super) fn millionths(weight: f64) -> i64 {
    (weight * UNIT).round() as i64
}
