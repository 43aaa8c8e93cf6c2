//! Events: what a user did with an item, and the rules that make one valid.
//!
//! Adapters decode bytes into an [`EventDraft`]; [`EventDraft::check`] is the only way to an
//! [`Event`], so nothing past this file meets a broken one.

use std::borrow::Cow;

use serde::Serialize;

use crate::engine::text::shorten;
pub use crate::engine::time::{MAX_TIMESTAMP, Timestamp};

/// The longest `event_id`, `session_id`, `surface` and `recommendation_id`, in bytes.
pub const MAX_LABEL_BYTES: usize = 128;
/// The longest `user_id`, `item_id` and category, in bytes.
pub const MAX_ID_BYTES: usize = 256;
/// The most categories that an event or an item may have.
pub const MAX_CATEGORIES: usize = 16;

/// The index of an event type in the stream's list of types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventType(pub u8);

/// The event types that a stream knows, in the order of its config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventTypes(Vec<String>);

impl EventTypes {
    /// The most types that a stream may have.
    pub const MAX: usize = 32;

    /// Takes the names as they are; config validates them (1 to [`Self::MAX`], no repeats).
    pub fn new(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(names.into_iter().take(Self::MAX).map(Into::into).collect())
    }

    /// The type of that name.
    pub fn get(&self, name: &str) -> Option<EventType> {
        let index = self.0.iter().position(|known| known == name)?;
        u8::try_from(index).ok().map(EventType)
    }

    /// The name of a type, or `?` for one that is not of this list.
    pub fn name(&self, kind: EventType) -> &str {
        self.0.get(usize::from(kind.0)).map_or("?", String::as_str)
    }

    /// The names, in order.
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

impl Default for EventTypes {
    fn default() -> Self {
        Self::new(["view", "click", "add_to_cart", "purchase", "like", "dislike", "hide", "impression"])
    }
}

/// Some of a stream's event types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventTypeSet(u32);

impl EventTypeSet {
    /// No type.
    pub const NONE: Self = Self(0);

    /// Whether a type is one of them.
    #[inline]
    pub fn contains(self, kind: EventType) -> bool {
        u32::from(kind.0) < u32::BITS && self.0 >> kind.0 & 1 == 1
    }

    /// The types of these names; a name that is none is left out.
    pub fn of<'a>(types: &EventTypes, names: impl IntoIterator<Item = &'a str>) -> Self {
        names.into_iter().filter_map(|name| types.get(name)).collect()
    }

    /// Their names, in the order of the types.
    pub fn names(self, types: &EventTypes) -> impl Iterator<Item = &str> {
        (0..)
            .map(EventType)
            .zip(types.names())
            .filter(move |(kind, _)| self.contains(*kind))
            .map(|(_, name)| &**name)
    }
}

impl FromIterator<EventType> for EventTypeSet {
    fn from_iter<I: IntoIterator<Item = EventType>>(kinds: I) -> Self {
        let one = |kind: EventType| 1_u32.checked_shl(u32::from(kind.0)).unwrap_or(0);
        Self(kinds.into_iter().fold(0, |all, kind| all | one(kind)))
    }
}

/// An event as it was decoded, before anything about it is known to be right. Serialises to
/// the fields that are there, which is what the clicks log takes as JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct EventDraft<'a> {
    /// See [`Event::event_id`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<Cow<'a, str>>,
    /// See [`Event::user_id`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Cow<'a, str>>,
    /// See [`Event::item_id`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_id: Option<Cow<'a, str>>,
    /// The name of the event type.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Cow<'a, str>>,
    /// Milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ts: Option<i64>,
    /// See [`Event::value`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// See [`Event::session_id`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<Cow<'a, str>>,
    /// See [`Event::surface`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub surface: Option<Cow<'a, str>>,
    /// See [`Event::recommendation_id`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recommendation_id: Option<Cow<'a, str>>,
    /// See [`Event::categories`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<Cow<'a, str>>,
}

