//! The most popular items: the last resort, and what a newcomer gets.

use crate::engine::index::pool::Pool;
use crate::engine::rank::candidates::asked::Asked;

pub(super) fn ask<'a>(asked: &Asked<'a>, take: &mut dyn FnMut(&'a Pool)) {
    take(&asked.pools.popular);
}
