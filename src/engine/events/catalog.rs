//! The catalog: the items as the items log tells them, newest word first.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::hash_table::Entry;
use hashbrown::{HashSet, HashTable};

use crate::engine::events::catalog_item::CatalogItem;
use crate::engine::events::item::{Item, ItemChange};

/// Names of categories that nothing has any more are looked for when there are so many more than there
/// were after the last look.
const NAMES: usize = 1024;
/// So many changes are noted, or one for so many items: whoever has missed more looks at all items as fast.
const CHANGES: usize = 1024;
const PART_OF_CHANGES: usize = 16;

/// What can be recommended.
#[derive(Debug, Default)]
pub struct Catalog {
    items: HashTable<Arc<CatalogItem>>,
    categories: HashSet<Arc<str>, foldhash::fast::RandomState>,
    /// How many of those there may be before the next look.
    categories_until: usize,
    hasher: foldhash::fast::RandomState,
    version: u64,
    /// The items of the last changes, the newest change last.
    changed: VecDeque<Arc<str>>,
}

/// What became of a change to the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatalogOutcome {
    /// The catalog is different now.
    Changed,
    /// So is it now, and an item that had categories has none any more: often a mistake of whoever sent it.
    Emptied,
    /// It says the same as before.
    Unchanged,
    /// A new item did not fit.
    Full,
}

impl Catalog {
    /// Takes a change over, holding at most `limit` items.
    pub fn apply(&mut self, change: ItemChange, limit: usize) -> CatalogOutcome {
        match change {
            ItemChange::Delete(item_id) => self.delete(&item_id),
            ItemChange::Put(item) => self.put(&item, limit),
        }
    }

    /// The item of that id.
    pub fn get(&self, item_id: &str) -> Option<&Arc<CatalogItem>> {
        self.items.find(self.hasher.hash_one(item_id), |item| **item.item_id() == *item_id)
    }

