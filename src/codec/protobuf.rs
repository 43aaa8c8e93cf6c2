//! Events and items as `headwater.v1` messages.

use prost::Message;

use crate::codec::convert;
use crate::codec::error::DecodeError;
use crate::engine::events::event::EventDraft;
use crate::engine::events::item::Item;
use crate::proto;

pub fn decode_event(bytes: &[u8]) -> Result<EventDraft<'static>, DecodeError> {
    convert::into_event_draft(message::<proto::Event>(bytes)?).map_err(shape)
}

pub fn decode_item(bytes: &[u8]) -> Result<Item, DecodeError> {
    convert::into_item(message::<proto::Item>(bytes)?).map_err(shape)
}

fn message<M: Message + Default>(bytes: &[u8]) -> Result<M, DecodeError> {
    M::decode(bytes)
        .map_err(|error| DecodeError::Malformed { encoding: "protobuf", message: error.to_string() })
}

fn shape(error: convert::InvalidTime) -> DecodeError {
    DecodeError::Shape(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_whole() {
        let event = proto::Event {
            event_id: "e".into(),
            user_id: "u".into(),
            item_id: "i".into(),
            r#type: "click".into(),
            ts: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 123_999_999 }),
            value: Some(0.0),
            session_id: "s".into(),
            surface: "home".into(),
            recommendation_id: "r".into(),
            categories: vec!["a".into(), "b".into()],
        };
        let expected = EventDraft {
            event_id: Some("e".into()),
            user_id: Some("u".into()),
            item_id: Some("i".into()),
            kind: Some("click".into()),
            ts: Some(1_700_000_000_123),
            value: Some(0.0),
            session_id: Some("s".into()),
            surface: Some("home".into()),
            recommendation_id: Some("r".into()),
            categories: vec!["a".into(), "b".into()],
        };
        assert_eq!(decode_event(&event.encode_to_vec()), Ok(expected));
    }

    #[test]
    fn bytes_that_are_no_message_say_so() {
        let error = decode_event(b"{\"user_id\": 1}").expect_err("JSON");
        assert_eq!(error.class(), "decode");
        assert!(error.to_string().starts_with("not valid protobuf: "), "{error}");
        let bad_time = proto::Event {
            ts: Some(prost_types::Timestamp { seconds: 0, nanos: 1_000_000_000 }),
            ..proto::Event::default()
        };
        assert_eq!(decode_event(&bad_time.encode_to_vec()).expect_err("no time").class(), "schema");
    }
}
