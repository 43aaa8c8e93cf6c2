//! Messages as JSON, as protobuf's own mapping has it: from a text that anybody may have sent to a message on the
//! wire, and back. It goes by the descriptors of messages, so that none needs a line here.
//!
//! An element of a list takes three bytes of JSON and some dozens on its way to the wire, a message some hundreds. So
//! elements are counted before anything is read, as those of protobuf are (`bounds.rs`) and with the same limits.

use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use tonic::Status;

use super::bounds::{MAX_ALL, MAX_INNER, MAX_OWN};

/// Braces and brackets that may be open at once. No message of ours has lists in lists in lists.
const MAX_DEPTH: usize = 16;
/// The most bytes of what is said of a text: it may quote the text.
const MAX_REASON: usize = 400;

/// Appends the message that a JSON text stands for, as protobuf has it. Names of fields may be `camelCase` or as
/// in `proto/`.
///
/// # Errors
/// `INVALID_ARGUMENT`: it is not the JSON of such a message, or it has too many elements.
pub fn encode(descriptor: &MessageDescriptor, json: &[u8], wire: &mut Vec<u8>) -> Result<(), Status> {
    let refused = |reason: &str| {
        let reason = &reason[..reason.floor_char_boundary(MAX_REASON)];
        Status::invalid_argument(format!("the body is not the JSON of a {}: {reason}", descriptor.name()))
    };
    if json.iter().all(u8::is_ascii_whitespace) {
        return Err(refused("it is empty; a message with nothing in it is {}"));
    }
    count(json).map_err(|excess| refused(&excess))?;
    let mut reader = serde_json::Deserializer::from_slice(json);
    let message = DynamicMessage::deserialize(descriptor.clone(), &mut reader);
    let message = message.and_then(|message| reader.end().map(|()| message));
    let message = message.map_err(|error| refused(&error.to_string()))?;
    wire.reserve(message.encoded_len());
    message.encode(wire).map_err(|error| Status::internal(error.to_string()))
}

/// The JSON text of a message. Fields that have their default value are left out, 64-bit numbers are texts.
///
/// # Errors
/// `INTERNAL`: it is not such a message.
pub fn decode(descriptor: &MessageDescriptor, wire: &[u8]) -> Result<Vec<u8>, Status> {
    let internal = |error: &dyn std::fmt::Display| {
        Status::internal(format!("the answer is not a {}: {error}", descriptor.name()))
    };
    let message = DynamicMessage::decode(descriptor.clone(), wire).map_err(|error| internal(&error))?;
    serde_json::to_vec(&message).map_err(|error| internal(&error))
}

/// Counts the elements of a text's lists and objects, and goes no further than there may be. What is no JSON is left
/// to whoever reads it.
fn count(json: &[u8]) -> Result<(), String> {
    let (mut open, mut all) = (Vec::new(), 0);
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_text(&mut bytes),
            b'{' | b'[' if open.len() == MAX_DEPTH => {
                return Err(format!("more than {MAX_DEPTH} braces and brackets are open"));
            }
            b'{' | b'[' => {
                open.push(1);
                all += 1;
            }
            b'}' | b']' => drop(open.pop()),
            b',' => {
                // The message itself, and lists that are its fields.
                let most = if open.len() <= 2 { MAX_OWN } else { MAX_INNER };
                let Some(elements) = open.last_mut() else { continue };
                *elements += 1;
                if *elements > most {
                    return Err(format!(
                        "a list or an object within it has more than {most} elements; send less at once"
                    ));
                }
                all += 1;
            }
            _ => {}
        }
        if all > MAX_ALL {
            return Err(format!("it has more than {MAX_ALL} elements in all; send less at once"));
        }
    }
    Ok(())
}

