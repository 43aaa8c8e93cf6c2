//! gRPC: the real services, fed with messages that are nearly right.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use headwater::codec::convert::from_time;
use headwater::codec::{Encoding, decode_event_record, decode_item_record};
use headwater::engine::config::StreamConfig;
use headwater::engine::events::event::Timestamp;
use headwater::engine::events::item::ItemChange;
use headwater::engine::rank::models::ModelSet;
use headwater::health::{Health, ServingStatus};
use headwater::log::{
    Appended, Bounds, Log, LogError, LogReader, NewRecord, Offset, Partition, Positions, Record, Topic,
};
use headwater::models::BUILT_IN_MODEL;
use headwater::models::parse_model;
use headwater::proto;
use headwater::serving::{ServerSettings, ServingParts, server};
use headwater::state::State;
use headwater::state::ranker::Ranker;
use headwater::telemetry::Metrics;
use prost::Message;
use tonic::Code;
use tonic::codegen::{Body as _, Service};
use tonic::service::Routes;

use super::engine_harness::streams::{START, items, user};
use super::records::sound;
use super::runner::Target;

const METHODS: [&str; 13] = [
    "RecommenderService/Recommend",
    "RecommenderService/Trending",
    "RecommenderService/Explain",
    "EventService/Publish",
    "CatalogService/PutItems",
    "CatalogService/DeleteItems",
    "CatalogService/GetItem",
    "ProfileService/GetProfile",
    "ModelService/ListModels",
    "ModelService/GetModel",
    "StatusService/GetStatus",
    "RecommenderService/BatchRecommend",
    "CatalogService/GetItems",
];
const WORDS: &[&[u8]] = &[
    b"u1",
    b"i1",
    b"c1",
    b"default",
    b"click",
    b"\x0a\x02",
    b"\x12\x02",
    b"\x1a\x00",
    b"\x2a\x02i2",
    b"\x32\x02i3",
    b"\x3a\x04\x0a\x02c1",
    b"\x40\x01",
    b"\x50\x01",
    b"\x60\x01",
    b"\x0a\x02u2",
    b"\x0a\x00",
    b"\x10\xe8\x07",
    b"\x10\xe9\x07",
    b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\x10\xff\x93\xeb\xdc\x03",
    b"\x10\x80\x94\xeb\xdc\x03",
    b"\x31\x00\x00\x00\x00\x00\x00\xf0\x7f",
    b"\xff\xff\xff\xff\x0f",
    b"\x0b\x0b\x0b\x0b",
    b"\xc3\x28",
];

/// A log that takes what it would be able to read again, and nothing else.
struct Checking(Arc<StreamConfig>);

impl Log for Checking {
    fn name(&self, _: Topic) -> &str {
        "log"
    }

    fn partitions(&self, _: Topic) -> Result<u32, LogError> {
        Ok(1)
    }

    fn bounds(&self, _: Topic, _: Partition) -> Result<Bounds, LogError> {
        Ok(Bounds { low: Offset::ZERO, high: Offset::ZERO })
    }

    fn reader(&self, _: Topic, _: &Positions) -> Result<Box<dyn LogReader>, LogError> {
        Err(LogError::Fatal("nothing is read here".into()))
    }

    fn append(&self, topic: Topic, records: Vec<NewRecord>) -> Appended {
        for new in &records {
            let headers = new.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
            let value = new.value.as_deref();
            let record = Record {
                partition: Partition(0),
                offset: Offset::ZERO,
                timestamp: None,
                key: Some(&new.key),
                value,
                headers,
            };
            match topic {
                Topic::Clicks => {
                    let draft = decode_event_record(&record, Encoding::Protobuf).expect("an event");
                    let event = draft.check(&self.0.event_types).expect("a valid event");
                    sound(&event, &self.0.event_types);
                    assert_eq!(event.user_id.as_bytes(), new.key);
                }
                _ => drop(decode_item_record(&record, Encoding::Protobuf).expect("an item")),
            }
        }
        Box::pin(std::future::ready(Ok(vec![(Partition(0), Offset::ZERO); records.len()])))
    }

    fn committed(&self, _: Topic, _: &Positions) {}
}

