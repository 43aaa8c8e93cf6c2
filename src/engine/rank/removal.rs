//! What keeps candidates out of a list, for requests that ask.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::engine::events::event::Timestamp;
use crate::engine::index::liveness::NotLive;
use crate::engine::index::pools::Pools;
use crate::engine::rank::filters::CompiledFilter;

/// Why a candidate is not in a list. Of several reasons the first of these is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Removal {
    /// Nobody gets it at that instant.
    NotLive(NotLive),
    /// The request names it as one to leave out.
    Excluded,
    /// The user has acted on it.
    Seen,
    /// It does not pass the request's filter.
    Filtered,
}

/// How many candidates are not in a list, by reason.
pub type Removed = BTreeMap<Removal, usize>;

/// What a list is asked to leave out. It is looked at row by row, where ranking only looks closely at rows that
/// score well enough: so it costs more than the list, and is for requests that ask for explanations.
pub struct Removals<'a> {
    /// The items.
    pub pools: &'a Pools,
    /// The instant of the list.
    pub as_of: Timestamp,
    /// Which items may be in it.
    pub filter: &'a CompiledFilter<'a>,
    /// The rows that are excluded or seen.
    pub left_out: HashMap<u32, Removal>,
}

impl Removals<'_> {
    /// How many of these rows are not in the list.
    pub fn count(&self, rows: impl Iterator<Item = u32>) -> Removed {
        let mut removed = Removed::new();
        for removal in rows.filter_map(|row| self.of(row)) {
            *removed.entry(removal).or_default() += 1;
        }
        removed
    }

    fn of(&self, row: u32) -> Option<Removal> {
        let pools = self.pools;
        // What has become live since the pools were filled is not in lists yet.
        let not_live = pools.not_live(row, self.as_of).or_else(|| pools.not_live(row, pools.as_of));
        let left_out = || self.left_out.get(&row).copied();
        let filtered = || (!self.filter.passes(&pools.layout, row)).then_some(Removal::Filtered);
        not_live.map(Removal::NotLive).or_else(left_out).or_else(filtered)
    }
}
