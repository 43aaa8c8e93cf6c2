//! What a layout knows of each row.

use std::cmp::Reverse;
use std::sync::Arc;

use super::blocks::Blocks;
use super::category_table::NO_CATEGORIES;
use crate::engine::events::catalog_item::CatalogItem;
use crate::engine::events::event::Timestamp;

/// Where a row stands among others by age: the newest item first, those of unknown age last, ties by rank.
pub(super) type Age = (Reverse<Option<Timestamp>>, u32);

/// A column for each thing that is known of a row.
#[derive(Clone, Debug, Default)]
pub(super) struct Columns {
    pub ids: Blocks<Arc<str>>,
    /// None: the catalog does not have it, or not any more.
    pub items: Blocks<Option<Arc<CatalogItem>>>,
    /// The number of its set of categories.
    pub category_sets: Blocks<u32>,
    /// A number that is less for the lower of two ids.
    pub ranks: Blocks<u32>,
}

impl Columns {
    /// Adds a row that has no rank.
    pub fn push(&mut self, id: Arc<str>, item: Option<Arc<CatalogItem>>, set: u32) -> u32 {
        let row = self.ids.len() as u32;
        self.ids.push(id);
        self.items.push(item);
        self.category_sets.push(set);
        self.ranks.push(0);
        row
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// The id of a row's item.
    #[inline]
    pub fn id(&self, row: u32) -> &str {
        self.ids.get(row as usize).map_or("", |id| id)
    }

    /// What the catalog says of a row's item.
    #[inline]
    pub fn item(&self, row: u32) -> Option<&Arc<CatalogItem>> {
        self.items.get(row as usize)?.as_ref()
    }

    /// The number of a row's set of categories.
    #[inline]
    pub fn category_set(&self, row: u32) -> u32 {
        self.category_sets.get(row as usize).copied().unwrap_or(NO_CATEGORIES)
    }

    /// The rank of a row.
    #[inline]
    pub fn rank(&self, row: u32) -> u32 {
        self.ranks.get(row as usize).copied().unwrap_or(u32::MAX)
    }

    /// Where a row stands by age.
    pub fn age(&self, row: u32) -> Age {
        (Reverse(self.item(row).and_then(|item| item.created_at())), self.rank(row))
    }
}
