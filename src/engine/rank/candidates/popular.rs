//! The most popular items: the last resort, and what a newcomer gets.

use super::request::Source;

pub(super) const SOURCE: Source =
    Source { name: "popular", collect: |request, candidates| candidates.add(&request.pools.popular) };
