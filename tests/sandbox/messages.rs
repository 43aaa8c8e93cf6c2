//! Short ways to write what goes over the wire.

use headwater::proto;

/// What a status says: its code and its message.
pub type Refusal = (tonic::Code, String);

pub fn time(ms: i64) -> Option<prost_types::Timestamp> {
    let nanos = i32::try_from(ms.rem_euclid(1000) * 1_000_000).expect("less than a second");
    Some(prost_types::Timestamp { seconds: ms.div_euclid(1000), nanos })
}

pub fn millis(time: Option<prost_types::Timestamp>) -> Option<i64> {
    time.map(|time| time.seconds * 1000 + i64::from(time.nanos) / 1_000_000)
}

pub fn event(user: &str, item: &str, kind: &str, ts: i64) -> proto::Event {
    proto::Event {
        user_id: user.into(),
        item_id: item.into(),
        r#type: kind.into(),
        ts: time(ts),
        ..proto::Event::default()
    }
}

pub fn item(id: &str, categories: &[&str]) -> proto::Item {
    proto::Item {
        item_id: id.into(),
        categories: categories.iter().map(|name| (*name).to_owned()).collect(),
        ..proto::Item::default()
    }
}

pub fn recommend(user: &str, n: u32, as_of: Option<i64>) -> proto::RecommendRequest {
    proto::RecommendRequest {
        user_id: user.into(),
        n,
        as_of: as_of.and_then(time),
        ..proto::RecommendRequest::default()
    }
}

pub fn profile(user: &str, as_of: Option<i64>) -> proto::GetProfileRequest {
    proto::GetProfileRequest {
        user_id: user.into(),
        as_of: as_of.and_then(time),
        ..proto::GetProfileRequest::default()
    }
}

pub fn explain(user: &str, item: &str, as_of: Option<i64>) -> proto::ExplainRequest {
    proto::ExplainRequest {
        user_id: user.into(),
        item_id: item.into(),
        as_of: as_of.and_then(time),
        ..proto::ExplainRequest::default()
    }
}

pub fn trending(n: u32, as_of: Option<i64>) -> proto::TrendingRequest {
    proto::TrendingRequest { n, as_of: as_of.and_then(time), ..proto::TrendingRequest::default() }
}

/// The ids of a list, best first.
pub fn ids(response: &proto::RecommendResponse) -> Vec<&str> {
    response.items.iter().map(|item| item.item_id.as_str()).collect()
}

/// The answer, or what the status says.
pub fn answer<T>(result: Result<tonic::Response<T>, tonic::Status>) -> Result<T, Refusal> {
    result.map(tonic::Response::into_inner).map_err(|status| (status.code(), status.message().to_owned()))
}