fn skip_text(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => break,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost_reflect::DescriptorPool;
    use tonic::Code;

    use super::*;
    use crate::proto::{DESCRIPTORS, GetProfileResponse, PublishRequest, RecommendRequest, WindowProfile};

    /// What texts are made of.
    const PARTS: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ",",
        "null",
        "true",
        "-1",
        "0.5",
        "1e400",
        "9007199254740993",
        "\"x\"",
        "\"\\ud800\"",
        "\"",
        "\"userId\":",
        "\"n\":",
        "\"as_of\":",
        "\"2023-11-14T22:13:20Z\"",
        "\"events\":[{",
        "\"value\":\"NaN\"",
        "\"filter\":{\"attributes\":{\"a\":\"b\"",
        "\"categories\":[\"c\"]",
        "\"items\":[{\"available\":true",
        "}]",
    ];

    fn descriptor(name: &str) -> MessageDescriptor {
        let pool = DescriptorPool::decode(DESCRIPTORS).expect("descriptors");
        pool.get_message_by_name(&format!("headwater.v1.{name}")).expect("a message")
    }

    fn read<M: Message + Default>(name: &str, json: &str) -> Result<M, String> {
        let mut wire = Vec::new();
        encode(&descriptor(name), json.as_bytes(), &mut wire).map_err(|status| {
            assert_eq!(status.code(), Code::InvalidArgument);
            status.message().to_owned()
        })?;
        Ok(M::decode(&*wire).expect("it is a message"))
    }

    fn refused(json: &str) -> String {
        read::<PublishRequest>("PublishRequest", json).expect_err("it is refused")
    }

    #[test]
    fn names_may_be_camel_case_or_as_in_the_proto_and_numbers_texts() {
        let expected = RecommendRequest {
            user_id: "ada".into(),
            n: 3,
            include_seen: true,
            as_of: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 500_000_000 }),
            ..Default::default()
        };
        for json in [
            r#"{"userId": "ada", "n": 3, "includeSeen": true, "asOf": "2023-11-14T22:13:20.5Z"}"#,
            r#" {"user_id": "ada", "n": "3", "include_seen": true, "as_of": "2023-11-14T23:13:20.500+01:00"}"#,
        ] {
            assert_eq!(read::<RecommendRequest>("RecommendRequest", json).as_ref(), Ok(&expected), "{json}");
        }
    }

    #[test]
    fn an_answer_has_its_64_bit_numbers_as_texts_and_no_defaults() {
        let window = WindowProfile { window: "1h".into(), events: 1 << 60, ..Default::default() };
        let answer =
            GetProfileResponse { user_id: "ada".into(), windows: vec![window], ..Default::default() };
        let json = decode(&descriptor("GetProfileResponse"), &answer.encode_to_vec()).expect("it is one");
        let expected = r#"{"userId":"ada","windows":[{"window":"1h","events":"1152921504606846976"}]}"#;
        assert_eq!(String::from_utf8(json).as_deref(), Ok(expected));
    }

    #[test]
    fn what_is_wrong_is_told_with_where_and_is_no_longer_than_bearable() {
        let expected = [
            (
                "",
                "the body is not the JSON of a PublishRequest: it is empty; a message with nothing in it is {}",
            ),
            ("{", "EOF while parsing an object at line 1 column 1"),
            ("[]", "invalid type: sequence, expected a map"),
            (r#"{"event": []}"#, "unrecognized field name 'event' at line 1 column 8"),
            (r#"{"events": [{"ts": 1700000000000}]}"#, "expected a rfc3339 timestamp string"),
            (r#"{"events": []} {}"#, "trailing characters at line 1 column 16"),
        ];
        for (json, reason) in expected {
            let message = refused(json);
            assert!(message.contains(reason), "{json}: {message}");
        }
        let long = format!(r#"{{"{}é": 1}}"#, "x".repeat(100_000));
        assert!(refused(&long).len() < 2 * MAX_REASON);
    }

    #[test]
    fn elements_are_counted_before_anything_is_read() {
        let many = |open: &str, element: &str, times: usize, close: &str| {
            let element = format!("{element},");
            format!("{open}{}{element}{close}", element.repeat(times - 1))
                .replace(&format!(",{close}"), close)
        };
        let batch = |times| many(r#"{"events":["#, "{}", times, "]}");
        assert!(read::<PublishRequest>("PublishRequest", &batch(10_000)).is_ok());
        assert!(refused(&batch(1_000_000)).contains("more than 10240 elements; send less at once"));
        let categories = |times| many(r#"{"events":[{"categories":["#, r#""""#, times, "]}]}");
        assert!(read::<PublishRequest>("PublishRequest", &categories(1024)).is_ok());
        assert!(refused(&categories(1025)).contains("more than 1024 elements"));
        let text = format!(r#"{{"events":[{{"userId":"\\\"{}"}}]}}"#, ",[{".repeat(20_000));
        assert!(read::<PublishRequest>("PublishRequest", &text).is_ok(), "a text is a text");
        assert!(refused(&"[".repeat(1 << 20)).contains("more than 16 braces and brackets are open"));
        let full = many(&format!(r#"{{"events":[{}"#, many("[", "1", 1024, "],").repeat(1300)), "1", 1, "]}");
        assert!(refused(&full).contains("more than 1300000 elements in all"));
    }

    proptest! {
        #[test]
        fn whatever_a_text_is_reading_it_ends_in_a_message_or_in_what_is_wrong(
            parts in prop::collection::vec(prop::sample::select(PARTS), 0..24),
            whole in any::<bool>(),
        ) {
            let text = if whole { format!("{{{}}}", parts.concat()) } else { parts.concat() };
            for message in descriptor("RecommendRequest").parent_pool().all_messages() {
                let mut wire = Vec::new();
                if encode(&message, text.as_bytes(), &mut wire).is_ok() {
                    let json = decode(&message, &wire).expect("it is a message");
                    let mut again = Vec::new();
                    encode(&message, &json, &mut again).expect("it is its JSON");
                    prop_assert_eq!(again, wire, "{}", text);
                }
            }
        }
    }
}