    /// All items, in no order.
    pub fn items(&self) -> impl ExactSizeIterator<Item = &Arc<CatalogItem>> {
        self.items.iter()
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Rises with each change.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The items of the changes since a version, the newest change last; nothing if it is not known any more.
    pub fn changed_since(&self, version: u64) -> Option<impl Iterator<Item = &Arc<str>>> {
        let changes = usize::try_from(self.version.checked_sub(version)?).ok()?;
        Some(self.changed.range(self.changed.len().checked_sub(changes)?..))
    }

    fn note(&mut self, changed: Arc<str>) -> CatalogOutcome {
        self.version += 1;
        self.changed.push_back(changed);
        // Where items go, fewer changes are to be noted than are.
        let most = CHANGES.max(self.items.len() / PART_OF_CHANGES);
        self.changed.drain(..self.changed.len().saturating_sub(most));
        CatalogOutcome::Changed
    }

    fn delete(&mut self, item_id: &str) -> CatalogOutcome {
        let hash = self.hasher.hash_one(item_id);
        match self.items.find_entry(hash, |item| **item.item_id() == *item_id) {
            Ok(known) => {
                let (item, _) = known.remove();
                self.note(Arc::clone(item.item_id()))
            }
            Err(_) => CatalogOutcome::Unchanged,
        }
    }

    fn put(&mut self, item: &Item, limit: usize) -> CatalogOutcome {
        self.forget_categories();
        let full = self.items.len() >= limit;
        let share =
            |name: &String| self.categories.get_or_insert_with(name.as_str(), |name| name.into()).clone();
        let (hash, hasher) = (self.hasher.hash_one(item.item_id.as_str()), &self.hasher);
        let same_id = |known: &Arc<CatalogItem>| **known.item_id() == *item.item_id;
        match self.items.entry(hash, same_id, |known| hasher.hash_one(&**known.item_id())) {
            Entry::Occupied(known) if Item::from(&**known.get()) == *item => CatalogOutcome::Unchanged,
            Entry::Occupied(mut known) => {
                let item_id = Arc::clone(known.get().item_id());
                let emptied = item.categories.is_empty() && !known.get().categories().is_empty();
                *known.get_mut() = Arc::new(CatalogItem::new(Arc::clone(&item_id), item, share));
                let changed = self.note(item_id);
                if emptied { CatalogOutcome::Emptied } else { changed }
            }
            Entry::Vacant(_) if full => CatalogOutcome::Full,
            Entry::Vacant(free) => {
                let item_id: Arc<str> = item.item_id.as_str().into();
                free.insert(Arc::new(CatalogItem::new(Arc::clone(&item_id), item, share)));
                self.note(item_id)
            }
        }
    }

    fn forget_categories(&mut self) {
        if self.categories.len() > self.categories_until {
            self.categories.retain(|name| Arc::strong_count(name) > 1);
            self.categories_until = 2 * self.categories.len() + NAMES;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_what_was_said_last() {
        let mut catalog = Catalog::default();
        let put = |id: &str, category: &str| ItemChange::Put(Item::new(id, [category]));
        assert_eq!(catalog.apply(put("a", "x"), 2), CatalogOutcome::Changed);
        assert_eq!(catalog.apply(put("a", "x"), 2), CatalogOutcome::Unchanged);
        assert_eq!(catalog.apply(put("b", "x"), 2), CatalogOutcome::Changed);
        assert_eq!(catalog.apply(put("c", "x"), 2), CatalogOutcome::Full);
        assert_eq!(catalog.apply(put("a", "y"), 2), CatalogOutcome::Changed, "it is no new one");
        assert_eq!(catalog.get("a").map(|item| &*item.categories()[0]), Some("y"));
        let bare = || ItemChange::Put(Item::new("a", [""; 0]));
        assert_eq!(catalog.apply(bare(), 2), CatalogOutcome::Emptied);
        assert_eq!(catalog.apply(bare(), 2), CatalogOutcome::Unchanged);
        assert_eq!(catalog.apply(ItemChange::Delete("a".into()), 2), CatalogOutcome::Changed);
        assert_eq!(catalog.apply(ItemChange::Delete("a".into()), 2), CatalogOutcome::Unchanged);
        assert_eq!(catalog.get("a").is_none(), catalog.len() == 1);
        assert_eq!(catalog.version(), 5);
    }

    #[test]
    fn the_items_that_have_changed_are_known_until_too_many_have() {
        let mut catalog = Catalog::default();
        let mut put =
            |id: String, category: &str| catalog.apply(ItemChange::Put(Item::new(id, [category])), 9);
        put("a".into(), "x");
        put("b".into(), "x");
        put("b".into(), "x");
        put("a".into(), "y");
        catalog.apply(ItemChange::Delete("b".into()), 9);
        let since = |catalog: &Catalog, version| -> Option<Vec<String>> {
            Some(catalog.changed_since(version)?.map(|id| id.to_string()).collect())
        };
        assert_eq!(since(&catalog, 1), Some(vec!["b".into(), "a".into(), "b".into()]));
        assert_eq!((since(&catalog, 4), since(&catalog, 5)), (Some(vec![]), None));
        for round in 0..CHANGES {
            catalog.apply(ItemChange::Put(Item::new("a", [format!("{round}")])), 9);
        }
        assert_eq!(since(&catalog, 4).map(|changed| changed.len()), Some(CHANGES));
        assert_eq!(since(&catalog, 3), None);
    }

    #[test]
    fn names_of_categories_are_shared_and_forgotten_with_the_last_item_that_has_them() {
        let mut catalog = Catalog::default();
        for round in 0..10 * NAMES {
            let category = if round % 2 == 0 { "always".to_owned() } else { format!("only in {round}") };
            catalog.apply(ItemChange::Put(Item::new(format!("i{}", round % 8), [category])), 100);
        }
        assert!(catalog.categories.len() < 3 * NAMES, "{}", catalog.categories.len());
        let [a, b] = ["i0", "i2"].map(|id| catalog.get(id).expect("it was put"));
        assert!(Arc::ptr_eq(&a.categories()[0], &b.categories()[0]));
    }
}
