//! What is not quite usual and yet is no mistake.

use std::time::{SystemTime, UNIX_EPOCH};

use headwater::proto;
use prost::Message;
use serde_json::json;
use tonic::Code;

use super::sandbox::kafka::Broker;
use super::sandbox::messages::{answer, event, item, millis, profile, time};
use super::sandbox::producer::Producer;
use super::sandbox::service::{Clients, Home, until};

const TS: i64 = 1_700_000_000_123;

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64
}

/// The user's newest events: item, type and time.
async fn recent(service: &Clients, user: &str) -> Vec<(String, String, i64)> {
    let answered = answer(service.profiles().get_profile(profile(user, None)).await).expect("a profile");
    let event = |event: proto::ProfileEvent| (event.item_id, event.r#type, millis(event.ts).expect("a time"));
    answered.recent_events.into_iter().map(event).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_fields_other_spellings_of_time_and_protobuf_by_header_are_taken() {
    let broker = tokio::task::spawn_blocking(Broker::shared).await.expect("a broker");
    let home = Home::on_kafka(broker);
    let service = home.start().await;
    let clicks = home.topics().clicks;
    let producer = Producer::new(broker);
    let click = json!({
        "user_id": "u", "item_id": "json", "type": "click", "ts": "2023-11-14T23:13:20.123+01:00",
        "colour": { "deep": [1, 2, { "er": null }] }, "value": null, "session_id": null
    });
    producer.send(&clicks, "u", &click.to_string());
    let message = event("u", "protobuf", "like", TS + 1).encode_to_vec();
    producer.send_raw(&clicks, b"u", Some(&message), &[("Content-Type", b"application/x-protobuf; v=1")]);
    let last = json!({ "user_id": "u", "item_id": "said to be json", "type": "view", "ts": TS + 2 });
    let headers: &[(&str, &[u8])] = &[("content-type", b"application/json; charset=utf-8")];
    producer.send_raw(&clicks, b"u", Some(last.to_string().as_bytes()), headers);
    producer.flush();
    service.until_events(3).await;
    let expected = [("said to be json", "view", TS + 2), ("protobuf", "like", TS + 1), ("json", "click", TS)];
    let expected = expected.map(|(item, kind, ts)| (item.to_owned(), kind.to_owned(), ts));
    let request = profile("u", Some(TS + 2));
    let answered = answer(service.profiles().get_profile(request).await).expect("a profile");
    let found: Vec<_> = answered
        .recent_events
        .into_iter()
        .map(|event| (event.item_id, event.r#type, millis(event.ts).expect("a time")))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(service.metrics().await.sum("headwater_dead_letters_total"), 0);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_can_be_configured_to_hold_protobuf() {
    let broker = tokio::task::spawn_blocking(Broker::shared).await.expect("a broker");
    let home =
        Home::on_kafka(broker).set("kafka.clicks_format", "protobuf").set("kafka.items_format", "protobuf");
    let service = home.start().await;
    let topics = home.topics();
    let producer = Producer::new(broker);
    producer.send_raw(&topics.items, b"i", Some(&item("i", &["c"]).encode_to_vec()), &[]);
    let message = event("u", "i", "click", TS).encode_to_vec();
    producer.send_raw(&topics.clicks, b"u", Some(&message), &[]);
    // JSON without a header is not JSON here.
    producer.send(&topics.clicks, "u", r#"{"user_id":"u","item_id":"j","type":"click","ts":1700000000124}"#);
    producer.flush();
    service.until_items(1).await;
    service.until_events(1).await;
    service.until_dead_letters(1).await;
    // Our own RPCs are understood whatever the topics are configured to hold.
    let request = proto::PublishRequest { events: vec![event("u", "k", "click", TS + 2)] };
    answer(service.events().publish(request).await).expect("published");
    service.until_events(2).await;
    let request = proto::PutItemsRequest { items: vec![item("k", &["c"])] };
    answer(service.catalog().put_items(request).await).expect("put");
    service.until_items(2).await;
    let answered =
        answer(service.profiles().get_profile(profile("u", Some(TS + 2))).await).expect("a profile");
    let items: Vec<&str> = answered.recent_events.iter().map(|event| &*event.item_id).collect();
    assert_eq!(items, ["k", "i"]);
    assert_eq!(answered.windows[0].categories[0].category, "c");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_in_the_future_is_set_to_the_logs_and_counted() {
    let home = Home::on_journal();
    let service = home.start().await;
    let before = now();
    let ahead = before + 86_400_000;
    // Within the allowed skew it is nothing to tell of.
    let near = before + 60_000;
    let events = vec![event("u", "far", "click", ahead), event("v", "near", "click", near)];
    answer(service.events().publish(proto::PublishRequest { events }).await).expect("published");
    service.until_events(2).await;
    let after = now();
    let found = recent(&service, "u").await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!((before..=after).contains(&found[0].2), "{found:?} is not from {before} to {after}");
    let found = recent(&service, "v").await;
    assert!((before..=after).contains(&found[0].2), "{found:?} is not from {before} to {after}");
    assert_eq!(service.metrics().await.sum("headwater_events_clamped"), 1);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_null_value_in_the_items_topic_deletes_the_item() {
    let broker = tokio::task::spawn_blocking(Broker::shared).await.expect("a broker");
    let home = Home::on_kafka(broker);
    let service = home.start().await;
    let items = home.topics().items;
    let producer = Producer::new(broker);
    let value = json!({
        "item_id": "i", "categories": ["b", "a", "b"], "created_at": "2001-02-03T04:05:06Z",
        "attributes": { "lang": "en" }, "title": "An item", "shelf": 7
    });
    producer.send(&items, "i", &value.to_string());
    producer.flush();
    service.until_items(1).await;
    let get = async || {
        let request = proto::GetItemRequest { item_id: "i".into() };
        answer(service.catalog().get_item(request).await)
    };
    let found = get().await.expect("an item").item.expect("an item");
    let expected = proto::Item {
        created_at: time(981_173_106_000),
        available: Some(true),
        attributes: [("lang".to_owned(), "en".to_owned())].into(),
        title: "An item".into(),
        ..item("i", &["b", "a"])
    };
    assert_eq!(found, expected);
    producer.send_raw(&items, b"i", None, &[]);
    producer.flush();
    let (code, _) = until("the deletion", async || get().await.err()).await;
    assert_eq!(code, Code::NotFound);
    service.stop().await;
}
