//! From the bytes of a record to an event or an item, and back.
//!
//! The encoding is what the `content-type` header says, or the topic's default; never a guess from
//! the bytes. The same bytes always fail in the same way, so what fails here is never retried.

pub mod convert;
mod error;
mod json;
mod protobuf;

use crate::engine::events::event::EventDraft;
use crate::engine::events::item::{Item, ItemChange, check_item_id};
use crate::engine::text::shorten;
use crate::log::{NewRecord, Record};

pub use error::{DecodeError, MAX_VALUE_BYTES};
pub use json::{encode_event, encode_item};

/// The header that names the encoding.
pub const CONTENT_TYPE: &str = "content-type";

/// How events and items are written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// One JSON object.
    #[default]
    Json,
    /// `headwater.v1.Event` or `headwater.v1.Item`.
    Protobuf,
}

impl Encoding {
    /// The encoding that a `content-type` names, or the default where there is none.
    ///
    /// # Errors
    /// It names another.
    pub fn of(content_type: Option<&[u8]>, default: Encoding) -> Result<Encoding, DecodeError> {
        let Some(content_type) = content_type else { return Ok(default) };
        let media_type = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let is = |name: &str| media_type.eq_ignore_ascii_case(name.as_bytes());
        if is("application/json") {
            Ok(Self::Json)
        } else if ["application/x-protobuf", "application/protobuf", "application/vnd.google.protobuf"]
            .into_iter()
            .any(is)
        {
            Ok(Self::Protobuf)
        } else {
            Err(DecodeError::Encoding(shorten(&String::from_utf8_lossy(content_type)).into_owned()))
        }
    }

    /// The encoding of a record.
    ///
    /// # Errors
    /// Its header names one that we don't know.
    pub fn of_record(record: &Record<'_>, default: Encoding) -> Result<Encoding, DecodeError> {
        let header = record.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE));
        Self::of(header.and_then(|(_, value)| *value), default)
    }
}

/// The event of a record, not checked yet.
///
/// # Errors
/// The record can't be read as one.
pub fn decode_event_record<'a>(
    record: &Record<'a>,
    default: Encoding,
) -> Result<EventDraft<'a>, DecodeError> {
    let encoding = Encoding::of_record(record, default)?;
    decode_event(record.value.ok_or(DecodeError::NoValue)?, encoding)
}

/// The event that the bytes hold, not checked yet.
///
/// # Errors
/// They hold none.
pub fn decode_event(bytes: &[u8], encoding: Encoding) -> Result<EventDraft<'_>, DecodeError> {
    sized(bytes)?;
    match encoding {
        Encoding::Json => json::decode_event(bytes),
        Encoding::Protobuf => protobuf::decode_event(bytes),
    }
}

/// The change that a record of the items log makes. A record without a value deletes the item that
/// its key names; with one, the key is the item's id or is not there.
///
/// # Errors
/// The record can't be read as one, or breaks a rule.
pub fn decode_item_record(record: &Record<'_>, default: Encoding) -> Result<ItemChange, DecodeError> {
    let key = record.key.filter(|key| !key.is_empty());
    let Some(value) = record.value else {
        let key = String::from_utf8_lossy(key.unwrap_or_default());
        check_item_id(&key)?;
        return Ok(ItemChange::Delete(key.into_owned()));
    };
    let item = decode_item(value, Encoding::of_record(record, default)?)?;
    match key {
        Some(key) if key != item.item_id.as_bytes() => Err(DecodeError::Key {
            key: shorten(&String::from_utf8_lossy(key)).into_owned(),
            item_id: shorten(&item.item_id).into_owned(),
        }),
        _ => Ok(ItemChange::Put(item)),
    }
}

/// The item that the bytes hold, checked.
///
/// # Errors
/// They hold none, or it breaks a rule.
pub fn decode_item(bytes: &[u8], encoding: Encoding) -> Result<Item, DecodeError> {
    sized(bytes)?;
    let item = match encoding {
        Encoding::Json => json::decode_item(bytes)?,
        Encoding::Protobuf => protobuf::decode_item(bytes)?,
    };
    Ok(item.check()?)
}

/// The record that puts an event on the clicks log.
pub fn event_record(event: &EventDraft<'_>) -> NewRecord {
    let key = event.user_id.as_deref().unwrap_or_default().as_bytes().to_vec();
    json_record(key, encode_event(event))
}

/// The record that puts an item on the items log.
pub fn item_record(item: &Item) -> NewRecord {
    json_record(item.item_id.clone().into_bytes(), encode_item(item))
}

/// The record that deletes an item on the items log.
pub fn item_deletion(item_id: &str) -> NewRecord {
    NewRecord { key: item_id.as_bytes().to_vec(), value: None, headers: Vec::new() }
}

