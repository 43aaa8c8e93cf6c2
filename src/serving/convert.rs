//! Between the wire's types and the engine's, and from errors to gRPC statuses: the only place
//! where one becomes the other.

use compact_str::CompactString;
use tonic::Status;

use crate::codec::convert::{from_time, millis};
use crate::engine::events::event::{MAX_ID_BYTES, MAX_LABEL_BYTES, MAX_TIMESTAMP, Timestamp};
use crate::engine::index::layout::Layout;
use crate::engine::index::liveness::NotLive;
use crate::engine::index::pools::Pools;
use crate::engine::rank::features::FEATURES;
use crate::engine::rank::features::feature::Feature;
use crate::engine::rank::filters::Filter;
use crate::engine::rank::forest::reranking::Reranking;
use crate::engine::rank::model::Model;
use crate::engine::rank::pipeline::{Ranked, TooOld};
use crate::engine::rank::reason::Reason;
use crate::engine::rank::removal::Removal;
use crate::health::FileNotServed;
use crate::log::LogError;
use crate::proto;
use crate::state::ranker::Unanswerable;

/// The most items in a list.
const MAX_N: u32 = 1000;
/// How many items a request that names no number gets.
const DEFAULT_N: u32 = 10;
/// The most context items.
const MAX_CONTEXT: usize = 128;
/// The most excluded items.
const MAX_EXCLUDED: usize = 1000;
/// The most entries of each part of a filter.
const MAX_FILTER: usize = 100;
/// The most events or items in a call.
pub const MAX_BATCH: usize = 10_000;

/// A field that is not as it should be.
pub fn invalid(field: &str, problem: impl std::fmt::Display) -> Status {
    Status::invalid_argument(format!("`{field}` {problem}"))
}

/// The number of items that is asked for.
pub fn number(n: u32) -> Result<usize, Status> {
    match n {
        0 => Ok(DEFAULT_N as usize),
        1..=MAX_N => Ok(n as usize),
        _ => Err(invalid("n", format!("is {n}, expected 1 to {MAX_N}, or 0 for {DEFAULT_N}"))),
    }
}

/// A required id.
pub fn required(field: &str, id: &str) -> Result<(), Status> {
    if id.is_empty() { Err(invalid(field, "is required")) } else { at_most(field, id, MAX_ID_BYTES) }
}

/// A string that may be empty.
pub fn at_most(field: &str, text: &str, max: usize) -> Result<(), Status> {
    match text.len() {
        bytes if bytes > max => Err(invalid(field, format!("is {bytes} bytes long, expected at most {max}"))),
        _ => Ok(()),
    }
}

/// Ids of items.
pub fn ids(field: &str, ids: &[String], max: usize) -> Result<(), Status> {
    count(field, ids.len(), max)?;
    ids.iter().try_for_each(|id| required(field, id))
}

/// A number of entries.
pub fn count(field: &str, found: usize, max: usize) -> Result<(), Status> {
    if found > max {
        Err(invalid(field, format!("has {found} entries, expected at most {max}")))
    } else {
        Ok(())
    }
}

/// The instant that is asked for, if one is.
pub fn instant(
    field: &'static str,
    time: Option<&prost_types::Timestamp>,
) -> Result<Option<Timestamp>, Status> {
    let Some(time) = time else { return Ok(None) };
    let ms = millis(field, time).map_err(|error| Status::invalid_argument(error.to_string()))?;
    if (0..=MAX_TIMESTAMP.0).contains(&ms) {
        Ok(Some(Timestamp(ms)))
    } else {
        Err(invalid(field, format!("is {ms} ms, expected 0 to {} (1970 to 9999)", MAX_TIMESTAMP.0)))
    }
}

/// A filter, if it is one.
pub fn filter(filter: Option<proto::Filter>) -> Result<Filter, Status> {
    let Some(filter) = filter else { return Ok(Filter::default()) };
    ids("filter.categories_any", &filter.categories_any, MAX_FILTER)?;
    ids("filter.categories_none", &filter.categories_none, MAX_FILTER)?;
    count("filter.attributes", filter.attributes.len(), MAX_FILTER)?;
    Ok(Filter {
        categories_any: filter.categories_any,
        categories_none: filter.categories_none,
        attributes: filter.attributes,
        created_after: created_after(filter.created_after.as_ref())?,
    })
}

fn created_after(time: Option<&prost_types::Timestamp>) -> Result<Option<Timestamp>, Status> {
    const FIELD: &str = "filter.created_after";
    let ms = time.map(|time| millis(FIELD, time)).transpose();
    Ok(ms.map_err(|error| Status::invalid_argument(error.to_string()))?.map(Timestamp))
}

/// What is common to questions about a user.
pub fn check_question(user_id: &str, model: &str, context: &[String]) -> Result<(), Status> {
    at_most("user_id", user_id, MAX_ID_BYTES)?;
    at_most("model", model, MAX_LABEL_BYTES)?;
    ids("context_item_ids", context, MAX_CONTEXT)
}

