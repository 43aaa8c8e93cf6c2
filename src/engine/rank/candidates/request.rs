//! What a source is, what it may look at, and where its candidates go.

use crate::engine::index::pool::Pool;
use crate::engine::index::pools::Pools;
use crate::engine::rank::filters::CompiledFilter;
use crate::engine::rank::interest::Interests;

/// Where candidates can come from.
pub struct Source {
    /// A name for metrics.
    pub name: &'static str,
    /// Gives its candidates for a request. A row may be given by several sources, and several times.
    pub collect: fn(&RequestContext<'_>, &mut Candidates<'_>),
}

/// What a source may look at.
pub struct RequestContext<'a> {
    /// The pools of the instant.
    pub pools: &'a Pools,
    /// The user's interests.
    pub interests: &'a Interests,
    /// What the request asks for.
    pub filter: &'a CompiledFilter<'a>,
}

/// Takes candidates in.
pub struct Candidates<'a>(&'a mut dyn FnMut(&Pool));

impl<'a> Candidates<'a> {
    /// Hands each pool on as soon as it is given.
    pub fn new(take: &'a mut dyn FnMut(&Pool)) -> Self {
        Self(take)
    }

    /// All rows of a pool.
    pub fn add(&mut self, pool: &Pool) {
        (self.0)(pool);
    }
}
