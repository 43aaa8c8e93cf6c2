//! `RankedItem` with texts that lie in the item itself if they are short, as most are. As prost has it, a list of 20
//! would take 40 allocations, and as many to be freed.

use bytes::{Buf, BufMut};
use compact_str::CompactString;
use prost::encoding::{
    DecodeContext, WireType, double, encode_key, encode_varint, encoded_len_varint, key_len, message,
    skip_field, string, uint32,
};
use prost::{DecodeError, Message};

use super::{Contribution, Item};

/// An item in a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RankedItem {
    /// Which item.
    pub item_id: CompactString,
    /// The sum of the contributions.
    pub score: f64,
    /// 1 for the best.
    pub rank: u32,
    /// The main reason, in words.
    pub reason: CompactString,
    /// What the score is made of, if the request asked for it. Added up in this order as doubles they give the
    /// score to the last bit.
    pub contributions: Vec<Contribution>,
    /// The item as the catalog has it, if the request asked for it.
    pub item: Option<Box<Item>>,
    /// How likely it was to get its place, if that was drawn for.
    pub propensity: Option<f64>,
}

const ITEM_ID: u32 = 1;
const SCORE: u32 = 2;
const RANK: u32 = 3;
const REASON: u32 = 4;
const CONTRIBUTIONS: u32 = 5;
const ITEM: u32 = 6;
const PROPENSITY: u32 = 7;

/// As prost derives it: a field that has its default value takes no bytes.
impl Message for RankedItem {
    fn encode_raw(&self, buffer: &mut impl BufMut) {
        encode_text(ITEM_ID, &self.item_id, buffer);
        if self.score != 0.0 {
            double::encode(SCORE, &self.score, buffer);
        }
        if self.rank != 0 {
            uint32::encode(RANK, &self.rank, buffer);
        }
        encode_text(REASON, &self.reason, buffer);
        message::encode_repeated(CONTRIBUTIONS, &self.contributions, buffer);
        if let Some(item) = &self.item {
            message::encode(ITEM, &**item, buffer);
        }
        if let Some(propensity) = &self.propensity {
            double::encode(PROPENSITY, propensity, buffer);
        }
    }