/// What is particular to a request for a list.
pub fn check_recommend(request: &proto::RecommendRequest) -> Result<(), Status> {
    check_question(&request.user_id, &request.model, &request.context_item_ids)?;
    ids("exclude_item_ids", &request.exclude_item_ids, MAX_EXCLUDED)?;
    at_most("surface", &request.surface, MAX_LABEL_BYTES)?;
    at_most("request_id", &request.request_id, MAX_LABEL_BYTES)
}

/// Which model answered.
pub fn files_not_served(files: &[FileNotServed]) -> Vec<proto::ModelFileNotServed> {
    let convert = |file: &FileNotServed| proto::ModelFileNotServed {
        name: file.name.clone(),
        reason: file.reason.clone(),
        since: Some(from_time(file.since)),
    };
    files.iter().map(convert).collect()
}

pub fn model_ref(model: &Model) -> proto::ModelRef {
    proto::ModelRef { name: model.name.clone(), version: model.version.clone() }
}

/// What stands in the place of a feature's name for what a forest expects of any item.
const EXPECTED: &str = "expected";

/// The parts of a score: of each feature that the model has, or of what its forest has looked at.
pub fn contributions(ranked: &Ranked, pools: &Pools) -> Vec<proto::Contribution> {
    if let (Some(values), Some(reranking)) = (&ranked.signals, &pools.model.reranking) {
        return by_forest(reranking, values);
    }
    let (weights, contributions) = (pools.model.weights(), ranked.contributions(pools));
    let told = FEATURES.iter().enumerate().filter(|(_, feature)| feature.in_use(&pools.model));
    let contribution = |(index, feature): (usize, &Feature)| proto::Contribution {
        feature: feature.name.to_owned(),
        value: ranked.features[index],
        weight: weights[index],
        contribution: contributions[index],
    };
    told.map(contribution).collect()
}

fn by_forest(reranking: &Reranking, values: &[f32]) -> Vec<proto::Contribution> {
    let part = |feature: &str, value, contribution| proto::Contribution {
        feature: feature.to_owned(),
        value,
        weight: 0.0,
        contribution,
    };
    let parts = reranking.forest.contributions(values);
    let parts = reranking.signals.iter().zip(values).zip(parts);
    let parts = parts.map(|((named, value), added)| part(&named.name, f64::from(*value), added));
    std::iter::once(part(EXPECTED, 0.0, reranking.forest.bias())).chain(parts).collect()
}

/// The main reason for an item's place, in words.
pub fn reason(reason: Reason, layout: &Layout) -> CompactString {
    let words = |feature: u8| FEATURES.get(usize::from(feature)).map_or("", |feature| feature.reason);
    match reason {
        Reason::Nothing => CompactString::const_new("nothing speaks for it"),
        Reason::Item(feature) => CompactString::const_new(words(feature)),
        Reason::Pair(feature, category) => {
            [words(feature), " ", layout.category_name(category)].into_iter().collect()
        }
        Reason::Related(feature, row) => [words(feature), " ", layout.id(row)].into_iter().collect(),
        Reason::Unnamed => CompactString::const_new("promoted"),
        Reason::New => CompactString::const_new("new, to find out"),
    }
}

/// The name of what keeps an item out of a list.
pub fn removal(why: Removal) -> &'static str {
    match why {
        Removal::NotLive(NotLive::Unavailable) => "unavailable",
        Removal::NotLive(NotLive::Expired) => "expired",
        Removal::NotLive(NotLive::NotYetCreated) => "not_yet_created",
        Removal::Excluded => "excluded",
        Removal::Seen => "seen",
        Removal::Filtered => "filtered",
    }
}

/// Answers for an instant. A question for now is answered for the earliest instant that can be if
/// that is later, as when a producer's clock is ahead and a user's newest events are yet to come.
pub fn resolve_as_of<T>(
    t: &mut Timestamp,
    now: bool,
    mut answer: impl FnMut(Timestamp) -> Result<T, Unanswerable>,
) -> Result<T, Unanswerable> {
    loop {
        match answer(*t) {
            // Pools and both histories of a user have each an oldest instant of their own, so there may be another.
            Err(Unanswerable::TooOld(too_old)) if now && too_old.oldest > *t => *t = too_old.oldest,
            done => return done,
        }
    }
}

/// An instant that can't be answered for.
pub fn too_old(error: TooOld) -> Status {
    Status::out_of_range(error.to_string())
}

/// A log that did not take what was to be appended.
pub fn log_error(error: LogError) -> Status {
    match error {
        LogError::Unavailable(_) => Status::unavailable(format!("not appended: {error}")),
        LogError::Refused(_) => Status::invalid_argument(format!("not appended: {error}")),
        LogError::NoTopic { .. } => Status::failed_precondition(format!("not appended: {error}")),
        LogError::OutOfRange { .. } | LogError::Fatal(_) => {
            Status::internal(format!("not appended: {error}"))
        }
    }
}
