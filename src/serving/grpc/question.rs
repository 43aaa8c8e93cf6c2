//! What a list is asked for by, once it is checked.

use tonic::Status;

use crate::engine::events::event::{EventType, Timestamp};
use crate::engine::rank::filters::Filter;
use crate::engine::rank::pipeline::Query;
use crate::proto;
use crate::serving::convert;

/// A request for a list, but for whom it is.
pub(super) struct Question<'a> {
    /// As it came.
    pub request: &'a proto::RecommendRequest,
    filter: Filter,
    /// The most items in the list.
    pub n: usize,
    /// The instant that it names.
    pub as_of: Option<Timestamp>,
}

impl<'a> Question<'a> {
    /// What is asked, if it can be.
    pub fn of(request: &'a proto::RecommendRequest) -> Result<Self, Status> {
        convert::check_recommend(request)?;
        Ok(Self {
            request,
            n: convert::number(request.n)?,
            as_of: convert::instant("as_of", request.as_of.as_ref())?,
            filter: convert::filter(request.filter.clone())?,
        })
    }

    /// The same for the engine, at an instant.
    pub fn query(&self, context_kind: EventType, as_of: Timestamp) -> Query<'_> {
        Query {
            n: self.n,
            as_of,
            context: &self.request.context_item_ids,
            context_kind,
            exclude: &self.request.exclude_item_ids,
            filter: &self.filter,
            include_seen: self.request.include_seen,
            explain: self.request.explain,
        }
    }
}
