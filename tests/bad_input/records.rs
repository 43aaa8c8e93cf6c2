//! Records that can't be applied, in Kafka and in the journal.

use std::sync::Arc;

use headwater::log::journal::{JournalLog, JournalSettings};
use headwater::log::kafka::KafkaLog;
use headwater::log::{Log, NewRecord, Topic};
use headwater::proto;
use prost::Message;
use serde_json::{Value, json};

use super::letters::{Letter, read};
use super::sandbox::kafka::Broker;
use super::sandbox::messages::{answer, event, profile};
use super::sandbox::producer::Producer;
use super::sandbox::service::Home;
use super::sandbox::world::World;

const TS: i64 = 1_700_000_000_000;

/// A record, and what its dead letter must say.
struct Bad {
    topic: Topic,
    key: Vec<u8>,
    value: Option<Vec<u8>>,
    headers: Vec<(&'static str, &'static [u8])>,
    class: &'static str,
    message: &'static str,
}

fn bad(topic: Topic, value: impl Into<Vec<u8>>, class: &'static str, message: &'static str) -> Bad {
    Bad { topic, key: b"u1".to_vec(), value: Some(value.into()), headers: Vec::new(), class, message }
}

/// A click with one field changed; `null` takes it out.
fn click(field: &str, value: Value) -> Vec<u8> {
    let mut event = json!({ "user_id": "u1", "item_id": "i1", "type": "click", "ts": TS });
    event[field] = value;
    event.to_string().into_bytes()
}

/// An item with one field changed.
fn item(field: &str, value: Value) -> Vec<u8> {
    let mut item = json!({ "item_id": "u1", "categories": ["c"] });
    item[field] = value;
    item.to_string().into_bytes()
}

fn bad_events() -> Vec<Bad> {
    let event = |value: Vec<u8>, class, message| bad(Topic::Clicks, value, class, message);
    let long = |bytes| Value::from("x".repeat(bytes));
    let many: Vec<String> = (0..17).map(|n| format!("c{n}")).collect();
    let mut protobuf =
        proto::Event { value: Some(f64::NAN), ..super::sandbox::messages::event("u1", "i1", "click", TS) };
    let not_finite = protobuf.encode_to_vec();
    protobuf.value = None;
    protobuf.ts = Some(prost_types::Timestamp { seconds: 1, nanos: -1 });
    let no_time = protobuf.encode_to_vec();
    let with = |content_type: &'static [u8], value: Vec<u8>, class, message| Bad {
        headers: vec![("content-type", content_type)],
        ..event(value, class, message)
    };
    const PROTOBUF: &[u8] = b"application/x-protobuf";
    vec![
        event(b"not an event".to_vec(), "decode", "not valid JSON: expected"),
        event(b"{\"user_id\":".to_vec(), "decode", "not valid JSON: EOF"),
        event(b"".to_vec(), "decode", "not valid JSON: EOF"),
        event(b"{\"user_id\":\"\xff\"}".to_vec(), "decode", "not valid JSON"),
        event(b"\xef\xbb\xbf{}".to_vec(), "decode", "not valid JSON"),
        Bad { value: None, ..event(Vec::new(), "decode", "the record has no value, expected an event") },
        event(b"[1]".to_vec(), "schema", "an event: a JSON object"),
        event([click("x", json!(1)), b"{}".to_vec()].concat(), "decode", "trailing characters"),
        event(click("user_id", json!(5)), "schema", "`user_id` to be a string"),
        event(click("ts", json!("yesterday")), "schema", "`ts` to be milliseconds since 1970"),
        event(click("ts", json!(1.5)), "schema", "`ts` to be milliseconds since 1970"),
        event(click("value", json!("much")), "schema", "`value` to be a number"),
        event(click("categories", json!("c")), "schema", "`categories` to be a list of strings"),
        event(b"{\"ts\":1,\"ts\":2}".to_vec(), "schema", "`ts` comes twice"),
        event(click("user_id", Value::Null), "validation", "`user_id` is required"),
        event(click("item_id", json!("")), "validation", "`item_id` is required"),
        event(click("type", Value::Null), "validation", "`type` is required"),
        event(click("ts", Value::Null), "validation", "`ts` is required"),
        event(
            click("type", json!("teleport")),
            "unknown_event_type",
            "`type` is `teleport`, expected one of view, click, add_to_cart, purchase, like, dislike, hide, impression",
        ),
        event(click("user_id", long(257)), "validation", "`user_id` is 257 bytes long, expected 1 to 256"),
        event(click("item_id", long(257)), "validation", "`item_id` is 257 bytes long, expected 1 to 256"),
        event(click("event_id", long(129)), "validation", "`event_id` is 129 bytes long, expected 1 to 128"),
        event(click("event_id", json!("")), "validation", "`event_id` is 0 bytes long, expected 1 to 128"),
        event(click("session_id", long(129)), "validation", "`session_id` is 129 bytes long"),
        event(click("surface", long(129)), "validation", "`surface` is 129 bytes long"),
        event(click("recommendation_id", long(129)), "validation", "`recommendation_id` is 129 bytes long"),
        event(
            click("ts", json!(-1)),
            "validation",
            "`ts` is -1 ms, expected 0 to 253402300799999 (1970 to 9999)",
        ),
        event(click("ts", json!(253_402_300_800_000_i64)), "validation", "`ts` is 253402300800000 ms"),
        event(
            click("categories", json!(many)),
            "validation",
            "`categories` has 17 entries, expected at most 16",
        ),
        event(
            click("categories", json!([""])),
            "validation",
            "`categories` is 0 bytes long, expected 1 to 256",
        ),
        event(
            vec![b' '; (1 << 20) + 1],
            "oversize",
            "the value is 1048577 bytes long, expected at most 1048576",
        ),
        with(
            b"text/plain",
            click("x", json!(1)),
            "decode",
            "content-type is `text/plain`, expected `application/json`",
        ),
        with(PROTOBUF, click("x", json!(1)), "decode", "not valid protobuf"),
        with(PROTOBUF, not_finite, "validation", "`value` is NaN, expected a finite number"),
        with(PROTOBUF, no_time, "schema", "`ts` has -1 nanos, expected 0 to 999999999"),
        with(PROTOBUF, Vec::new(), "validation", "`type` is required"),
    ]
}

