//! The newest items: each new item gets its chance to be ranked.

use crate::engine::index::pool::Pool;
use crate::engine::rank::candidates::asked::Asked;

pub(super) fn ask<'a>(asked: &Asked<'a>, take: &mut dyn FnMut(&'a Pool)) {
    take(&asked.pools.fresh);
}
