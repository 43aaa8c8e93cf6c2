//! The most popular items: the last resort, and what a newcomer gets.

use crate::engine::rank::candidates::{Asked, Pool};

pub(super) fn ask<'a>(asked: &Asked<'a>, take: &mut dyn FnMut(&'a Pool)) {
    take(&asked.pools.popular);
}
