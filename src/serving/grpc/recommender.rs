//! `RecommenderService`.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::Mutex;
use tonic::{Request, Response, Status};
use xxhash_rust::xxh3::xxh3_128;

use crate::codec::convert::from_time;
use crate::engine::events::event::Timestamp;
use crate::engine::index::pools::Pools;
use crate::engine::index::signals::Trending;
use crate::engine::rank::candidates::{self, SOURCES};
use crate::engine::rank::filters::Filter;
use crate::engine::rank::pipeline::{Answer, Explained, Query, Ranked, Scratch, TooOld};
use crate::engine::rank::removal::Removal;
use crate::proto;
use crate::proto::recommender_service_server::RecommenderService;
use crate::serving::answer_room::AnswerRoom;
use crate::serving::calls::Calls;
use crate::serving::convert;
use crate::serving::grpc::evidence;
use crate::serving::grpc::question::Question;
use crate::serving::grpc::shadow::Shadow;
use crate::serving::grpc::with_item::{add_items, too_many};
use crate::serving::instants::Instants;
use crate::serving::reader::Reader;
use crate::state::ranker::{Explanation, Unanswerable};
use crate::telemetry::{Call, Counter, Metrics, Rpc, SourceName};

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Ranks items for people.
pub struct Recommender {
    calls: Arc<Calls>,
    pub(super) reader: Reader,
    instants: Instants,
    /// Held for each user of a batch.
    pub(super) batches: Mutex<()>,
    metrics: Arc<Metrics>,
    shadow: Option<Shadow>,
    /// Looked up once: every request counts here.
    candidates: [Counter; SOURCES.len() + 1],
}

#[tonic::async_trait]
impl RecommenderService for Recommender {
    async fn recommend(
        &self,
        request: Request<proto::RecommendRequest>,
    ) -> Result<Response<proto::RecommendResponse>, Status> {
        let request = request.into_inner();
        let call = Call {
            request_id: &request.request_id,
            user_id: &request.user_id,
            surface: &request.surface,
            model: &request.model,
            ..Call::of(Rpc::Recommend)
        };
        self.calls.run(&call, self.recommend_one(&request, &call)).await
    }

    async fn batch_recommend(
        &self,
        request: Request<proto::BatchRecommendRequest>,
    ) -> Result<Response<proto::BatchRecommendResponse>, Status> {
        let (_, extensions, mut request) = request.into_parts();
        let options = request.options.take().unwrap_or_default();
        let call = Call {
            request_id: &options.request_id,
            surface: &options.surface,
            model: &options.model,
            ..Call::of(Rpc::BatchRecommend)
        };
        let work = self.recommend_many(&request.user_ids, &options, extensions.get(), &call);
        self.calls.run(&call, work).await
    }

    async fn trending(
        &self,
        request: Request<proto::TrendingRequest>,
    ) -> Result<Response<proto::TrendingResponse>, Status> {
        let request = request.into_inner();
        let call = Call { model: &request.model, ..Call::of(Rpc::Trending) };
        self.calls.run(&call, self.trending_now(&request)).await
    }

    async fn explain(
        &self,
        request: Request<proto::ExplainRequest>,
    ) -> Result<Response<proto::ExplainResponse>, Status> {
        let request = request.into_inner();
        let (user_id, model) = (&request.user_id, &request.model);
        let call = Call { user_id, model, ..Call::of(Rpc::Explain) };
        self.calls.run(&call, self.explain_one(&request)).await
    }
}

impl Recommender {
    /// Ranks what a reader reads.
    pub fn new(calls: Arc<Calls>, reader: Reader, metrics: Arc<Metrics>, shadow: Option<Shadow>) -> Self {
        let counter = |source| metrics.candidates.get_or_create_owned(&SourceName { source });
        let candidates = candidates::names().map(counter);
        let instants = Instants::new(Arc::clone(reader.ranker()), &metrics.shed);
        Self { calls, reader, instants, batches: Mutex::default(), metrics, shadow, candidates }
    }

    async fn recommend_one(
        &self,
        request: &proto::RecommendRequest,
        call: &Call<'_>,
    ) -> Result<proto::RecommendResponse, Status> {
        let mut response = match request.compare.is_empty() {
            true => self.recommend_by_one(request, call).await?,
            false => self.recommend_compared(request, call).await?,
        };
        if request.with_item {
            let mut room = AnswerRoom::of(&response).map_err(too_many)?;
            add_items(&self.reader, &mut response.items, &mut room).map_err(too_many)?;
        }
        Ok(response)
    }

