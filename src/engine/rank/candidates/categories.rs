//! The best items of the user's strongest categories, and of those that the request asks for.

use crate::engine::index::pool::Pool;
use crate::engine::rank::candidates::asked::Asked;

pub(super) fn ask<'a>(asked: &Asked<'a>, take: &mut dyn FnMut(&'a Pool)) {
    let mut strongest = Vec::new();
    asked.interests.strongest(asked.pools.model.candidates.categories, &mut strongest);
    for category in strongest.iter().chain(asked.filter.wanted()) {
        if let Some(pool) = asked.pools.by_category.get(*category as usize) {
            take(&pool.pool);
        }
    }
}
