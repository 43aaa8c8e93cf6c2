//! What people turn to from the items that the user was last on.

use super::request::Source;

pub(super) const SOURCE: Source =
    Source { name: "related", collect: |request, candidates| candidates.add_rows(request.related) };
