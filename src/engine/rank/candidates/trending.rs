//! The items that more people turn to than they used to.

use super::request::Source;

pub(super) const SOURCE: Source =
    Source { name: "trending", collect: |request, candidates| candidates.add(&request.pools.trending_most) };