fn service() -> Routes {
    let config = Arc::new(StreamConfig::default());
    let state = Arc::new(State::empty(Arc::clone(&config), 1));
    for item in items() {
        state.apply_item(ItemChange::Put(item));
    }
    for (offset, place) in (0..60_u64).zip(0_i64..) {
        let (user, item) = (user(place as usize % 5), format!("i{}", place % 23));
        let draft = headwater::engine::events::event::EventDraft {
            user_id: Some(user.into()),
            item_id: Some(item.into()),
            kind: Some("click".into()),
            ts: Some(START + place * 10_000),
            ..Default::default()
        };
        state.apply(Partition(0), Offset(offset), None, &draft.check(&config.event_types).expect("valid"));
    }
    let model = |name: &str| {
        let model = parse_model(name, "default.toml".as_ref(), BUILT_IN_MODEL, &config).expect("valid");
        (name.to_owned(), Arc::new(model))
    };
    let models = ModelSet::new(BTreeMap::from(["default", "other"].map(model)), "default");
    let ranker = Ranker::new(state, Arc::new(models.expect("a default model")));
    ranker.refresh(Timestamp(START + 3_600_000));
    server::routes(ServingParts {
        ranker: Arc::new(ranker),
        log: Arc::new(Checking(config)),
        health: Arc::new(Health::new(ServingStatus { ready: true, reasons: Vec::new() }, Timestamp(0))),
        about: Arc::default(),
        metrics: Arc::new(Metrics::new()),
        clock: Arc::new(|| START + 3_600_000),
        slow_request: ServerSettings::default().slow_request,
        shadow: None,
    })
}

fn seeds() -> Vec<Vec<u8>> {
    let t = Some(from_time(Timestamp(START + 600_000)));
    let filter = proto::Filter {
        categories_any: vec!["c1".into(), "c2".into()],
        categories_none: vec!["c3".into()],
        attributes: [("colour".to_owned(), "red".to_owned())].into(),
        created_after: Some(from_time(Timestamp(START - 3_600_000))),
    };
    let recommend = proto::RecommendRequest {
        user_id: "u1".into(),
        n: 5,
        surface: "home".into(),
        model: "default".into(),
        context_item_ids: vec!["i1".into(), "i2".into()],
        exclude_item_ids: vec!["i3".into()],
        filter: Some(filter.clone()),
        include_seen: true,
        as_of: t,
        explain: true,
        request_id: "r".into(),
        with_item: true,
        compare: Vec::new(),
    };
    let batch = proto::BatchRecommendRequest {
        user_ids: vec!["u1".into(), "u2".into(), String::new()],
        options: Some(proto::RecommendRequest { user_id: String::new(), ..recommend.clone() }),
    };
    let now = proto::RecommendRequest {
        model: String::new(),
        compare: vec!["default".into(), "other".into()],
        as_of: None,
        filter: None,
        ..recommend.clone()
    };
    let event = proto::Event {
        user_id: "u1".into(),
        item_id: "i1".into(),
        r#type: "click".into(),
        ts: t,
        value: Some(1.0),
        categories: vec!["c1".into()],
        ..Default::default()
    };
    let item = proto::Item {
        item_id: "i1".into(),
        categories: vec!["c1".into()],
        created_at: t,
        title: "T".into(),
        ..Default::default()
    };
    let trending = proto::TrendingRequest {
        n: 3,
        filter: Some(filter),
        as_of: t,
        with_item: true,
        ..Default::default()
    };
    let item_ids = ["i1", "unknown", "i2"].map(str::to_owned).to_vec();
    let explain = proto::ExplainRequest { user_id: "u1".into(), item_id: "i1".into(), ..Default::default() };
    let messages = [
        (0, recommend.encode_to_vec()),
        (0, now.encode_to_vec()),
        (1, trending.encode_to_vec()),
        (2, explain.encode_to_vec()),
        (3, proto::PublishRequest { events: vec![event.clone(), event] }.encode_to_vec()),
        (4, proto::PutItemsRequest { items: vec![item.clone(), item] }.encode_to_vec()),
        (5, proto::DeleteItemsRequest { item_ids: vec!["i1".into()] }.encode_to_vec()),
        (6, proto::GetItemRequest { item_id: "i1".into() }.encode_to_vec()),
        (
            7,
            proto::GetProfileRequest { user_id: "u1".into(), as_of: t, ..Default::default() }.encode_to_vec(),
        ),
        (8, Vec::new()),
        (9, proto::GetModelRequest::default().encode_to_vec()),
        (10, batch.encode_to_vec()),
        (11, proto::GetItemsRequest { item_ids }.encode_to_vec()),
    ];
    messages.into_iter().map(|(method, message)| [&[method], message.as_slice()].concat()).collect()
}

