//! What those turned to whose visits are most like that of the user.

use super::feature::{Feature, Per};
use crate::engine::rank::related::Relation;

pub(super) const FEATURE: Feature = Feature {
    name: "neighbours",
    reason: "in visits like yours, with",
    weight: Some(0.0),
    per: Per::Related(Relation::Neighbours),
};
