//! What the JSON decoder takes, and the words in which it refuses.

use proptest::prelude::*;

use super::*;

fn refused(json: &str) -> (&'static str, String) {
    let error = decode_event(json.as_bytes()).expect_err(json);
    (error.class(), error.to_string())
}

#[test]
fn an_event_is_read_whole_and_borrowed() {
    let json = br#"{"event_id": "e", "user_id": "u", "item_id": "i", "type": "click", "ts": 1700000000123,
        "value": 3, "session_id": "s", "surface": "home", "recommendation_id": "r", "categories": ["a", "b"],
        "unknown": {"deep": [1, 2, null]}}"#;
    let event = decode_event(json).expect("valid");
    let expected = EventDraft {
        event_id: Some("e".into()),
        user_id: Some("u".into()),
        item_id: Some("i".into()),
        kind: Some("click".into()),
        ts: Some(1_700_000_000_123),
        value: Some(3.0),
        session_id: Some("s".into()),
        surface: Some("home".into()),
        recommendation_id: Some("r".into()),
        categories: vec!["a".into(), "b".into()],
    };
    assert_eq!(event, expected);
    assert!(matches!(event.user_id, Some(Cow::Borrowed("u"))));
    assert!(matches!(event.categories.first(), Some(Cow::Borrowed("a"))));
}

#[test]
fn an_absent_field_and_a_null_one_are_the_same() {
    let nulls = r#"{"event_id": null, "user_id": null, "ts": null, "value": null, "categories": null}"#;
    assert_eq!(decode_event(nulls.as_bytes()), Ok(EventDraft::default()));
    assert_eq!(decode_event(b"{}"), Ok(EventDraft::default()));
}

