//! What the user was on before.

use super::feature::{Feature, Per};
use crate::engine::rank::related::Relation;

pub(super) const FEATURE: Feature =
    Feature { name: "own", reason: "you were on", weight: Some(0.0), per: Per::Related(Relation::Own) };
