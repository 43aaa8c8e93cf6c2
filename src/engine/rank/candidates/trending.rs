//! The items that more people turn to than they used to.

use crate::engine::rank::candidates::{Asked, Pool};

pub(super) fn ask<'a>(asked: &Asked<'a>, take: &mut dyn FnMut(&'a Pool)) {
    take(&asked.pools.trending_most);
}
