//! What a source may look at.

use crate::engine::index::pools::Pools;
use crate::engine::rank::filters::CompiledFilter;
use crate::engine::rank::interest::Interests;

/// What a source may look at.
pub struct Asked<'a> {
    /// The pools of the instant.
    pub pools: &'a Pools,
    /// The user's interests.
    pub interests: &'a Interests,
    /// What the request asks for.
    pub filter: &'a CompiledFilter<'a>,
}