    async fn recommend_by_one(
        &self,
        request: &proto::RecommendRequest,
        call: &Call<'_>,
    ) -> Result<proto::RecommendResponse, Status> {
        let question = Question::of(request)?;
        let (pools, mut t) = self.pools(&request.model, question.as_of).await?;
        let answer = convert::resolve_as_of(&mut t, question.as_of.is_none(), |t| {
            self.rank(&question, &request.user_id, &pools, t)
        })
        .map_err(|error| self.reader.refusal(error))?;
        call.candidates.store(answer.candidates.iter().sum(), Ordering::Relaxed);
        let response = self.respond(request, &request.user_id, &pools, t, &answer);
        if let Some(shadow) = &self.shadow {
            shadow.see(request, &response);
        }
        Ok(response)
    }

    /// Ranks for a user at an instant, and counts what came of it.
    pub(super) fn rank(
        &self,
        question: &Question<'_>,
        user_id: &str,
        pools: &Pools,
        t: Timestamp,
    ) -> Result<Answer, Unanswerable> {
        let mut query = question.query(self.reader.state().config().context_event_type, t);
        // Models are compared by what they know.
        if question.request.compare.is_empty() && pools.model.explore.every > 0 {
            query.explore = Some(question.draw(user_id, &pools.model, t));
        }
        let rank = |scratch: &mut Scratch| self.reader.ranker().recommend(pools, user_id, &query, scratch);
        let answer = SCRATCH.with_borrow_mut(rank)?;
        for (counter, count) in self.candidates.iter().zip(answer.candidates) {
            counter.inc_by(count as u64);
        }
        Ok(answer)
    }

    async fn trending_now(
        &self,
        request: &proto::TrendingRequest,
    ) -> Result<proto::TrendingResponse, Status> {
        let n = convert::number(request.n)?;
        let as_of = convert::instant("as_of", request.as_of.as_ref())?;
        let filter = convert::filter(request.filter.clone())?;
        let (pools, mut t) = self.pools(&request.model, as_of).await?;
        // As lists do: where a clock ahead has moved what can be told, a question of now is one of then.
        if as_of.is_none() {
            t = t.max(pools.floor);
        }
        if t < pools.floor {
            return Err(convert::too_old(TooOld { asked: t, oldest: pools.floor }));
        }
        let compiled = filter.compile(&pools.layout);
        let passes = |row| pools.not_live(row, t).is_none() && compiled.passes(&pools.layout, row);
        let best = pools.trending(n, passes).into_iter();
        let item = |(place, trending): (usize, Trending)| proto::TrendingItem {
            item_id: pools.layout.id(trending.row).to_owned(),
            score: trending.score,
            rank: place as u32 + 1,
            recent: u64::from(trending.recent),
            expected: trending.expected,
            item: None,
        };
        let degraded = self.reader.degraded();
        let mut response = proto::TrendingResponse {
            items: best.enumerate().map(item).collect(),
            model: Some(convert::model_ref(&pools.model)),
            as_of: Some(from_time(t)),
            degraded: degraded.is_some(),
            degraded_reason: degraded.unwrap_or_default(),
        };
        if request.with_item {
            let mut room = AnswerRoom::of(&response).map_err(too_many)?;
            add_items(&self.reader, &mut response.items, &mut room).map_err(too_many)?;
        }
        Ok(response)
    }

    async fn explain_one(&self, request: &proto::ExplainRequest) -> Result<proto::ExplainResponse, Status> {
        convert::check_question(&request.user_id, &request.model, &request.context_item_ids)?;
        convert::required("item_id", &request.item_id)?;
        let as_of = convert::instant("as_of", request.as_of.as_ref())?;
        let (pools, mut t) = self.pools(&request.model, as_of).await?;
        let unknown =
            || Status::not_found(format!("`item_id` is `{}`, which is not in the catalog", request.item_id));
        let row = pools.layout.row(&request.item_id).ok_or_else(unknown)?;
        let filter = Filter::default();
        let query = |as_of| Query {
            n: 1,
            as_of,
            context: &request.context_item_ids,
            context_kind: self.reader.state().config().context_event_type,
            exclude: &[],
            filter: &filter,
            include_seen: false,
            explain: false,
            explore: None,
        };
        let explanation = convert::resolve_as_of(&mut t, as_of.is_none(), |t| {
            let explain = |scratch: &mut Scratch| {
                self.reader.ranker().explain(&pools, &request.user_id, &query(t), row, scratch)
            };
            SCRATCH.with_borrow_mut(explain)
        })
        .map_err(|error| self.reader.refusal(error))?;
        let Explanation { explained, interest } = &explanation;
        let degraded = self.reader.degraded();
        Ok(proto::ExplainResponse {
            item_id: request.item_id.clone(),
            score: explained.ranked.score,
            contributions: convert::contributions(&explained.ranked, &pools),
            interest: evidence::interest(interest),
            popularity: evidence::popularity(&self.reader.state().config().popularity_windows, &pools, row),
            excluded: excluded(&pools, row, t, explained).to_owned(),
            model: Some(convert::model_ref(&pools.model)),
            as_of: Some(from_time(t)),
            profile_as_of: explained.profile_as_of.map(from_time),
            degraded: degraded.is_some(),
            degraded_reason: degraded.unwrap_or_default(),
            sources: explained.sources.iter().map(|name| (*name).to_owned()).collect(),
            related: evidence::related(explained, &pools),
        })
    }