pub fn target() -> Target {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let routes = service();
    Target {
        name: "requests",
        seeds: seeds(),
        words: WORDS,
        rounds: 12_000,
        may_hold: (512, 2 << 20),
        check: Box::new(move |input| {
            let (method, message) = input.split_first().unwrap_or((&0, &[]));
            let method = METHODS[usize::from(*method) % METHODS.len()];
            let (code, told, answer) = runtime.block_on(call(routes.clone(), method, message));
            judge(method, message, code, &told, &answer)
        }),
    }
}

async fn call(mut routes: Routes, method: &str, message: &[u8]) -> (Code, String, Vec<u8>) {
    let mut framed = vec![0];
    framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
    framed.extend_from_slice(message);
    let request = http::Request::post(format!("http://localhost/headwater.v1.{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::from(Bytes::from(framed)))
        .expect("a request");
    let response = routes.call(request).await.expect("the services answer whatever they are asked");
    let (head, mut body) = response.into_parts();
    let (mut data, mut status) = (Vec::new(), head.headers);
    let work = async {
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            match frame.expect("a whole answer").into_data() {
                Ok(part) => data.extend_from_slice(&part),
                Err(frame) => status.extend(frame.into_trailers().expect("trailers")),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), work).await.expect("an answer at all");
    let status = tonic::Status::from_header_map(&status).expect("a status");
    (status.code(), status.message().to_owned(), data.get(5..).unwrap_or_default().to_vec())
}

fn judge(method: &str, message: &[u8], code: Code, told: &str, answer: &[u8]) -> String {
    match code {
        Code::Ok => {}
        Code::InvalidArgument if told.starts_with("the message is not a ") => return "no message".to_owned(),
        Code::InvalidArgument | Code::NotFound | Code::OutOfRange => {
            assert!(told.split_whitespace().count() >= 3 && told.len() <= 1024, "{told}");
            assert!(told.contains('`') || code == Code::OutOfRange, "{told}");
            return format!("{method} {code:?} {told}");
        }
        _ => panic!("{method}: {code:?} {told}"),
    }
    let size = match method {
        "RecommenderService/Recommend" => {
            let request = proto::RecommendRequest::decode(message).expect("a request");
            let answer = proto::RecommendResponse::decode(answer).expect("an answer");
            let wanted = if request.n == 0 { 10 } else { request.n as usize };
            assert!(answer.items.len() <= wanted && wanted <= 1000);
            assert!(answer.items.iter().all(|item| item.score.is_finite()));
            let ids: BTreeSet<&str> = answer.items.iter().map(|item| item.item_id.as_str()).collect();
            assert_eq!(ids.len(), answer.items.len(), "an item twice");
            assert!(request.exclude_item_ids.iter().all(|id| !ids.contains(id.as_str())));
            assert_eq!(answer.request_id, request.request_id);
            answer.items.len()
        }
        "RecommenderService/BatchRecommend" => {
            let request = proto::BatchRecommendRequest::decode(message).expect("a request");
            let answer = proto::BatchRecommendResponse::decode(answer).expect("an answer");
            let users: Vec<&str> = answer.results.iter().map(|result| result.user_id.as_str()).collect();
            assert_eq!(users, request.user_ids);
            assert!((1..=100).contains(&users.len()));
            assert!(answer.results.iter().all(|result| result.result.is_some()));
            users.len()
        }
        "CatalogService/GetItems" => {
            let request = proto::GetItemsRequest::decode(message).expect("a request");
            let answer = proto::GetItemsResponse::decode(answer).expect("an answer");
            assert_eq!(answer.items.len() + answer.unknown_item_ids.len(), request.item_ids.len());
            answer.items.len()
        }
        "EventService/Publish" => {
            let request = proto::PublishRequest::decode(message).expect("a request");
            let answer = proto::PublishResponse::decode(answer).expect("an answer");
            assert_eq!(answer.accepted as usize + answer.rejected.len(), request.events.len());
            assert!(answer.rejected.iter().all(|rejected| rejected.reason.contains('`')));
            answer.rejected.len()
        }
        "CatalogService/PutItems" => {
            let request = proto::PutItemsRequest::decode(message).expect("a request");
            let answer = proto::PutItemsResponse::decode(answer).expect("an answer");
            assert_eq!(answer.accepted as usize, request.items.len());
            request.items.len()
        }
        _ => 0,
    };
    format!("{method} {}", "x".repeat(size.min(40)))
}
