//! The best items of the user's strongest categories, and of those that the request asks for.

use super::Asked;

pub(super) fn ask(asked: &Asked<'_>, take: &mut dyn FnMut(&[u32])) {
    let mut strongest = Vec::new();
    asked.interests.strongest(asked.pools.model.candidates.categories, &mut strongest);
    for category in strongest.iter().chain(asked.filter.wanted()) {
        if let Some(rows) = asked.pools.by_category.get(*category as usize) {
            take(rows);
        }
    }
}
