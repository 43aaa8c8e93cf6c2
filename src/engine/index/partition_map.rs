//! What a partition's numbers stand for in a layout.

use super::blocks::Blocks;
use super::layout::{Layout, NOWHERE};
use crate::engine::facts::numbers::Numbering;
use crate::engine::facts::state::PartitionState;

/// From a partition's numbers to a layout's rows and categories.
#[derive(Clone, Debug, Default)]
pub struct PartitionMap {
    /// Whose numbers they are.
    numbering: Numbering,
    items: Blocks<u32>,
    categories: Blocks<u32>,
}

impl PartitionMap {
    /// An empty map of a state.
    pub fn of(state: &PartitionState) -> Self {
        Self { numbering: state.numbering(), ..Self::default() }
    }

    /// Whether it was made of this state as it is numbered now.
    #[inline]
    pub fn is_of(&self, state: &PartitionState) -> bool {
        self.numbering == state.numbering()
    }

    /// Whether it was made of this state, rather than of one that had its place before. Numbers may be others by now:
    /// then all are looked up by their names.
    #[inline]
    pub fn is_of_this_state(&self, state: &PartitionState) -> bool {
        self.numbering.is_same_state(state.numbering())
    }

    /// Covers up to `limit` items, and as many categories, that the partition has numbered since.
    pub fn extend(&mut self, layout: &Layout, state: &PartitionState, limit: usize) {
        let items = state.items().names_from(self.items.len()).take(limit);
        self.items.extend(items.map(|id| layout.row(id).unwrap_or(NOWHERE)));
        let categories = state.categories().names().skip(self.categories.len()).take(limit);
        self.categories.extend(categories.map(|name| layout.category(name).unwrap_or(NOWHERE)));
    }

    /// Goes on with a layout in which these rows and categories have come or gone.
    pub fn patch(&mut self, layout: &Layout, state: &PartitionState, rows: &[u32], categories: &[u32]) {
        for row in rows {
            if let Some(number) = state.items().get(layout.id(*row)) {
                let row = if layout.is_deleted(*row) { NOWHERE } else { *row };
                self.items.set(number as usize, row);
            }
        }
        for category in categories {
            let name = layout.category_name(*category);
            if let Some(number) = state.categories().number(name) {
                self.categories.set(number as usize, layout.category(name).unwrap_or(NOWHERE));
            }
        }
    }

    /// Whether it covers all that the partition has numbered.
    pub fn covers(&self, state: &PartitionState) -> bool {
        self.items.len() == state.items().len() && self.categories.len() == state.categories().len()
    }

    /// The row of an item. One that the map does not know is looked up by its name.
    #[inline]
    pub fn row(&self, layout: &Layout, state: &PartitionState, item: u32) -> Option<u32> {
        match self.items.get(item as usize).filter(|_| self.is_of(state)) {
            Some(row) => Some(*row).filter(|row| *row != NOWHERE),
            None => layout.row(state.items().name(item)),
        }
    }

    /// The row of an item that was numbered when the map was made.
    #[inline]
    pub fn known_row(&self, item: u32) -> Option<u32> {
        self.items.get(item as usize).copied().filter(|row| *row != NOWHERE)
    }

    /// The layout's number of a category.
    #[inline]
    pub fn category(&self, layout: &Layout, state: &PartitionState, category: u32) -> Option<u32> {
        match self.categories.get(category as usize).filter(|_| self.is_of(state)) {
            Some(place) => Some(*place).filter(|place| *place != NOWHERE),
            None => layout.category(state.categories().name(category)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::events::catalog::Catalog;
    use crate::engine::events::item::{Item, ItemChange};
    use crate::engine::index::layout::tests::clicked;
    use crate::engine::index::listing::LayoutKey;

    #[test]
    fn a_map_finds_what_was_numbered_before_and_after_it_was_made() {
        let mut catalog = Catalog::default();
        catalog.apply(ItemChange::Put(Item::new("i", ["c"])), 10);
        let (before, after) = (clicked("i", 5, &["c"]), clicked("unknown", 5, &["other"]));
        let layout = Layout::build(&catalog, &[][..]);
        let mut map = PartitionMap::default();
        assert!(!map.covers(&before));
        assert_eq!((map.row(&layout, &before, 0), map.category(&layout, &before, 0)), (Some(0), Some(0)));
        assert_eq!(map.known_row(0), None);
        map.extend(&layout, &before, usize::MAX);
        assert!(map.covers(&before));
        assert_eq!((map.row(&layout, &before, 0), map.known_row(0)), (Some(0), Some(0)));
        let mut map = PartitionMap::default();
        map.extend(&layout, &after, usize::MAX);
        assert_eq!((map.row(&layout, &after, 0), map.category(&layout, &after, 0)), (None, None));
    }

    #[test]
    fn a_map_of_a_state_is_not_used_for_another_one_in_its_place() {
        let mut catalog = Catalog::default();
        catalog.apply(ItemChange::Put(Item::new("a", ["c"])), 10);
        catalog.apply(ItemChange::Put(Item::new("b", ["d"])), 10);
        let (before, mut after) = (clicked("a", 5, &["c"]), clicked("b", 5, &["d"]));
        after.generation = 1;
        let layout = Layout::build(&catalog, &[][..]);
        let mut map = PartitionMap::of(&before);
        map.extend(&layout, &before, usize::MAX);
        assert_eq!((map.row(&layout, &before, 0), map.category(&layout, &before, 0)), (Some(0), Some(0)));
        assert_eq!((map.row(&layout, &after, 0), map.category(&layout, &after, 0)), (Some(1), Some(1)));
        let empty = Catalog::default();
        assert_ne!(LayoutKey::of(&empty, &[before][..]), LayoutKey::of(&empty, &[after][..]));
    }
}
