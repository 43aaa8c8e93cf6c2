//! `BatchRecommend`: the lists of many users, by one model and at one instant.
//!
//! A batch is as much work as its lists would be one by one, and must not get at once what those would have to wait
//! for. So it counts as as many requests in flight (`admission/`), and batches are worked on user by user, in turns:
//! all of them together never hold more than one thread, and let others have it after each user.

use std::sync::atomic::Ordering;

use tonic::Status;

use super::question::Question;
use super::recommender::Recommender;
use super::with_item::add_items;
use crate::codec::convert::from_time;
use crate::engine::events::event::{MAX_ID_BYTES, Timestamp};
use crate::engine::index::pools::Pools;
use crate::proto;
use crate::proto::user_result::Result::{Error, Response};
use crate::serving::admission::Weight;
use crate::serving::answer_room::{AnswerRoom, NoRoom};
use crate::serving::calls::code_name;
use crate::serving::{OWNER, convert};
use crate::telemetry::Call;

/// The most users of a batch.
const MAX_USERS: usize = 100;
/// The most items of all its lists.
const MAX_ITEMS: usize = 10_000;
/// What a user takes of an answer who gets no list, besides the name: an error in words.
const ERROR_BYTES: usize = 1024;

impl Recommender {
    /// Answers for many users. `weight` is what the batch holds of admission.
    pub(super) async fn recommend_many(
        &self,
        user_ids: &[String],
        options: &proto::RecommendRequest,
        weight: Option<&Weight>,
        call: &Call<'_>,
    ) -> Result<proto::BatchRecommendResponse, Status> {
        let question = Question::of(options)?;
        check(user_ids, options, question.n, weight.map_or(MAX_USERS, Weight::most))?;
        weight.map_or(Ok(()), |weight| weight.set(user_ids.len()))?;
        let (pools, t) = self.pools(&options.model, question.as_of).await?;
        let t = if question.as_of.is_some() { t } else { self.instant_of_all(user_ids, &pools, t) };
        let (mut room, mut full) = (AnswerRoom::empty(), None);
        room.reserve(user_ids.iter().map(|user_id| user_id.len() + ERROR_BYTES).sum());
        let mut results = Vec::with_capacity(user_ids.len());
        for user_id in user_ids {
            let turn = self.batches.lock().await;
            let listed = match full {
                Some(full) => Err(full),
                None => self.result(&question, user_id, &pools, t, &mut room, call),
            };
            drop(turn);
            results.push(listed.unwrap_or_else(|error| {
                full = Some(error);
                failed(user_id, &no_room(error))
            }));
            tokio::task::yield_now().await;
        }
        Ok(proto::BatchRecommendResponse {
            results,
            model: Some(convert::model_ref(&pools.model)),
            as_of: Some(from_time(t)),
            request_id: options.request_id.clone(),
        })
    }

    /// What becomes of one user, if there is room for it.
    fn result(
        &self,
        question: &Question<'_>,
        user_id: &str,
        pools: &Pools,
        t: Timestamp,
        room: &mut AnswerRoom,
        call: &Call<'_>,
    ) -> Result<proto::UserResult, NoRoom> {
        let answer = match self.rank(question, user_id, pools, t) {
            Ok(answer) => answer,
            Err(error) => return Ok(failed(user_id, &self.reader.refusal(error))),
        };
        call.candidates.fetch_add(answer.candidates.iter().sum(), Ordering::Relaxed);
        let mut response = self.respond(question.request, user_id, pools, t, &answer);
        room.take(&response)?;
        if question.request.with_item {
            add_items(&self.reader, &mut response.items, room)?;
        }
        Ok(proto::UserResult { user_id: user_id.to_owned(), result: Some(Response(response)) })
    }

    /// The earliest instant, from `t` on, that all of them can be answered for. Who can't be answered at all is told
    /// so in turn.
    fn instant_of_all(&self, user_ids: &[String], pools: &Pools, mut t: Timestamp) -> Timestamp {
        for user_id in user_ids {
            let check = |t| self.reader.ranker().check_instant(pools, user_id, t);
            let _ = convert::resolve_as_of(&mut t, true, check);
        }
        t
    }
}

fn check(
    user_ids: &[String],
    options: &proto::RecommendRequest,
    n: usize,
    most: usize,
) -> Result<(), Status> {
    let (users, most) = (user_ids.len(), most.min(MAX_USERS));
    if !(1..=most).contains(&users) {
        return Err(convert::invalid("user_ids", format!("has {users} entries, expected 1 to {most}")));
    }
    if users * n > MAX_ITEMS {
        let problem = format!("is {n} for {users} users, expected at most {MAX_ITEMS} items in all");
        return Err(convert::invalid("options.n", problem));
    }
    if !options.user_id.is_empty() {
        return Err(convert::invalid(
            "options.user_id",
            "is set, expected whom it is for in `user_ids` alone",
        ));
    }
    if !options.compare.is_empty() {
        return Err(convert::invalid(
            "options.compare",
            "is set, expected a batch by one model: compare with Recommend",
        ));
    }
    user_ids.iter().try_for_each(|user_id| convert::at_most("user_ids", user_id, MAX_ID_BYTES))
}

fn failed(user_id: &str, status: &Status) -> proto::UserResult {
    let owner = status.metadata().get(OWNER).and_then(|owner| owner.to_str().ok());
    let error = proto::UserError {
        code: code_name(status.code()).to_owned(),
        message: status.message().to_owned(),
        owner: owner.unwrap_or_default().to_owned(),
    };
    proto::UserResult { user_id: user_id.to_owned(), result: Some(Error(error)) }
}

fn no_room(error: NoRoom) -> Status {
    Status::resource_exhausted(format!(
        "the lists of the batch take {error}: ask for this user in another call"
    ))
}
