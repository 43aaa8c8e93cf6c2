//! Events and items as JSON objects.
//!
//! Read in one pass into borrowed text, by hand-written visitors: derived ones neither borrow
//! optional text nor say which field it was that had the wrong type. Unknown fields are skipped,
//! `null` stands for absent, a field that comes twice is an error.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::codec::error::{DecodeError, clip};
use crate::engine::events::event::{EventDraft, Timestamp};
use crate::engine::events::item::Item;

pub fn decode_event(bytes: &[u8]) -> Result<EventDraft<'_>, DecodeError> {
    decode(bytes, EventObject)
}

pub fn decode_item(bytes: &[u8]) -> Result<Item, DecodeError> {
    match decode(bytes, ItemObject)? {
        (item, None) => Ok(item),
        (_, Some(field)) => Err(DecodeError::EventAmongItems(field)),
    }
}

fn decode<'a, V: Visitor<'a>>(bytes: &'a [u8], object: V) -> Result<V::Value, DecodeError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let decoded = deserializer.deserialize_map(object);
    decoded.and_then(|decoded| deserializer.end().map(|()| decoded)).map_err(|error| {
        let message = clip(&error.to_string()).into_owned();
        if error.is_data() {
            DecodeError::Shape(message)
        } else {
            DecodeError::Malformed { encoding: "JSON", message }
        }
    })
}

struct EventObject;

impl<'de> Visitor<'de> for EventObject {
    type Value = EventDraft<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event: a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<EventDraft<'de>, A::Error> {
        let mut event = EventDraft::default();
        let mut seen = Seen(0);
        while let Some(field) = map.next_key_seed(Name(EVENT_FIELDS))? {
            let Some(index) = field else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let name = seen.first::<A::Error>(EVENT_FIELDS, index)?;
            match index {
                USER_ID => event.user_id = map.next_value_seed(Text(name))?,
                ITEM_ID => event.item_id = map.next_value_seed(Text(name))?,
                TYPE => event.kind = map.next_value_seed(Text(name))?,
                TS => event.ts = map.next_value_seed(Time(name))?,
                EVENT_ID => event.event_id = map.next_value_seed(Text(name))?,
                VALUE => event.value = map.next_value_seed(Number(name))?,
                SESSION_ID => event.session_id = map.next_value_seed(Text(name))?,
                SURFACE => event.surface = map.next_value_seed(Text(name))?,
                RECOMMENDATION_ID => event.recommendation_id = map.next_value_seed(Text(name))?,
                _ => event.categories = map.next_value_seed(Texts(name))?,
            }
        }
        Ok(event)
    }
}

/// The places below; `categories` is the rest.
const EVENT_FIELDS: &[&str] = &[
    "user_id",
    "item_id",
    "type",
    "ts",
    "event_id",
    "value",
    "session_id",
    "surface",
    "recommendation_id",
    "categories",
];
const USER_ID: usize = 0;
const ITEM_ID: usize = 1;
const TYPE: usize = 2;
const TS: usize = 3;
const EVENT_ID: usize = 4;
const VALUE: usize = 5;
const SESSION_ID: usize = 6;
const SURFACE: usize = 7;
const RECOMMENDATION_ID: usize = 8;

/// An item, and the field that tells that it is an event, if there is one.
struct ItemObject;

impl<'de> Visitor<'de> for ItemObject {
    type Value = (Item, Option<&'static str>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an item: a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut item = Item::new("", [""; 0]);
        let mut of_event = None;
        let mut seen = Seen(0);
        while let Some(field) = map.next_key_seed(Name(ITEM_FIELDS))? {
            let Some(index) = field else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let name = seen.first::<A::Error>(ITEM_FIELDS, index)?;
            match name {
                "item_id" => item.item_id = map.next_value_seed(Text(name))?.unwrap_or_default().into_owned(),
                "created_at" => item.created_at = map.next_value_seed(Time(name))?.map(Timestamp),
                "expires_at" => item.expires_at = map.next_value_seed(Time(name))?.map(Timestamp),
                "available" => item.available = map.next_value_seed(Flag(name))?.unwrap_or(true),
                "attributes" => item.attributes = map.next_value_seed(TextMap(name))?,
                "title" => item.title = map.next_value_seed(Text(name))?.map(Cow::into_owned),
                "user_id" | "type" => {
                    map.next_value::<IgnoredAny>()?;
                    of_event = of_event.or(Some(name));
                }
                _ => {
                    let categories = map.next_value_seed(Texts(name))?;
                    item.categories = categories.into_iter().map(Cow::into_owned).collect();
                }
            }
        }
        Ok((item, of_event))
    }
}