#[test]
fn a_time_may_be_rfc_3339() {
    let ts = |text: &str| decode_event(format!(r#"{{"ts": {text}}}"#).as_bytes()).map(|event| event.ts);
    assert_eq!(ts(r#""2023-11-14T22:13:20.123Z""#), Ok(Some(1_700_000_000_123)));
    assert_eq!(ts(r#""2023-11-14T23:13:20.123+01:00""#), Ok(Some(1_700_000_000_123)));
    assert_eq!(ts("-5"), Ok(Some(-5)));
    assert_eq!(ts("18446744073709551615"), Ok(Some(i64::MAX)));
}

#[test]
fn a_wrong_type_is_told_with_field_expectation_and_position() {
    assert_eq!(
        refused(r#"{"user_id": 5}"#),
        (
            "schema",
            "invalid type: integer `5`, expected `user_id` to be a string at line 1 column 13".to_owned()
        )
    );
    let cases = [
        (r#"{"ts": 1.5}"#, "`ts` to be milliseconds since 1970 (an integer) or an RFC 3339 time"),
        (r#"{"ts": "yesterday"}"#, "`ts` to be milliseconds since 1970 (an integer) or an RFC 3339 time"),
        (r#"{"value": "3"}"#, "`value` to be a number"),
        (r#"{"categories": "a"}"#, "`categories` to be a list of strings"),
        (r#"{"categories": ["a", 1]}"#, "`categories` to be a string"),
        (r#"{"categories": [null]}"#, "`categories` to be a list of strings"),
        ("[1]", "an event: a JSON object"),
        ("null", "an event: a JSON object"),
    ];
    for (json, expected) in cases {
        let (class, message) = refused(json);
        assert_eq!(class, "schema", "{json}");
        assert!(message.contains(expected) && message.contains("at line 1 column"), "{json}: {message}");
    }
}

#[test]
fn what_is_not_json_is_told_with_its_position() {
    let deep = "[".repeat(200);
    let cases =
        ["", "{", "{}x", r#"{"ts": 1e999}"#, &format!(r#"{{"x": {deep}"#), "{\"user_id\": \"\u{1}\"}"];
    for json in cases {
        let (class, message) = refused(json);
        assert_eq!(class, "decode", "{json}: {message}");
        assert!(message.starts_with("not valid JSON: ") && message.contains("column"), "{json}: {message}");
    }
    let error = decode_event(b"{\"user_id\": \"\xff\"}").expect_err("not UTF-8");
    assert_eq!(error.class(), "decode");
}

#[test]
fn a_field_that_comes_twice_is_refused() {
    let (class, message) = refused(r#"{"ts": 1, "ts": 2}"#);
    assert_eq!(class, "schema");
    assert!(message.starts_with("`ts` comes twice at line 1 column"), "{message}");
}

#[test]
fn a_long_value_does_not_flood_the_message() {
    let (_, message) = refused(&format!(r#"{{"ts": "{}"}}"#, "x".repeat(10_000)));
    assert!(message.len() < 600 && message.contains("expected `ts`"), "{message}");
    let (_, message) = refused(&format!(r#"{{"value": "{}"}}"#, "x".repeat(10_000)));
    assert!(
        message.len() < 600 && message.contains("expected `value` to be a number at line 1"),
        "{message}"
    );
}

#[test]
fn an_item_is_read_whole() {
    let json = br#"{"item_id": "i", "categories": ["a", "b"], "created_at": "1969-12-31T23:59:59Z",
        "expires_at": 5, "available": false, "attributes": {"lang": "en"}, "title": "T", "more": 1}"#;
    let mut expected = Item::new("i", ["a", "b"]);
    expected.created_at = Some(Timestamp(-1000));
    expected.expires_at = Some(Timestamp(5));
    expected.available = false;
    expected.attributes.insert("lang".to_owned(), "en".to_owned());
    expected.title = Some("T".to_owned());
    assert_eq!(decode_item(json), Ok(expected));
    assert_eq!(decode_item(br#"{"item_id": "i", "available": null}"#), Ok(Item::new("i", [""; 0])));
}

#[test]
fn an_items_wrong_types_are_told_too() {
    let cases = [
        (r#"{"available": "yes"}"#, "`available` to be true or false"),
        (r#"{"attributes": {"a": 1}}"#, "`attributes` to be a string"),
        (r#"{"attributes": ["a"]}"#, "`attributes` to be an object of strings"),
        (r#"{"title": 1}"#, "`title` to be a string"),
        ("3", "an item: a JSON object"),
    ];
    for (json, expected) in cases {
        let error = decode_item(json.as_bytes()).expect_err(json);
        assert!(error.class() == "schema" && error.to_string().contains(expected), "{json}: {error}");
    }
}

proptest! {
    #[test]
    fn an_event_comes_back_as_it_was(
        texts in proptest::collection::vec(proptest::option::of(".{0,12}"), 7),
        ts in proptest::option::of(any::<i64>()),
        value in proptest::option::of(-1e9..1e9_f64),
        categories in proptest::collection::vec(".{0,6}", 0..3),
    ) {
        let text = |index: usize| texts[index].as_deref().map(Cow::Borrowed);
        let event = EventDraft {
            event_id: text(0),
            user_id: text(1),
            item_id: text(2),
            kind: text(3),
            ts,
            value,
            session_id: text(4),
            surface: text(5),
            recommendation_id: text(6),
            categories: categories.iter().map(|category| Cow::Borrowed(category.as_str())).collect(),
        };
        let bytes = encode_event(&event);
        let mut decoded = decode_event(&bytes).expect("our own");
        // serde_json reads numbers to the last bit but one.
        if let (Some(read), Some(written)) = (decoded.value, value) {
            prop_assert!((read - written).abs() <= written.abs() * f64::EPSILON);
            decoded.value = value;
        }
        prop_assert_eq!(decoded, event);
    }

    #[test]
    fn an_item_comes_back_as_it_was(
        item_id in ".{0,12}",
        categories in proptest::collection::vec(".{0,6}", 0..3),
        times in proptest::collection::vec(proptest::option::of(any::<i64>()), 2),
        available in any::<bool>(),
        attributes in proptest::collection::btree_map(".{0,6}", ".{0,6}", 0..3),
        title in proptest::option::of(".{0,12}"),
    ) {
        let (created_at, expires_at) = (times[0].map(Timestamp), times[1].map(Timestamp));
        let item = Item { item_id, categories, created_at, expires_at, available, attributes, title };
        prop_assert_eq!(decode_item(&encode_item(&item)), Ok(item));
    }
}

#[test]
fn an_item_with_fields_of_events_is_an_event_in_the_wrong_place() {
    for (json, field) in [
        (r#"{"user_id": "u", "item_id": "i", "type": "click", "ts": 5}"#, "user_id"),
        (r#"{"item_id": "i", "type": {"x": []}, "categories": ["c"]}"#, "type"),
    ] {
        let error = decode_item(json.as_bytes()).expect_err(json);
        assert_eq!((error.class(), error.clone()), ("schema", DecodeError::EventAmongItems(field)));
        assert!(
            error.to_string().starts_with(&format!("an item has no `{field}`: this looks like an event"))
        );
    }
}
