//! Events and items as records of a log: JSON and protobuf.

use headwater::codec::convert::{from_item, into_item};
use headwater::codec::{
    DecodeError, Encoding, decode_event_record, decode_item_record, event_record, item_record,
};
use headwater::engine::events::event::{Event, EventDraft, EventTypes};
use headwater::engine::events::item::{Item, ItemChange};
use headwater::log::{NewRecord, Offset, Partition, Record};
use headwater::proto;
use prost::Message;

use super::runner::Target;

/// The longest message of an error: it goes into a header and a log line.
const LONGEST_MESSAGE: usize = 1024;
const CLASSES: [&str; 5] = ["decode", "oversize", "schema", "validation", "unknown_event_type"];
const TYPES: [Option<&[u8]>; 4] =
    [None, Some(b"application/json"), Some(b"application/x-protobuf"), Some(b"text/csv")];

const WORDS: &[&[u8]] = &[
    b"\"event_id\":",
    b"\"user_id\":",
    b"\"item_id\":",
    b"\"type\":",
    b"\"ts\":",
    b"\"value\":",
    b"\"categories\":",
    b"\"attributes\":",
    b"\"created_at\":",
    b"\"available\":",
    b"\"title\":",
    b"\"click\"",
    b"\"2026-01-01T00:00:00Z\"",
    b"\"9999-12-31T23:59:60.999999999+23:59\"",
    b"null",
    b"true",
    b"1e999",
    b"-0.0",
    b"NaN",
    b"\\u0000",
    b"\\ud800",
    b"[",
    b"{",
    b"}",
    b",",
    b"{\"a\":",
    b"\xff\xfe",
    b"\xe2\x80\xae",
];

/// An input: which encoding, then the value.
fn seed(encoding: u8, value: impl Into<Vec<u8>>) -> Vec<u8> {
    let mut bytes = vec![encoding];
    bytes.extend(value.into());
    bytes
}

fn record(input: &[u8]) -> (Record<'_>, Encoding) {
    let (choice, value) = input.split_first().unwrap_or((&0, &[]));
    let headers = TYPES[usize::from(choice & 3)].map(|name| ("Content-Type", Some(name)));
    let default = if choice & 4 == 0 { Encoding::Json } else { Encoding::Protobuf };
    let value = (choice & 8 == 0).then_some(value);
    let headers = headers.into_iter().collect();
    (
        Record { partition: Partition(0), offset: Offset(0), timestamp: None, key: None, value, headers },
        default,
    )
}

fn again(new: &NewRecord) -> Record<'_> {
    let headers = new.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
    let key = Some(new.key.as_slice());
    Record {
        partition: Partition(0),
        offset: Offset(0),
        timestamp: None,
        key,
        value: new.value.as_deref(),
        headers,
    }
}

fn refused(error: &DecodeError) -> String {
    assert!(CLASSES.contains(&error.class()), "{error:?}");
    told(&error.to_string())
}

/// A message that a person can use.
fn told(message: &str) -> String {
    assert!(message.len() <= LONGEST_MESSAGE, "{} bytes: {message}", message.len());
    assert!(message.split_whitespace().count() >= 3, "`{message}` says nothing");
    message.to_owned()
}

