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
    /// The rows that are related to what the user was last on, each once.
    pub related: &'a [u32],
    /// What the request asks for.
    pub filter: &'a CompiledFilter<'a>,
}

/// Takes candidates in.
pub struct Candidates<'a>(&'a mut dyn FnMut(Given<'_>));

/// Candidates of a source.
#[derive(Clone, Copy)]
pub enum Given<'a> {
    /// Rows that were live at the instant of the pools, with what they are scored by.
    Pool(&'a Pool),
    /// Rows that are related to what the user was last on.
    Related(&'a [u32]),
}

impl Given<'_> {
    /// The rows.
    pub fn rows(&self) -> &[u32] {
        match self {
            Self::Pool(pool) => pool.rows(),
            Self::Related(rows) => rows,
        }
    }
}

impl<'a> Candidates<'a> {
    /// Hands candidates on as soon as they are given.
    pub fn new(take: &'a mut dyn FnMut(Given<'_>)) -> Self {
        Self(take)
    }

    /// All rows of a pool.
    pub fn add(&mut self, pool: &Pool) {
        (self.0)(Given::Pool(pool));
    }

    /// Rows that are related to what the user was last on.
    pub fn add_rows(&mut self, rows: &[u32]) {
        (self.0)(Given::Related(rows));
    }
}
