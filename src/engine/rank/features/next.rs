//! What people turn to next after the items that the user was last on.

use super::feature::{Feature, Per};
use crate::engine::rank::related::Relation;

pub(super) const FEATURE: Feature = Feature {
    name: "next",
    reason: "often next after",
    weight: Some(0.0),
    per: Per::Related(Relation::Next),
};
