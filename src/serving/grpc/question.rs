//! What a list is asked for by, once it is checked.

use tonic::Status;
use xxhash_rust::xxh3::xxh3_64;

use crate::engine::config::HOUR;
use crate::engine::events::event::{EventType, Timestamp};
use crate::engine::rank::filters::Filter;
use crate::engine::rank::model::Model;
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

    /// The same for the engine, at an instant. Of new items it has none but those that are good enough.
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
            explore: None,
        }
    }

    /// What new items are drawn by: for an hour the same, so that a list that is asked for again is the same again.
    /// Strangers are told apart by what they have in their session, and by what the caller calls the request.
    pub fn draw(&self, user_id: &str, model: &Model, as_of: Timestamp) -> u64 {
        let mut content = Vec::new();
        let mut text = |text: &str| {
            content.extend_from_slice(&(text.len() as u32).to_le_bytes());
            content.extend_from_slice(text.as_bytes());
        };
        text(user_id);
        text(&model.version);
        if user_id.is_empty() {
            self.request.context_item_ids.iter().for_each(|item| text(item));
            text(&self.request.request_id);
        }
        content.extend_from_slice(&as_of.0.div_euclid(HOUR).to_le_bytes());
        xxh3_64(&content)
    }
}
