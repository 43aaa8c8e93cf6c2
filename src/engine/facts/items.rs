//! The items that a partition's events name, as numbers, and what the events say of their categories.

use std::borrow::Cow;

use crate::engine::events::catalog::Catalog;
use crate::engine::events::event::Timestamp;
use crate::engine::facts::categories::Categories;
use crate::engine::facts::intern::Interner;
use crate::engine::facts::numbers::Renumbered;

/// What an item's events say of its categories, for an item that the catalog does not know.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::engine::facts) struct EventCategories {
    /// The time of the event that said it.
    pub(in crate::engine::facts) ts: Timestamp,
    /// The set of categories.
    pub(in crate::engine::facts) set: u32,
}

/// The items of one partition.
#[derive(Debug, Default)]
pub struct Items {
    pub(in crate::engine::facts) names: Interner,
    /// By item; shorter where the last ones have none.
    pub(in crate::engine::facts) event_categories: Vec<EventCategories>,
    pub(in crate::engine::facts) event_categories_version: u64,
    /// By item: what the catalog was last seen to say. Not a fact: it can be looked up again at any time.
    catalog_sets: Vec<CatalogSet>,
}

/// What a version of the catalog says of an item.
#[derive(Clone, Copy, Debug)]
struct CatalogSet {
    version: u64,
    /// The set of its categories.
    set: u32,
    /// Whether it has the item.
    known: bool,
}

impl CatalogSet {
    /// Of no version that there ever is.
    const UNKNOWN: Self = Self { version: u64::MAX, set: 0, known: false };
}

impl Items {
    /// The names, by number.
    pub fn names(&self) -> &Interner {
        &self.names
    }

    /// The number of an item, giving it one if there are fewer than `limit`.
    pub fn intern(&mut self, name: &str, limit: usize) -> Option<u32> {
        self.names.intern(name, limit)
    }

    /// When what events say of an item's categories was said, and the set; 0 for none.
    pub fn event_categories(&self, item: u32) -> (Timestamp, u32) {
        let said = self.event_categories.get(item as usize).copied().unwrap_or_default();
        (said.ts, said.set)
    }

    /// Rises whenever [`Self::event_categories`] may give another set.
    pub fn event_categories_version(&self) -> u64 {
        self.event_categories_version
    }

    /// The set of an item's categories in the catalog, 0 if they are none; nothing if the catalog does not know it.
    /// Most events are on items that were looked up before, in the same catalog.
    pub fn catalog_categories(
        &mut self,
        item: u32,
        catalog: &Catalog,
        categories: &mut Categories,
    ) -> Option<u32> {
        let (index, version) = (item as usize, catalog.version());
        if self.catalog_sets.len() <= index {
            self.catalog_sets.resize(index + 1, CatalogSet::UNKNOWN);
        }
        if self.catalog_sets[index].version != version {
            let found = catalog.get(self.names.name(item));
            let names: Vec<Cow<'_, str>> =
                found.iter().flat_map(|item| item.categories()).map(|name| Cow::from(&**name)).collect();
            let known = found.is_some();
            let set = match categories.is_half_full() {
                false => categories.intern_set(&names),
                // Nothing is remembered of one that found no room: an event of its own may bring it in.
                true => match categories.find_set(&names) {
                    Some(set) => set,
                    None => return known.then_some(0),
                },
            };
            self.catalog_sets[index] = CatalogSet { version, set, known };
        }
        let CatalogSet { set, known, .. } = self.catalog_sets[index];
        known.then_some(set)
    }

    /// Takes over new numbers.
    pub(in crate::engine::facts) fn renumber(&mut self, numbers: &Renumbered) {
        self.names.renumber(&numbers.items);
        numbers.items.retain(&mut self.event_categories);
        for said in &mut self.event_categories {
            said.set = numbers.set(said.set);
        }
        self.event_categories_version += 1;
        // They may be of sets that nothing else refers to; and whoever has read this state has none of them.
        self.catalog_sets.clear();
    }

    /// Takes in what an event says of an item. The newest event with categories of its own speaks
    /// for an item; of two at the same time the one that is spelled later, so that the order of
    /// arrival does not matter.
    pub fn describe(&mut self, item: u32, ts: Timestamp, set: u32, categories: &Categories) {
        let index = item as usize;
        if self.event_categories.len() <= index {
            self.event_categories.resize(index + 1, EventCategories::default());
        }
        let known = self.event_categories[index];
        if set == 0 || set == known.set && ts <= known.ts {
            return;
        }
        if ts > known.ts || ts == known.ts && categories.spelled_after(set, known.set) {
            self.event_categories[index] = EventCategories { ts, set };
            self.event_categories_version += u64::from(set != known.set);
        }
    }
}
