//! The catalog: the items as the items log tells them, newest word first.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::engine::events::item::{Item, ItemChange};

/// What can be recommended.
#[derive(Debug, Default)]
pub struct Catalog {
    items: HashMap<Arc<str>, Arc<Item>, foldhash::fast::RandomState>,
    version: u64,
}

/// What became of a change to the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatalogOutcome {
    /// The catalog is different now.
    Changed,
    /// It says the same as before.
    Unchanged,
    /// A new item did not fit.
    Full,
}

impl Catalog {
    /// Takes a change over, holding at most `limit` items.
    pub fn apply(&mut self, change: ItemChange, limit: usize) -> CatalogOutcome {
        let changed = match change {
            ItemChange::Delete(item_id) => self.items.remove(item_id.as_str()).is_some(),
            ItemChange::Put(item) => match self.items.get(item.item_id.as_str()) {
                Some(known) if **known == item => false,
                None if self.items.len() >= limit => return CatalogOutcome::Full,
                _ => {
                    self.items.insert(item.item_id.as_str().into(), Arc::new(item));
                    true
                }
            },
        };
        self.version += u64::from(changed);
        if changed { CatalogOutcome::Changed } else { CatalogOutcome::Unchanged }
    }

    /// The item of that id.
    pub fn get(&self, item_id: &str) -> Option<&Arc<Item>> {
        self.items.get(item_id)
    }

    /// All items, in no order.
    pub fn items(&self) -> impl ExactSizeIterator<Item = (&Arc<str>, &Arc<Item>)> {
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
}