fn bad_items() -> Vec<Bad> {
    let of = |value: Vec<u8>, class, message| bad(Topic::Items, value, class, message);
    let many = |count: usize| (0..count).map(|n| format!("c{n}")).collect::<Vec<_>>();
    let attributes: serde_json::Map<String, Value> =
        many(33).into_iter().map(|name| (name, json!("v"))).collect();
    let mut all = vec![
        of(b"not an item".to_vec(), "decode", "not valid JSON: expected"),
        of(b"[]".to_vec(), "schema", "an item: a JSON object"),
        of(
            item("item_id", json!("another")),
            "validation",
            "but `item_id` is `another`: expected them to be equal",
        ),
        of(item("item_id", Value::Null), "validation", "`item_id` is required"),
        of(item("user_id", json!("u1")), "schema", "an item has no `user_id`: this looks like an event"),
        of(item("type", json!("click")), "schema", "an item has no `type`: this looks like an event"),
        of(
            item("categories", json!(many(17))),
            "validation",
            "`categories` has 17 entries, expected at most 16",
        ),
        of(item("categories", json!([1])), "schema", "`categories` to be a string"),
        of(
            item("attributes", json!(attributes)),
            "validation",
            "`attributes` has 33 entries, expected at most 32",
        ),
        of(item("attributes", json!({ "a": 1 })), "schema", "`attributes` to be a string"),
        of(item("available", json!("yes")), "schema", "`available` to be true or false"),
        of(item("created_at", json!("long ago")), "schema", "`created_at` to be milliseconds since 1970"),
        of(
            item("expires_at", json!(253_402_300_800_000_i64)),
            "validation",
            "`expires_at` is 253402300800000 ms",
        ),
        of(item("title", json!("x".repeat(1025))), "validation", "`title` is 1025 bytes long"),
        Bad { key: Vec::new(), value: None, ..of(Vec::new(), "validation", "`item_id` is required") },
        Bad {
            headers: vec![("content-type", b"application/x-protobuf")],
            ..of(b"\xff".to_vec(), "decode", "not valid protobuf")
        },
    ];
    // The journal keeps the newest record of a key.
    for (number, bad) in all.iter_mut().enumerate().filter(|(_, bad)| !bad.key.is_empty()) {
        bad.key = format!("item-{number}").into_bytes();
    }
    all
}

/// Each dead letter must be the record as it came, and say what is wrong with it.
fn check(log: &str, home: &Home, bad: &[Bad], letters: Vec<Letter>) {
    assert_eq!(letters.len(), bad.len(), "{log}");
    for (number, bad) in bad.iter().enumerate() {
        let name = number.to_string();
        let letter = letters.iter().find(|letter| letter.header("number") == Some(&name));
        let letter = letter.unwrap_or_else(|| panic!("{log}: no dead letter for `{}`", bad.message));
        let place = format!("{log}: {letter:?}");
        assert!(
            letter.header("dlq.error.message").is_some_and(|text| text.contains(bad.message)),
            "{place}, expected {}",
            bad.message
        );
        assert_eq!(letter.header("dlq.error.class"), Some(bad.class), "{place}");
        assert_eq!(letter.key, bad.key, "{place}");
        assert_eq!(letter.value, bad.value, "{place}");
        for (header, value) in &bad.headers {
            assert_eq!(letter.header(header).map(str::as_bytes), Some(*value), "{place}");
        }
        let topic = match (log, bad.topic) {
            ("kafka", Topic::Items) => home.topics().items,
            ("kafka", _) => home.topics().clicks,
            (_, Topic::Items) => "items".to_owned(),
            _ => "clicks".to_owned(),
        };
        assert_eq!(letter.header("dlq.topic"), Some(&*topic), "{place}");
        assert_eq!(letter.header("dlq.attempt"), Some("1"), "{place}");
        for number in ["dlq.partition", "dlq.offset", "dlq.timestamp"] {
            let value = letter.header(number).and_then(|text| text.parse::<u64>().ok());
            assert!(value.is_some(), "{number} of {place}");
        }
    }
}

