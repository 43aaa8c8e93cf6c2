//! The items that more people turn to than they used to.

use super::Asked;

pub(super) fn ask(asked: &Asked<'_>, take: &mut dyn FnMut(&[u32])) {
    let limit = asked.pools.model.candidates.trending;
    asked.pools.trending.iter().take(limit).for_each(|trending| take(&[trending.row]));
}