fn json_record(key: Vec<u8>, value: Vec<u8>) -> NewRecord {
    let headers = vec![(CONTENT_TYPE.to_owned(), Some(b"application/json".to_vec()))];
    NewRecord { key, value: Some(value), headers }
}

fn sized(bytes: &[u8]) -> Result<(), DecodeError> {
    match bytes.len() {
        bytes if bytes > MAX_VALUE_BYTES => Err(DecodeError::Oversize { bytes }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Offset, Partition};
    use proptest::prelude::*;

    fn record<'a>(key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> Record<'a> {
        Record {
            partition: Partition(0),
            offset: Offset(0),
            timestamp: None,
            key,
            value,
            headers: Vec::new(),
        }
    }

    #[test]
    fn the_content_type_decides_and_its_parameters_do_not_matter() {
        let of = |text: &str| Encoding::of(Some(text.as_bytes()), Encoding::Json);
        assert_eq!(Encoding::of(None, Encoding::Protobuf), Ok(Encoding::Protobuf));
        assert_eq!(of("Application/JSON ; charset=utf-8"), Ok(Encoding::Json));
        for name in ["application/x-protobuf", "application/protobuf;v=1", "application/vnd.google.protobuf"]
        {
            assert_eq!(of(name), Ok(Encoding::Protobuf), "{name}");
        }
        let error = of("text/csv").expect_err("unknown");
        assert_eq!(error.class(), "decode");
        assert_eq!(
            error.to_string(),
            "content-type is `text/csv`, expected `application/json` or `application/x-protobuf`"
        );
    }

    #[test]
    fn a_records_header_is_found_by_any_case() {
        let mut record = record(None, Some(b"{}"));
        record.headers = vec![("Content-Type", Some(b"application/x-protobuf"))];
        assert_eq!(Encoding::of_record(&record, Encoding::Json), Ok(Encoding::Protobuf));
    }

    #[test]
    fn a_value_of_more_than_a_mebibyte_is_not_looked_at() {
        let bytes = vec![b' '; MAX_VALUE_BYTES + 1];
        for encoding in [Encoding::Json, Encoding::Protobuf] {
            let error = decode_event(&bytes, encoding).expect_err("too large");
            assert_eq!(error.class(), "oversize");
            assert_eq!(error.to_string(), "the value is 1048577 bytes long, expected at most 1048576");
        }
    }

    #[test]
    fn a_click_without_a_value_is_an_error() {
        let error = decode_event_record(&record(Some(b"u"), None), Encoding::Json).expect_err("no value");
        assert_eq!((error.class(), error), ("decode", DecodeError::NoValue));
    }

    #[test]
    fn a_null_value_deletes_the_item_of_the_key() {
        let change = decode_item_record(&record(Some(b"i1"), None), Encoding::Json);
        assert_eq!(change, Ok(ItemChange::Delete("i1".to_owned())));
        let error = decode_item_record(&record(None, None), Encoding::Json).expect_err("no key");
        assert_eq!((error.class(), error.to_string().as_str()), ("validation", "`item_id` is required"));
    }

    #[test]
    fn the_key_of_an_item_is_its_id() {
        let value = br#"{"item_id": "i1"}"#;
        let put = Ok(ItemChange::Put(Item::new("i1", [""; 0])));
        assert_eq!(decode_item_record(&record(Some(b"i1"), Some(value)), Encoding::Json), put);
        assert_eq!(decode_item_record(&record(None, Some(value)), Encoding::Json), put);
        let error = decode_item_record(&record(Some(b"i2"), Some(value)), Encoding::Json).expect_err("other");
        assert_eq!(error.class(), "validation");
        assert_eq!(error.to_string(), "the key is `i2`, but `item_id` is `i1`: expected them to be equal");
    }

    #[test]
    fn what_is_published_is_what_is_read() {
        let event = EventDraft {
            user_id: Some("ü\"1".into()),
            item_id: Some("i".into()),
            kind: Some("click".into()),
            ts: Some(5),
            value: Some(2.5),
            categories: vec!["a".into()],
            ..EventDraft::default()
        };
        let new = event_record(&event);
        assert_eq!(new.key, "ü\"1".as_bytes());
        let headers = new.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        let read = Record { headers, ..record(Some(&new.key), new.value.as_deref()) };
        assert_eq!(decode_event_record(&read, Encoding::Protobuf), Ok(event));

        let item = Item::new("i1", ["a"]);
        let new = item_record(&item);
        let headers = new.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        let read = Record { headers, ..record(Some(&new.key), new.value.as_deref()) };
        assert_eq!(decode_item_record(&read, Encoding::Protobuf), Ok(ItemChange::Put(item)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for encoding in [Encoding::Json, Encoding::Protobuf] {
                let _ = decode_event(&bytes, encoding);
                let _ = decode_item(&bytes, encoding);
            }
        }
    }
}
