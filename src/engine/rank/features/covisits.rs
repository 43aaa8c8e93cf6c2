//! What people turn to in the same visit as the items that the user was last on.

use super::feature::{Feature, Per};
use crate::engine::rank::related::Relation;

pub(super) const FEATURE: Feature = Feature {
    name: "covisits",
    reason: "often together with",
    weight: Some(0.0),
    per: Per::Related(Relation::Covisits),
};