/// A valid event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event<'a> {
    /// Recognises a producer's retry, 1 to 128 bytes.
    pub event_id: Option<&'a str>,
    /// Who, 1 to 256 bytes.
    pub user_id: &'a str,
    /// What, 1 to 256 bytes.
    pub item_id: &'a str,
    /// How.
    pub kind: EventType,
    /// When, in [1970, 10000).
    pub ts: Timestamp,
    /// A finite number that came along.
    pub value: Option<f64>,
    /// The visit.
    pub session_id: Option<&'a str>,
    /// Where in the product.
    pub surface: Option<&'a str>,
    /// The answer that led to it.
    pub recommendation_id: Option<&'a str>,
    /// The item's categories according to the producer, at most 16.
    pub categories: &'a [Cow<'a, str>],
}

/// Why an event is not valid. Each message names the field.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InvalidEvent {
    /// A required field is absent or empty.
    #[error("`{0}` is required")]
    Missing(&'static str),
    /// A string has a wrong length.
    #[error("`{field}` is {bytes} bytes long, expected 1 to {max}")]
    Length {
        /// The field.
        field: &'static str,
        /// Its length.
        bytes: usize,
        /// The longest that it may be.
        max: usize,
    },
    /// The type is not one of the stream's.
    #[error("`type` is `{found}`, expected one of {expected}")]
    UnknownType {
        /// What was sent.
        found: String,
        /// What the stream knows.
        expected: String,
    },
    /// The time is out of range.
    #[error("`ts` is {0} ms, expected 0 to {max} (1970 to 9999)", max = MAX_TIMESTAMP.0)]
    Time(i64),
    /// The value is not a number that can be counted with.
    #[error("`value` is {0}, expected a finite number")]
    Value(f64),
    /// Too many categories.
    #[error("`categories` has {0} entries, expected at most {MAX_CATEGORIES}")]
    TooManyCategories(usize),
}

impl InvalidEvent {
    /// A name for metrics and dead letters, from a closed set.
    pub fn class(&self) -> &'static str {
        match self {
            Self::UnknownType { .. } => "unknown_event_type",
            _ => "validation",
        }
    }
}

impl EventDraft<'_> {
    /// The event, if every rule holds.
    ///
    /// # Errors
    /// The first rule that does not.
    pub fn check<'a>(&'a self, types: &EventTypes) -> Result<Event<'a>, InvalidEvent> {
        let kind = match self.kind.as_deref() {
            None | Some("") => return Err(InvalidEvent::Missing("type")),
            Some(name) => types.get(name).ok_or_else(|| InvalidEvent::UnknownType {
                found: shorten(name).into_owned(),
                expected: types.names().join(", "),
            })?,
        };
        let ts = self.ts.ok_or(InvalidEvent::Missing("ts"))?;
        if !(0..=MAX_TIMESTAMP.0).contains(&ts) {
            return Err(InvalidEvent::Time(ts));
        }
        if let Some(value) = self.value.filter(|value| !value.is_finite()) {
            return Err(InvalidEvent::Value(value));
        }
        if self.categories.len() > MAX_CATEGORIES {
            return Err(InvalidEvent::TooManyCategories(self.categories.len()));
        }
        for category in &self.categories {
            bounded("categories", category, MAX_ID_BYTES)?;
        }
        Ok(Event {
            event_id: optional("event_id", self.event_id.as_deref())?,
            user_id: required("user_id", self.user_id.as_deref())?,
            item_id: required("item_id", self.item_id.as_deref())?,
            kind,
            ts: Timestamp(ts),
            value: self.value,
            session_id: optional("session_id", self.session_id.as_deref())?,
            surface: optional("surface", self.surface.as_deref())?,
            recommendation_id: optional("recommendation_id", self.recommendation_id.as_deref())?,
            categories: &self.categories,
        })
    }
}

fn required<'a>(field: &'static str, text: Option<&'a str>) -> Result<&'a str, InvalidEvent> {
    match text {
        None | Some("") => Err(InvalidEvent::Missing(field)),
        Some(text) => bounded(field, text, MAX_ID_BYTES),
    }
}

fn optional<'a>(field: &'static str, text: Option<&'a str>) -> Result<Option<&'a str>, InvalidEvent> {
    text.map(|text| bounded(field, text, MAX_LABEL_BYTES)).transpose()
}

fn bounded<'a>(field: &'static str, text: &'a str, max: usize) -> Result<&'a str, InvalidEvent> {
    match text.len() {
        bytes if bytes == 0 || bytes > max => Err(InvalidEvent::Length { field, bytes, max }),
        _ => Ok(text),
    }
}