    /// The pools to answer from and the instant to answer for.
    pub(super) async fn pools(
        &self,
        model: &str,
        as_of: Option<Timestamp>,
    ) -> Result<(Arc<Pools>, Timestamp), Status> {
        let pools = self.reader.pools(model)?;
        let Some(t) = as_of else {
            // A refresh may have used a clock reading later than ours.
            let t = self.reader.now().max(pools.as_of);
            return Ok((pools, t));
        };
        Ok((self.instants.pools(&pools.model, t).await?, t))
    }

    /// The message of a list.
    pub(super) fn respond(
        &self,
        request: &proto::RecommendRequest,
        user_id: &str,
        pools: &Pools,
        t: Timestamp,
        answer: &Answer,
    ) -> proto::RecommendResponse {
        let removed = |(why, count): (&Removal, &usize)| (convert::removal(*why).to_owned(), *count as u32);
        let degraded = self.reader.degraded();
        if degraded.is_some() {
            self.metrics.degraded.inc();
        }
        let mut response = proto::RecommendResponse {
            recommendation_id: String::new(),
            items: items(request, pools, answer),
            model: Some(convert::model_ref(&pools.model)),
            as_of: Some(from_time(t)),
            profile_as_of: answer.profile_as_of.map(from_time),
            degraded: degraded.is_some(),
            degraded_reason: degraded.unwrap_or_default(),
            request_id: request.request_id.clone(),
            removed: answer.removed.iter().map(removed).collect(),
            comparison: None,
        };
        response.recommendation_id = recommendation_id(user_id, &response);
        response
    }
}

/// The items of a list.
pub(super) fn items(
    request: &proto::RecommendRequest,
    pools: &Pools,
    answer: &Answer,
) -> Vec<proto::RankedItem> {
    let item = |(place, ranked): (usize, &Ranked)| proto::RankedItem {
        item_id: pools.layout.id(ranked.row).into(),
        score: ranked.score,
        rank: place as u32 + 1,
        reason: convert::reason(ranked.reason, &pools.layout),
        propensity: ranked.propensity,
        contributions: if request.explain { convert::contributions(ranked, pools) } else { Vec::new() },
        item: None,
    };
    answer.items.iter().enumerate().map(item).collect()
}

/// Names an answer by what it says and to whom, so that a replay gives the same name.
pub(super) fn recommendation_id(user_id: &str, response: &proto::RecommendResponse) -> String {
    let mut content = Vec::with_capacity(32 * (response.items.len() + 4));
    let mut text = |text: &str| {
        content.extend_from_slice(&(text.len() as u32).to_le_bytes());
        content.extend_from_slice(text.as_bytes());
    };
    text(user_id);
    text(&response.request_id);
    text(&response.degraded_reason);
    text(response.model.as_ref().map_or("", |model| &model.version));
    let compared = response.comparison.iter().flat_map(|comparison| &comparison.models);
    compared.for_each(|model| text(&model.version));
    response.items.iter().for_each(|item| text(&item.item_id));
    response.items.iter().for_each(|item| content.extend_from_slice(&item.score.to_le_bytes()));
    for time in [&response.as_of, &response.profile_as_of].into_iter().flatten() {
        content.extend_from_slice(&time.seconds.to_le_bytes());
        content.extend_from_slice(&time.nanos.to_le_bytes());
    }
    format!("{:032x}", xxh3_128(&content))
}

fn excluded(pools: &Pools, row: u32, t: Timestamp, explained: &Explained) -> &'static str {
    let seen = explained.seen.then_some(Removal::Seen);
    pools.not_live(row, t).map(Removal::NotLive).or(seen).map_or("", convert::removal)
}
