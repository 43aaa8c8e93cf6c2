//! How many fields a request may have, known before it is decoded.
//!
//! An element of a list takes two bytes on the wire and some hundreds once it is decoded: a message of 16 MiB could
//! become gigabytes. So the keys of a larger one are counted first, which takes no memory and ends as soon as there
//! are too many, message by message as the protocol has them.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost::{DecodeError, Message, Name};
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FileDescriptorSet};
use tonic::Status;

/// What is smaller can't hold much.
const SMALL: usize = 4096;
/// Fields of the message itself: a full batch, and whatever stands beside it.
pub(super) const MAX_OWN: usize = 10_240;
/// Fields of a message within it, such as an item's attributes and categories.
pub(super) const MAX_INNER: usize = 1024;
/// Fields of all of them: of a full batch of items with as many categories and attributes as they may have.
pub(super) const MAX_ALL: usize = 1_300_000;

/// Which fields of a message are messages themselves, and where in the list those are.
type Inner = HashMap<u32, usize>;

/// The messages of the protocol.
struct Schema {
    by_name: HashMap<String, usize>,
    messages: Vec<Inner>,
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let files = FileDescriptorSet::decode(super::DESCRIPTORS).map_or_else(|_| Vec::new(), |set| set.file);
    let mut all = Vec::new();
    for file in &files {
        file.message_type.iter().for_each(|message| list(file.package(), message, &mut all));
    }
    let by_name: HashMap<String, usize> =
        all.iter().enumerate().map(|(index, (name, _))| (name.clone(), index)).collect();
    let inner = |message: &DescriptorProto| {
        let messages = message.field.iter().filter(|field| field.r#type() == Type::Message);
        messages
            .filter_map(|field| {
                let index = by_name.get(field.type_name().trim_start_matches('.'))?;
                Some((u32::try_from(field.number()).ok()?, *index))
            })
            .collect()
    };
    let messages = all.iter().map(|(_, message)| inner(message)).collect();
    Schema { by_name, messages }
});

fn list<'a>(scope: &str, message: &'a DescriptorProto, all: &mut Vec<(String, &'a DescriptorProto)>) {
    let name = format!("{scope}.{}", message.name());
    message.nested_type.iter().for_each(|nested| list(&name, nested, all));
    all.push((name, message));
}

/// Why a message is not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Excess {
    Own,
    Inner,
    All,
    /// It can't be decoded, which decoding tells better.
    Broken,
}

impl From<DecodeError> for Excess {
    fn from(_: DecodeError) -> Self {
        Self::Broken
    }
}

/// Whether a message holds no more than a request may.
///
/// # Errors
/// `INVALID_ARGUMENT`: it has too many fields.
pub fn check<M: Name>(bytes: &[u8]) -> Result<(), Status> {
    if bytes.len() <= SMALL { Ok(()) } else { check_large(&M::full_name(), bytes) }
}

fn check_large(name: &str, bytes: &[u8]) -> Result<(), Status> {
    let Some(message) = SCHEMA.by_name.get(name) else { return Ok(()) };
    let what = match count(*message, bytes, MAX_OWN, &mut 0) {
        Ok(()) | Err(Excess::Broken) => return Ok(()),
        Err(Excess::Own) => format!("it has more than {MAX_OWN} fields, lists counted by their elements"),
        Err(Excess::Inner) => format!("a message within it has more than {MAX_INNER} fields"),
        Err(Excess::All) => format!("it has more than {MAX_ALL} fields with those of all messages within it"),
    };
    Err(Status::invalid_argument(format!("{name} is too large to be decoded: {what}; send less at once")))
}

/// Counts the fields of a message and of those within it.
fn count(message: usize, mut bytes: &[u8], most: usize, all: &mut usize) -> Result<(), Excess> {
    let inner = SCHEMA.messages.get(message);
    let mut own = 0;
    while !bytes.is_empty() {
        own += 1;
        *all += 1;
        if own > most {
            return Err(if most == MAX_OWN { Excess::Own } else { Excess::Inner });
        }
        if *all > MAX_ALL {
            return Err(Excess::All);
        }
        let (field, wire_type) = decode_key(&mut bytes)?;
        match (wire_type, inner.and_then(|inner| inner.get(&field))) {
            (WireType::LengthDelimited, of) => {
                let length = usize::try_from(decode_varint(&mut bytes)?).map_err(|_| Excess::Broken)?;
                let (value, rest) = bytes.split_at_checked(length).ok_or(Excess::Broken)?;
                if let Some(of) = of {
                    count(*of, value, MAX_INNER, all)?;
                }
                bytes = rest;
            }
            _ => skip_field(wire_type, field, &mut bytes, DecodeContext::default())?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;
    use crate::proto;
    use crate::proto::{PublishRequest, PutItemsRequest, RecommendRequest};

    fn refused<M: Name>(bytes: &[u8]) -> String {
        let status = check::<M>(bytes).expect_err("too much");
        assert_eq!(status.code(), Code::InvalidArgument);
        status.message().to_owned()
    }

    #[test]
    fn a_full_batch_passes_and_lists_of_nothing_do_not() {
        let time = Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 1 });
        let item = proto::Item {
            item_id: "i".into(),
            title: "t".into(),
            categories: vec!["c".into(); 16],
            attributes: (0..32).map(|n| (format!("key{n}"), "v".into())).collect(),
            created_at: time,
            expires_at: time,
            available: Some(false),
        };
        let batch = PutItemsRequest { items: vec![item; 10_000] }.encode_to_vec();
        assert!(check::<PutItemsRequest>(&batch).is_ok());
        let event = proto::Event {
            event_id: "e".into(),
            categories: vec!["c".into(); 16],
            ..proto::Event::default()
        };
        let batch = PublishRequest { events: vec![event; 10_000] }.encode_to_vec();
        assert!(check::<PublishRequest>(&batch).is_ok());

        let empty_events = b"\x0a\x00".repeat(1 << 20);
        assert!(refused::<PublishRequest>(&empty_events).contains("more than 10240 fields"));
        let empty_excludes = b"\x32\x00".repeat(1 << 20);
        assert!(refused::<RecommendRequest>(&empty_excludes).contains("more than 10240 fields"));
    }

    #[test]
    fn what_is_within_is_counted_too_and_all_of_it() {
        let of = |categories: usize, events: usize| {
            let event =
                proto::Event { categories: vec![String::new(); categories], ..proto::Event::default() };
            PublishRequest { events: vec![event; events] }.encode_to_vec()
        };
        assert!(check::<PublishRequest>(&of(1024, 1200)).is_ok());
        assert!(refused::<PublishRequest>(&of(1025, 8)).contains("within it has more than 1024 fields"));
        assert!(refused::<PublishRequest>(&of(1024, 1300)).contains("more than 1300000 fields"));
    }

    #[test]
    fn what_is_broken_is_left_to_whoever_decodes_it() {
        let mut bytes = b"\x0a\x01".repeat(4096);
        bytes.push(0xff);
        assert!(check::<PublishRequest>(&bytes).is_ok());
        assert!(check_large("headwater.v1.Unknown", &b"\x0a\x00".repeat(1 << 20)).is_ok());
    }
}
