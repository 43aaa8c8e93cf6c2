//! Why a record could not be decoded.

use std::borrow::Cow;

use crate::engine::events::event::InvalidEvent;
use crate::engine::events::item::InvalidItem;

/// The largest value that is decoded, in bytes.
pub const MAX_VALUE_BYTES: usize = 1024 * 1024;

/// Why a record could not be decoded.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DecodeError {
    /// The header names no encoding that we know.
    #[error("content-type is `{0}`, expected `application/json` or `application/x-protobuf`")]
    Encoding(String),
    /// There is no value where one is needed.
    #[error("the record has no value, expected an event")]
    NoValue,
    /// The value is too large to be looked at.
    #[error("the value is {bytes} bytes long, expected at most {MAX_VALUE_BYTES}")]
    Oversize {
        /// Its length.
        bytes: usize,
    },
    /// The bytes are not of the encoding.
    #[error("not valid {encoding}: {message}")]
    Malformed {
        /// `JSON` or `protobuf`.
        encoding: &'static str,
        /// What and where.
        message: String,
    },
    /// The bytes are of the encoding, but a field is of a wrong type.
    #[error("{0}")]
    Shape(String),
    /// What is said to be an item has a field of events.
    #[error("an item has no `{0}`: this looks like an event, which belongs among the clicks")]
    EventAmongItems(&'static str),
    /// The event breaks a rule.
    #[error(transparent)]
    Event(#[from] InvalidEvent),
    /// The item breaks a rule.
    #[error(transparent)]
    Item(#[from] InvalidItem),
    /// The record of an item has a key that is not its id.
    #[error("the key is `{key}`, but `item_id` is `{item_id}`: expected them to be equal")]
    Key {
        /// The key.
        key: String,
        /// What the value says.
        item_id: String,
    },
}

impl DecodeError {
    /// A name for metrics and dead letters, from a closed set: `decode`, `oversize`, `schema`,
    /// `validation`, `unknown_event_type`.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Encoding(_) | Self::NoValue | Self::Malformed { .. } => "decode",
            Self::Oversize { .. } => "oversize",
            Self::Shape(_) | Self::EventAmongItems(_) => "schema",
            Self::Event(error) => error.class(),
            Self::Item(_) | Self::Key { .. } => "validation",
        }
    }
}

/// Keeps what a stranger wrote from flooding a message: its middle goes, since what was expected and
/// where stands at the end.
pub(super) fn clip(text: &str) -> Cow<'_, str> {
    const HEAD: usize = 80;
    const TAIL: usize = 160;
    let characters = text.chars().count();
    if characters <= HEAD + TAIL {
        return Cow::Borrowed(text);
    }
    let head: String = text.chars().take(HEAD).collect();
    let tail: String = text.chars().skip(characters - TAIL).collect();
    Cow::Owned(format!("{head}...{tail}"))
}
