//! The items that more people turn to than they used to.

use crate::engine::index::pool::Pool;
use crate::engine::rank::candidates::asked::Asked;

pub(super) fn ask<'a>(asked: &Asked<'a>, take: &mut dyn FnMut(&'a Pool)) {
    take(&asked.pools.trending_most);
}
