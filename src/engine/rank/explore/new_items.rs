//! The new items of a request, and the places that they got.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{Drawn, NewItem, explore};
use crate::engine::index::pools::Pools;
use crate::engine::rank::question::Query;

/// Room for the new items of a request.
#[derive(Debug, Default)]
pub struct NewItems {
    found: Vec<NewItem>,
    drawn: Vec<Drawn>,
}

impl NewItems {
    /// Forgets the request before.
    pub fn clear(&mut self) {
        self.found.clear();
        self.drawn.clear();
    }

    /// Finds those that a place may be drawn for: of the newest items those that may be in the list and that few have acted on.
    /// `may_be` is asked first; `score` is the linear score of a row.
    pub fn find(
        &mut self,
        pools: &Pools,
        query: &Query<'_>,
        may_be: impl Fn(u32) -> bool,
        mut score: impl FnMut(u32) -> f64,
    ) {
        let settings = &pools.model.explore;
        if settings.every == 0 || query.explore.is_none() {
            return;
        }
        let filter = query.filter.compile(&pools.layout);
        for row in pools.fresh.rows().iter().copied().filter(|row| may_be(*row)) {
            // Windows are in the order of their length.
            let acted = pools.counts.get(row).and_then(|counts| counts.last()).copied().unwrap_or(0);
            if acted < settings.below
                && filter.passes(&pools.layout, row)
                && pools.not_live(row, query.as_of).is_none()
            {
                self.found.push(NewItem { row, score: score(row) });
            }
        }
    }

    /// Draws for the places of a list, best first: what comes of it.
    pub fn place(
        &mut self,
        pools: &Pools,
        query: &Query<'_>,
        ranked: Vec<u32>,
        score: impl FnMut(u32) -> f64,
    ) -> Vec<u32> {
        let Some(seed) = query.explore.filter(|_| !self.found.is_empty()) else { return ranked };
        // A cap may move anything down, so that all that comes has to be drawn for.
        let n = if pools.model.max_category_share < 1.0 { usize::MAX } else { query.n };
        let draw = |place: usize| {
            let mixed = xxh3_64_with_seed(&(place as u64).to_le_bytes(), seed);
            // As many bits as a double holds.
            (mixed >> 11) as f64 / (1_u64 << 53) as f64
        };
        let (list, drawn) = explore(&pools.model.explore, &ranked, &self.found, n, score, draw);
        self.drawn = drawn;
        list
    }

    /// What the place of a row was drawn for, if it was.
    pub fn drawn(&self, row: u32) -> Option<&Drawn> {
        self.drawn.iter().find(|drawn| drawn.row == row)
    }
}