async fn events_after(world: &World, service: &super::sandbox::service::Clients, applied: u64) {
    // The stream goes on, for every partition.
    let events = (0..20).map(|n| event(&format!("later-{n}"), "i1", "click", world.end() + 1000)).collect();
    answer(service.events().publish(proto::PublishRequest { events }).await).expect("published");
    service.until_events(applied + 20).await;
    for n in 0..20 {
        let request = profile(&format!("later-{n}"), Some(world.end() + 1000));
        let found = answer(service.profiles().get_profile(request).await).expect("a profile");
        assert_eq!(found.recent_events.len(), 1, "later-{n}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_records_in_kafka_become_dead_letters_and_change_nothing_else() {
    let broker = tokio::task::spawn_blocking(Broker::shared).await.expect("a broker");
    let home = Home::on_kafka(broker);
    let topics = home.topics();
    broker.create_topic(&topics.clicks, 4, &["max.message.bytes=4000000"]);
    let service = home.start().await;
    let world = World::small();
    world.put_items(&service).await;
    world.publish(&service, 0..world.events.len(), 0).await;
    let before = world.digest(&service).await;

    let all: Vec<Bad> = bad_events().into_iter().chain(bad_items()).collect();
    let producer =
        Producer::with(broker, &[("partitioner", "murmur2_random"), ("message.max.bytes", "4000000")]);
    for (number, bad) in all.iter().enumerate() {
        let topic = if bad.topic == Topic::Items { &topics.items } else { &topics.clicks };
        let number = number.to_string();
        let mut headers = bad.headers.clone();
        let kept: Vec<(&str, &[u8])> = headers.drain(..).chain([("number", number.as_bytes())]).collect();
        producer.send_raw(topic, &bad.key, bad.value.as_deref(), &kept);
    }
    producer.flush();
    service.until_dead_letters(all.len() as u64).await;
    let metrics = service.metrics().await;
    for class in ["decode", "schema", "validation", "oversize", "unknown_event_type"] {
        let expected = all.iter().filter(|bad| bad.class == class).count();
        let label = format!("class=\"{class}\"");
        assert_eq!(metrics.with("headwater_dead_letters_total", &label) as usize, expected, "{class}");
    }
    assert!(world.digest(&service).await == before, "bad records have changed answers");
    events_after(&world, &service, world.events.len() as u64).await;
    assert!(world.digest(&service).await == before, "later events have changed earlier answers");

    // As a person reads them.
    let lines = broker.console_consume(&topics.dead_letters, all.len());
    let unknown = lines.iter().find(|line| line.contains("dlq.error.class:unknown_event_type"));
    let unknown = unknown.expect("a line with the class");
    assert!(
        unknown.contains("dlq.error.message:`type` is `teleport`, expected one of view, click"),
        "{unknown}"
    );
    assert!(unknown.contains("\tu1\t") && unknown.contains("\"type\":\"teleport\""), "{unknown}");

    let log = KafkaLog::open(home.config().kafka().expect("Kafka").clone()).expect("Kafka is there");
    check("kafka", &home, &all, read(&log, all.len()));
    service.stop().await;
    // What was reported once is not reported again by the next start.
    let again = home.start().await;
    assert_eq!(again.metrics().await.sum("headwater_dead_letters_total"), 0);
    assert!(world.digest(&again).await == before);
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_records_in_the_journal_become_dead_letters_and_change_nothing_else() {
    let home = Home::on_journal();
    let service = home.start().await;
    let world = World::small();
    world.put_items(&service).await;
    world.publish(&service, 0..world.events.len(), 0).await;
    let before = world.digest(&service).await;
    service.stop().await;

    // No RPC lets them in, so they are put there while nobody serves.
    let open = || -> Arc<dyn Log> {
        let settings = JournalSettings { dir: home.path("data/journal"), ..JournalSettings::default() };
        Arc::new(
            JournalLog::open(settings, Arc::new(headwater::clock::wall_clock)).expect("the journal opens"),
        )
    };
    let all: Vec<Bad> = bad_events().into_iter().chain(bad_items()).collect();
    let log = open();
    for (number, bad) in all.iter().enumerate() {
        let headers = bad.headers.iter().map(|(name, value)| ((*name).to_owned(), Some(value.to_vec())));
        let number = ("number".to_owned(), Some(number.to_string().into_bytes()));
        let record = NewRecord {
            key: bad.key.clone(),
            value: bad.value.clone(),
            headers: headers.chain([number]).collect(),
        };
        log.append(bad.topic, vec![record]).await.expect("appended");
    }
    drop(log);

    let service = home.start().await;
    service.until_dead_letters(all.len() as u64).await;
    assert!(world.digest(&service).await == before, "bad records have changed answers");
    events_after(&world, &service, 0).await;
    service.stop().await;
    check("journal", &home, &all, read(&*open(), all.len()));

    let again = home.start().await;
    assert_eq!(again.metrics().await.sum("headwater_dead_letters_total"), 0);
    assert!(world.digest(&again).await == before);
    again.stop().await;
}
