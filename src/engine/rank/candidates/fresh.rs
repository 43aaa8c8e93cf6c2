//! The newest items: each new item gets its chance to be ranked.

use super::request::Source;

pub(super) const SOURCE: Source =
    Source { name: "fresh", collect: |request, candidates| candidates.add(&request.pools.fresh) };