    fn encoded_len(&self) -> usize {
        let score = if self.score == 0.0 { 0 } else { double::encoded_len(SCORE, &self.score) };
        let rank = if self.rank == 0 { 0 } else { uint32::encoded_len(RANK, &self.rank) };
        let texts = text_len(ITEM_ID, &self.item_id) + text_len(REASON, &self.reason);
        let item = self.item.as_ref().map_or(0, |item| message::encoded_len(ITEM, &**item));
        let propensity = self.propensity.as_ref().map_or(0, |value| double::encoded_len(PROPENSITY, value));
        let contributions = message::encoded_len_repeated(CONTRIBUTIONS, &self.contributions);
        texts + score + rank + contributions + item + propensity
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buffer: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        match tag {
            ITEM_ID => merge_text(wire_type, &mut self.item_id, buffer, context),
            SCORE => double::merge(wire_type, &mut self.score, buffer, context),
            RANK => uint32::merge(wire_type, &mut self.rank, buffer, context),
            REASON => merge_text(wire_type, &mut self.reason, buffer, context),
            CONTRIBUTIONS => message::merge_repeated(wire_type, &mut self.contributions, buffer, context),
            ITEM => message::merge(wire_type, &mut **self.item.get_or_insert_default(), buffer, context),
            PROPENSITY => double::merge(wire_type, self.propensity.get_or_insert_default(), buffer, context),
            _ => skip_field(wire_type, tag, buffer, context),
        }
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

fn encode_text(tag: u32, text: &str, buffer: &mut impl BufMut) {
    if !text.is_empty() {
        encode_key(tag, WireType::LengthDelimited, buffer);
        encode_varint(text.len() as u64, buffer);
        buffer.put_slice(text.as_bytes());
    }
}

fn text_len(tag: u32, text: &str) -> usize {
    if text.is_empty() { 0 } else { key_len(tag) + encoded_len_varint(text.len() as u64) + text.len() }
}

fn merge_text(
    wire_type: WireType,
    text: &mut CompactString,
    buffer: &mut impl Buf,
    context: DecodeContext,
) -> Result<(), DecodeError> {
    let mut merged = String::new();
    string::merge(wire_type, &mut merged, buffer, context)?;
    *text = merged.into();
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost_reflect::{DescriptorPool, DynamicMessage, Kind, MapKey, MessageDescriptor, Value};

    use super::*;
    use crate::proto::DESCRIPTORS;

    /// The message as `proto/` has it.
    fn descriptor() -> MessageDescriptor {
        let pool = DescriptorPool::decode(DESCRIPTORS).expect("descriptors");
        pool.get_message_by_name("headwater.v1.RankedItem").expect("the message")
    }

    /// One with a value in each field.
    fn full(descriptor: &MessageDescriptor) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        for field in descriptor.fields() {
            let value = match field.kind() {
                Kind::String => Value::String("text".to_owned()),
                Kind::Double => Value::F64(0.5),
                Kind::Uint32 => Value::U32(300),
                Kind::Int32 => Value::I32(7),
                Kind::Int64 => Value::I64(300),
                Kind::Bool => Value::Bool(true),
                Kind::Message(_) if field.is_map() => {
                    let value = Value::String("value".to_owned());
                    Value::Map([(MapKey::String("key".to_owned()), value)].into())
                }
                Kind::Message(inner) => Value::Message(full(&inner)),
                other => panic!("`{}` is a {other:?}: say what to fill in", field.full_name()),
            };
            let value = if field.is_list() { Value::List(vec![value.clone(), value]) } else { value };
            message.set_field(&field, value);
        }
        message
    }

    #[test]
    fn no_field_of_the_message_is_forgotten() {
        let bytes = full(&descriptor()).encode_to_vec();
        let item = RankedItem::decode(&*bytes).expect("it decodes");
        assert_eq!(item.encode_to_vec(), bytes, "{item:?}");
        assert_eq!(item.encoded_len(), bytes.len());
    }

    fn item() -> impl Strategy<Value = RankedItem> {
        let contribution = ("[a-z]{0,9}", any::<f64>()).prop_map(|(feature, value)| Contribution {
            feature,
            value,
            ..Contribution::default()
        });
        let score = prop_oneof![Just(0.0), -1e9..1e9];
        let rank = prop_oneof![Just(0), any::<u32>()];
        let contributions = prop::collection::vec(contribution, 0..3);
        let item = ("[a-z]{0,9}", "\\PC{0,9}").prop_map(|(item_id, title)| {
            Box::new(Item { item_id, title, available: Some(true), ..Item::default() })
        });
        let propensity = prop::option::of(prop_oneof![Just(0.0), 0.0..1.0]);
        ("\\PC{0,40}", score, rank, "\\PC{0,40}", contributions, prop::option::of(item), propensity).prop_map(
            |(item_id, score, rank, reason, contributions, item, propensity)| {
                let (item_id, reason) = (item_id.into(), reason.into());
                RankedItem { item_id, score, rank, reason, contributions, item, propensity }
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_what_is_decoded(item in item()) {
            let bytes = item.encode_to_vec();
            prop_assert_eq!(item.encoded_len(), bytes.len());
            let read = DynamicMessage::decode(descriptor(), &*bytes).expect("it is the message");
            prop_assert_eq!(read.unknown_fields().count(), 0);
            prop_assert_eq!(read.encode_to_vec(), &*bytes);
            prop_assert_eq!(RankedItem::decode(&*bytes).expect("it decodes"), item);
        }

        #[test]
        fn what_is_damaged_is_taken_or_refused_as_for_any_message(
            item in item(),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
            end in any::<prop::sample::Index>(),
            cut in any::<bool>(),
        ) {
            let mut bytes = item.encode_to_vec();
            let length = bytes.len();
            for (index, byte) in damage.iter().filter(|_| length > 0) {
                bytes[index.index(length)] = *byte;
            }
            bytes.truncate(if cut { end.index(bytes.len() + 1) } else { bytes.len() });
            let theirs = DynamicMessage::decode(descriptor(), &*bytes);
            let ours = RankedItem::decode(&*bytes);
            prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?} {:?}", ours, theirs);
            if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
                let theirs = RankedItem::decode(&*theirs.encode_to_vec()).expect("it decodes");
                // Not the items themselves: what is not a number is not even equal to itself.
                prop_assert_eq!(ours.encode_to_vec(), theirs.encode_to_vec());
            }
        }
    }
}
