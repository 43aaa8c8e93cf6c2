//! An item as the catalog keeps it, in little memory: there may be millions.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::events::event::Timestamp;
use crate::engine::events::item::Item;

/// An item of a catalog.
#[derive(Debug)]
pub struct CatalogItem {
    item_id: Arc<str>,
    /// Names that the whole catalog shares.
    categories: Box<[Arc<str>]>,
    texts: Texts,
    created_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    available: bool,
}

/// The title, then each attribute's key and value in the order of keys: one after the other.
#[derive(Debug)]
struct Texts {
    all: Box<str>,
    /// Where each of them ends: what an item may have is less than 64 KiB.
    ends: Box<[u16]>,
    has_title: bool,
}

impl CatalogItem {
    /// An item that has been checked, of that id. `share` gives the name that the catalog holds for one that is
    /// the same.
    pub(super) fn new(item_id: Arc<str>, item: &Item, share: impl FnMut(&String) -> Arc<str>) -> Self {
        Self {
            item_id,
            categories: item.categories.iter().map(share).collect(),
            texts: Texts::new(item),
            created_at: item.created_at,
            expires_at: item.expires_at,
            available: item.available,
        }
    }

    /// Its id.
    pub fn item_id(&self) -> &Arc<str> {
        &self.item_id
    }

    /// The main category first.
    pub fn categories(&self) -> &[Arc<str>] {
        &self.categories
    }

    /// When it came to be.
    pub fn created_at(&self) -> Option<Timestamp> {
        self.created_at
    }

    /// When it stops being recommended.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// Whether it may be recommended.
    pub fn available(&self) -> bool {
        self.available
    }

    /// The value of an attribute.
    pub fn attribute(&self, key: &str) -> Option<&str> {
        self.texts.attributes().find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    /// Its attributes, in the order of keys.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.attributes()
    }

    /// For display.
    pub fn title(&self) -> Option<&str> {
        self.texts.has_title.then(|| self.texts.get(0))
    }
}

impl From<&CatalogItem> for Item {
    fn from(item: &CatalogItem) -> Self {
        let attributes = item.attributes().map(|(key, value)| (key.to_owned(), value.to_owned()));
        Self {
            item_id: item.item_id.to_string(),
            categories: item.categories.iter().map(|name| name.to_string()).collect(),
            created_at: item.created_at,
            expires_at: item.expires_at,
            available: item.available,
            attributes: attributes.collect::<BTreeMap<String, String>>(),
            title: item.title().map(str::to_owned),
        }
    }
}

impl Texts {
    fn new(item: &Item) -> Self {
        let (mut all, mut ends) = (String::new(), Vec::new());
        let attributes = item.attributes.iter().flat_map(|(key, value)| [key.as_str(), value]);
        for text in item.title.as_deref().into_iter().chain(attributes) {
            all.push_str(text);
            // The rules for items leave room, and what broke them would be cut rather than mixed up.
            ends.push(u16::try_from(all.len()).unwrap_or(u16::MAX));
        }
        Self { all: all.into(), ends: ends.into(), has_title: item.title.is_some() }
    }

    fn get(&self, index: usize) -> &str {
        let end = |index: usize| self.ends.get(index).map_or(0, |end| usize::from(*end));
        let start = index.checked_sub(1).map_or(0, end);
        self.all.get(start..end(index)).unwrap_or_default()
    }

    fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        let keys = (usize::from(self.has_title)..self.ends.len()).step_by(2);
        keys.map(|key| (self.get(key), self.get(key + 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::events::event::MAX_ID_BYTES;
    use crate::engine::events::item::{MAX_ATTRIBUTES, MAX_TEXT_BYTES};

    fn kept(item: &Item) -> CatalogItem {
        let item = item.clone().check().expect("a valid item");
        CatalogItem::new(item.item_id.as_str().into(), &item, |name| name.as_str().into())
    }

    #[test]
    fn an_item_comes_back_as_it_was_with_the_most_that_one_may_have_too() {
        let most = Item {
            title: Some("t".repeat(MAX_TEXT_BYTES)),
            attributes: (0..MAX_ATTRIBUTES)
                .map(|n| (format!("{n:0>width$}", width = MAX_ID_BYTES), "v".repeat(MAX_TEXT_BYTES)))
                .collect(),
            created_at: Some(Timestamp(-5)),
            expires_at: Some(Timestamp(7)),
            available: false,
            ..Item::new("i", (0..16).map(|n| format!("c{n}")))
        };
        let untitled = Item { attributes: most.attributes.clone(), ..Item::new("é", [""; 0]) };
        let empty = Item { title: Some(String::new()), ..Item::new("e", ["c"]) };
        let odd = Item {
            attributes: [("a", ""), ("ab", "b"), ("b", "ab")].map(|(k, v)| (k.into(), v.into())).into(),
            ..empty.clone()
        };
        for item in [&most, &untitled, &empty, &odd, &Item::new("bare", [""; 0])] {
            let kept = kept(item);
            assert_eq!(Item::from(&kept), *item);
            for (key, value) in &item.attributes {
                assert_eq!(kept.attribute(key), Some(value.as_str()), "{key}");
            }
        }
        assert_eq!((kept(&odd).attribute(""), kept(&odd).attribute("c")), (None, None));
    }
}