pub fn events() -> Target {
    let event = proto::Event {
        event_id: "e".into(),
        user_id: "u".into(),
        item_id: "i".into(),
        r#type: "click".into(),
        ts: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 5_000_000 }),
        value: Some(1.5),
        session_id: "s".into(),
        surface: "home".into(),
        recommendation_id: "r".into(),
        categories: vec!["a".into(), "b".into()],
    };
    let seeds = vec![
        seed(0, *br#"{"event_id":"e","user_id":"u","item_id":"i","type":"click","ts":1700000000000}"#),
        seed(1, *br#"{"user_id":"\u00fc","item_id":"i","type":"view","ts":"2026-11-21T05:00:00.5+01:00","value":2.5,"session_id":"s","surface":"home","recommendation_id":"r","categories":["a","b"],"more":{"x":[1,{}]}}"#),
        seed(2, event.encode_to_vec()),
        seed(4, event.encode_to_vec()),
    ];
    let types = EventTypes::default();
    Target {
        name: "events",
        seeds,
        words: WORDS,
        rounds: 60_000,
        may_hold: (64, 16 << 10),
        check: Box::new(move |input| check_event(input, &types)),
    }
}

fn check_event(input: &[u8], types: &EventTypes) -> String {
    let (record, default) = record(input);
    let draft = match decode_event_record(&record, default) {
        Ok(draft) => draft,
        Err(error) => return refused(&error),
    };
    match draft.check(types) {
        Err(error) => {
            let message = told(&error.to_string());
            assert!(message.starts_with('`'), "{message} names no field");
            assert!(CLASSES.contains(&error.class()));
            message
        }
        Ok(event) => {
            sound(&event, types);
            // What is taken is what would be read had it been published over gRPC.
            let new = event_record(&draft);
            let read: EventDraft<'_> =
                decode_event_record(&again(&new), Encoding::Protobuf).expect("what we write we read");
            assert_eq!(read, draft);
            format!(
                "{default:?} event {} {} {}",
                event.event_id.is_some(),
                event.value.is_some(),
                "c".repeat(event.categories.len())
            )
        }
    }
}

/// The rules of the contract, written down once more.
pub fn sound(event: &Event<'_>, types: &EventTypes) {
    assert!((1..=256).contains(&event.user_id.len()) && (1..=256).contains(&event.item_id.len()));
    assert!((0..253_402_300_800_000).contains(&event.ts.0), "{}", event.ts.0);
    assert!(usize::from(event.kind.0) < types.names().len());
    assert!(event.value.is_none_or(f64::is_finite));
    assert!(event.categories.len() <= 16);
    assert!(event.categories.iter().all(|category| (1..=256).contains(&category.len())));
    let labels = [event.event_id, event.session_id, event.surface, event.recommendation_id];
    assert!(labels.into_iter().flatten().all(|label| (1..=128).contains(&label.len())));
}

pub fn items() -> Target {
    let mut item = Item::new("i", ["a", "b"]);
    item.title = Some("A title".into());
    item.attributes.insert("lang".into(), "en".into());
    let seeds = vec![
        seed(0, *br#"{"item_id":"i","categories":["a","b","a"],"created_at":1700000000000,"expires_at":"2030-01-01T00:00:00Z","available":false,"attributes":{"lang":"en","x":""},"title":"T"}"#),
        seed(1, *br#"{"item_id":"\ud83d\ude00","created_at":-62135596800000}"#),
        seed(2, from_item(&item).encode_to_vec()),
        seed(8, *b"i"),
    ];
    Target {
        name: "items",
        seeds,
        words: WORDS,
        rounds: 60_000,
        may_hold: (64, 16 << 10),
        check: Box::new(check_item),
    }
}

fn check_item(input: &[u8]) -> String {
    let (mut record, default) = record(input);
    if record.value.is_none() {
        record.key = input.get(1..);
    }
    match decode_item_record(&record, default) {
        Err(error) => refused(&error),
        Ok(ItemChange::Delete(item_id)) => {
            assert!((1..=256).contains(&item_id.len()), "{} bytes", item_id.len());
            "deleted".to_owned()
        }
        Ok(ItemChange::Put(item)) => {
            assert!((1..=256).contains(&item.item_id.len()));
            assert!(item.categories.len() <= 16 && item.attributes.len() <= 32);
            assert!(item.title.as_ref().is_none_or(|title| title.len() <= 1024));
            assert_eq!(item.clone().check().as_ref(), Ok(&item), "checked twice");
            let new = item_record(&item);
            let read = decode_item_record(&again(&new), Encoding::Protobuf);
            assert_eq!(read, Ok(ItemChange::Put(item.clone())), "as JSON");
            // On the wire an empty title is none.
            let wire = proto::Item::decode(from_item(&item).encode_to_vec().as_slice()).expect("a message");
            let mut untitled = item.clone();
            untitled.title = item.title.filter(|title| !title.is_empty());
            assert_eq!(into_item(wire), Ok(untitled), "as protobuf");
            format!("item {} {}", "c".repeat(item.categories.len()), "a".repeat(item.attributes.len()))
        }
    }
}
