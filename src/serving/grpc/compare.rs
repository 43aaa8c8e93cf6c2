//! `Recommend` with `compare`: one list of two models, each of which has picked half of it.

use std::sync::atomic::Ordering;

use tonic::Status;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::question::Question;
use super::recommender::{Recommender, items, recommendation_id};
use crate::engine::events::event::MAX_LABEL_BYTES;
use crate::engine::index::pools::Pools;
use crate::engine::rank::interleave::{Pick, team_draft};
use crate::proto;
use crate::serving::convert;
use crate::telemetry::Call;

impl Recommender {
    /// The list of the two models that a request names, with what each has picked.
    pub(super) async fn recommend_compared(
        &self,
        request: &proto::RecommendRequest,
        call: &Call<'_>,
    ) -> Result<proto::RecommendResponse, Status> {
        let question = Question::of(request)?;
        let [first, second] = check(request)?;
        let (first, mut t) = self.pools(first, question.as_of).await?;
        let (second, later) = self.pools(second, question.as_of).await?;
        // The pools of one may have been made anew since the other's were looked up.
        t = t.max(later);
        if first.model.name == second.model.name {
            let problem = format!("is `{}` twice, expected two models", first.model.name);
            return Err(convert::invalid("compare", problem));
        }
        let pools: [&Pools; 2] = [&first, &second];
        let user = &request.user_id;
        let answers = convert::resolve_as_of(&mut t, question.as_of.is_none(), |t| {
            let [first, second] = pools.map(|pools| self.rank(&question, user, pools, t));
            Ok([first?, second?])
        })
        .map_err(|error| self.reader.refusal(error))?;
        let candidates = answers.iter().flat_map(|answer| answer.candidates).sum();
        call.candidates.store(candidates, Ordering::Relaxed);
        let mut response = self.respond(request, user, &first, t, &answers[0]);
        let mut listed = [std::mem::take(&mut response.items), items(request, &second, &answers[1])];
        let names =
            [0, 1].map(|list: usize| listed[list].iter().map(|item| &*item.item_id).collect::<Vec<_>>());
        let seed = seed(request, pools, &response);
        // A coin of its own for each round.
        let coin = |round: u64| xxh3_64_with_seed(&round.to_le_bytes(), seed) & 1 == 1;
        let picks = team_draft([&names[0], &names[1]], question.n, coin);
        response.items = picked(&mut listed, &picks);
        response.model = None;
        response.comparison = Some(proto::Comparison {
            models: pools.iter().map(|pools| convert::model_ref(&pools.model)).collect(),
            picked_by: picks.iter().map(|pick| pick.list as u32).collect(),
        });
        response.recommendation_id = recommendation_id(user, &response);
        Ok(response)
    }
}

/// The names of the two models.
fn check(request: &proto::RecommendRequest) -> Result<[&str; 2], Status> {
    let [first, second] = request.compare.as_slice() else {
        let problem = format!("has {} entries, expected two models, or none", request.compare.len());
        return Err(convert::invalid("compare", problem));
    };
    if !request.model.is_empty() {
        return Err(convert::invalid("model", "is set, expected the models in `compare` alone"));
    }
    for name in [first, second] {
        convert::required("compare", name)?;
        convert::at_most("compare", name, MAX_LABEL_BYTES)?;
    }
    Ok([first, second])
}

/// Where coins come from: a list changes when the user does something, or a model, and not each time that it is asked for.
/// Strangers are told apart by what they have in their session, and by what the caller calls the request.
fn seed(request: &proto::RecommendRequest, pools: [&Pools; 2], response: &proto::RecommendResponse) -> u64 {
    let mut content = Vec::new();
    let mut text = |text: &str| {
        content.extend_from_slice(&(text.len() as u32).to_le_bytes());
        content.extend_from_slice(text.as_bytes());
    };
    text(&request.user_id);
    pools.iter().for_each(|pools| text(&pools.model.version));
    request.context_item_ids.iter().for_each(|item| text(item));
    if request.user_id.is_empty() {
        text(&request.request_id);
    } else if let Some(newest) = &response.profile_as_of {
        content.extend_from_slice(&newest.seconds.to_le_bytes());
        content.extend_from_slice(&newest.nanos.to_le_bytes());
    }
    xxh3_64(&content)
}

/// The picks, in the order and with the ranks of the list that they make.
fn picked(listed: &mut [Vec<proto::RankedItem>; 2], picks: &[Pick]) -> Vec<proto::RankedItem> {
    let item = |(rank, pick): (u32, &Pick)| proto::RankedItem {
        rank,
        ..std::mem::take(&mut listed[pick.list][pick.place])
    };
    (1..).zip(picks).map(item).collect()
}
