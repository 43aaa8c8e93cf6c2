//! The best items of the user's strongest categories, and of those that the request asks for.

use super::request::{Candidates, RequestContext, Source};

pub(super) const SOURCE: Source = Source { name: "categories", collect };

fn collect(request: &RequestContext<'_>, candidates: &mut Candidates<'_>) {
    let mut strongest = Vec::new();
    let (pools, limit) = (request.pools, request.pools.model.candidates.categories);
    request.interests.strongest(limit, &pools.layout, &mut strongest);
    for category in strongest.iter().chain(request.filter.wanted()) {
        if let Some(pool) = pools.category(*category) {
            candidates.add(pool);
        }
    }
}
