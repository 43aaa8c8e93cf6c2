//! The newest items: each new item gets its chance to be ranked.

use super::Asked;

pub(super) fn ask(asked: &Asked<'_>, take: &mut dyn FnMut(&[u32])) {
    take(&asked.pools.fresh);
}
