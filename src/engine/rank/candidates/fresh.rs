//! The newest items: each new item gets its chance to be ranked.

use crate::engine::rank::candidates::{Asked, Pool};

pub(super) fn ask<'a>(asked: &Asked<'a>, take: &mut dyn FnMut(&'a Pool)) {
    take(&asked.pools.fresh);
}
