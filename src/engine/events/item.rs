//! Items: what can be recommended, and the rules that make one valid.

use std::collections::BTreeMap;

use crate::engine::events::event::{MAX_CATEGORIES, MAX_ID_BYTES, MAX_TIMESTAMP, Timestamp};

/// The most attributes that an item may have.
pub const MAX_ATTRIBUTES: usize = 32;
/// The longest title and attribute, in bytes.
pub const MAX_TEXT_BYTES: usize = 1024;
/// The earliest `created_at`: 0001-01-01, so that old books and films keep their age.
pub const MIN_CREATED_AT: Timestamp = Timestamp(-62_135_596_800_000);

/// An item as the catalog holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// 1 to 256 bytes.
    pub item_id: String,
    /// The main category first; at most 16, no repeats once checked.
    pub categories: Vec<String>,
    /// When it came to be.
    pub created_at: Option<Timestamp>,
    /// When it stops being recommended.
    pub expires_at: Option<Timestamp>,
    /// Whether it may be recommended.
    pub available: bool,
    /// Facts to filter by.
    pub attributes: BTreeMap<String, String>,
    /// For display.
    pub title: Option<String>,
}

/// A record of the items log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemChange {
    /// The item is now this.
    Put(Item),
    /// The item is no more.
    Delete(String),
}

/// Why an item is not valid. Each message names the field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidItem {
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
    /// Too many entries.
    #[error("`{field}` has {found} entries, expected at most {max}")]
    TooMany {
        /// The field.
        field: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        max: usize,
    },
    /// A time is out of range.
    #[error("`{field}` is {found} ms, expected {min} to {max} (years 1 to 9999)", min = MIN_CREATED_AT.0, max = MAX_TIMESTAMP.0)]
    Time {
        /// The field.
        field: &'static str,
        /// What was sent.
        found: i64,
    },
}

impl Item {
    /// An available item with nothing but an id and categories.
    pub fn new(item_id: impl Into<String>, categories: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            item_id: item_id.into(),
            categories: categories.into_iter().map(Into::into).collect(),
            created_at: None,
            expires_at: None,
            available: true,
            attributes: BTreeMap::new(),
            title: None,
        }
    }

    /// The item with repeated categories removed, if every rule holds.
    ///
    /// # Errors
    /// The first rule that does not.
    pub fn check(mut self) -> Result<Self, InvalidItem> {
        check_item_id(&self.item_id)?;
        too_many("categories", self.categories.len(), MAX_CATEGORIES)?;
        for category in &self.categories {
            length("categories", category, 1, MAX_ID_BYTES)?;
        }
        too_many("attributes", self.attributes.len(), MAX_ATTRIBUTES)?;
        for (key, value) in &self.attributes {
            length("attributes", key, 1, MAX_ID_BYTES)?;
            length("attributes", value, 0, MAX_TEXT_BYTES)?;
        }
        if let Some(title) = &self.title {
            length("title", title, 0, MAX_TEXT_BYTES)?;
        }
        for (field, time) in [("created_at", self.created_at), ("expires_at", self.expires_at)] {
            if let Some(found) = time.filter(|time| !(MIN_CREATED_AT..=MAX_TIMESTAMP).contains(time)) {
                return Err(InvalidItem::Time { field, found: found.0 });
            }
        }
        let mut kept: Vec<String> = Vec::with_capacity(self.categories.len());
        for category in self.categories {
            if !kept.contains(&category) {
                kept.push(category);
            }
        }
        self.categories = kept;
        Ok(self)
    }
}

/// Whether an item can have this id.
///
/// # Errors
/// It is empty or too long.
pub fn check_item_id(item_id: &str) -> Result<(), InvalidItem> {
    if item_id.is_empty() {
        return Err(InvalidItem::Missing("item_id"));
    }
    length("item_id", item_id, 1, MAX_ID_BYTES)
}

fn length(field: &'static str, text: &str, min: usize, max: usize) -> Result<(), InvalidItem> {
    match text.len() {
        bytes if bytes < min || bytes > max => Err(InvalidItem::Length { field, bytes, max }),
        _ => Ok(()),
    }
}

fn too_many(field: &'static str, found: usize, max: usize) -> Result<(), InvalidItem> {
    if found > max { Err(InvalidItem::TooMany { field, found, max }) } else { Ok(()) }
}