/// The fields of items, and those of events that no item has. Items that carry them are events which were sent to the
/// wrong place, and would take the categories of the items that they name away.
const ITEM_FIELDS: &[&str] = &[
    "item_id",
    "created_at",
    "expires_at",
    "available",
    "attributes",
    "title",
    "categories",
    "user_id",
    "type",
];

/// Which fields have come.
struct Seen(u32);

impl Seen {
    /// The field's name, if it comes for the first time.
    fn first<E: Error>(&mut self, names: &[&'static str], index: usize) -> Result<&'static str, E> {
        let name = names.get(index).copied().unwrap_or_default();
        let bit = 1 << index;
        if self.0 & bit != 0 {
            return Err(E::custom(format_args!("`{name}` comes twice")));
        }
        self.0 |= bit;
        Ok(name)
    }
}

/// A field's index in a list of names.
struct Name(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|known| *known == name))
    }
}

/// Makes a seed of a visitor that takes whatever is there and complains about the wrong types.
macro_rules! seed {
    ($visitor:ident -> $value:ty) => {
        impl<'de> DeserializeSeed<'de> for $visitor {
            type Value = $value;

            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
                deserializer.deserialize_any(self)
            }
        }
    };
}

seed!(Text -> Option<Cow<'de, str>>);
seed!(Time -> Option<i64>);
seed!(Number -> Option<f64>);
seed!(Flag -> Option<bool>);
seed!(Texts -> Vec<Cow<'de, str>>);
seed!(TextMap -> BTreeMap<String, String>);

/// Text, or nothing.
struct Text(&'static str);

impl<'de> Visitor<'de> for Text {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` to be a string", self.0)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// Milliseconds since the epoch, written as such or as RFC 3339, or nothing.
struct Time(&'static str);

impl Visitor<'_> for Time {
    type Value = Option<i64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` to be milliseconds since 1970 (an integer) or an RFC 3339 time", self.0)
    }

    fn visit_i64<E>(self, millis: i64) -> Result<Self::Value, E> {
        Ok(Some(millis))
    }

    fn visit_u64<E>(self, millis: u64) -> Result<Self::Value, E> {
        Ok(Some(i64::try_from(millis).unwrap_or(i64::MAX)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        let time = Timestamp::from_rfc3339(text).map(|time| time.0);
        time.map(Some).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(&clip(text)), &self))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// A number, or nothing.
struct Number(&'static str);

impl Visitor<'_> for Number {
    type Value = Option<f64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` to be a number", self.0)
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Some(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Some(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Some(number as f64))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// True or false, or nothing.
struct Flag(&'static str);

impl Visitor<'_> for Flag {
    type Value = Option<bool>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` to be true or false", self.0)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Some(flag))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// A list of texts, or nothing.
struct Texts(&'static str);

impl<'de> Visitor<'de> for Texts {
    type Value = Vec<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` to be a list of strings", self.0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = list.next_element_seed(Text(self.0))? {
            texts.push(text.ok_or_else(|| A::Error::invalid_type(serde::de::Unexpected::Unit, &self))?);
        }
        Ok(texts)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }
}

/// An object whose values are texts, or nothing.
struct TextMap(&'static str);

impl<'de> Visitor<'de> for TextMap {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` to be an object of strings", self.0)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut texts = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            let text = map.next_value_seed(Text(self.0))?;
            let text = text.ok_or_else(|| A::Error::invalid_type(serde::de::Unexpected::Unit, &self))?;
            texts.insert(key, text.into_owned());
        }
        Ok(texts)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(BTreeMap::new())
    }
}

/// An event as a JSON object.
pub fn encode_event(event: &EventDraft<'_>) -> Vec<u8> {
    write(event)
}

/// An item as a JSON object.
pub fn encode_item(item: &Item) -> Vec<u8> {
    #[derive(Serialize)]
    struct Object<'a> {
        item_id: &'a str,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        categories: &'a [String],
        #[serde(skip_serializing_if = "Option::is_none")]
        created_at: Option<Timestamp>,
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
        #[serde(skip_serializing_if = "Clone::clone")]
        available: bool,
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        attributes: &'a BTreeMap<String, String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
    }
    write(&Object {
        item_id: &item.item_id,
        categories: &item.categories,
        created_at: item.created_at,
        expires_at: item.expires_at,
        available: item.available,
        attributes: &item.attributes,
        title: item.title.as_deref(),
    })
}

fn write(object: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(object).expect("text, numbers and maps with text as keys are always JSON")
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
