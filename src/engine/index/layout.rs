//! The items as rows of columns, for fast scoring.
//!
//! A row keeps its number as long as its layout goes on from change to change (`patch.rs`): that of a new item
//! comes after all others, and that of an item that was deleted stays, empty, for when it comes back. What
//! breaks ties is the order of ids, which a row's rank tells. What a change copies are blocks of the columns:
//! requests go on with the layout that they have.

use std::cmp::Ordering;
use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::HashSet;

use super::category_table::CategoryTable;
use super::columns::{Age, Columns};
use super::hash_index::HashIndex;
use super::listing::{LayoutKey, Listed, Listing, News};
use super::ordered::Ordered;
use super::partitions::Partitions;
use super::ranks;
use crate::engine::events::catalog::Catalog;
use crate::engine::events::catalog_item::CatalogItem;

/// Stands for an item or a category that has no place in a layout.
pub const NOWHERE: u32 = u32::MAX;

/// Categories, and sets of them, that are no reason to lay out all rows anew: so many, or one for so many rows.
const FEW: usize = 16;
const ROWS_EACH: usize = 64;

type Hasher = foldhash::fast::RandomState;

/// Rows of items. With a catalog its items are the rows; with none, every item that events name.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    pub(super) key: LayoutKey,
    pub(super) columns: Columns,
    /// By the hash of an id.
    pub(super) rows: HashIndex,
    pub(super) hasher: Hasher,
    pub(super) categories: CategoryTable,
    /// Every row in the order of ids.
    pub(super) by_id: Ordered,
    /// The rows of known age, newest item first.
    pub(super) by_age: Ordered,
    /// How many rows are of items that were deleted.
    pub(super) deleted: usize,
    /// How much there was when all rows were laid out.
    made: Sizes,
}

/// Some rows that come one after the other.
#[derive(Clone, Copy, Debug)]
pub struct RowBlock<'a> {
    /// The first of them.
    pub first: u32,
    /// The rank of each.
    pub ranks: &'a [u32],
    /// The set of categories of each.
    pub category_sets: &'a [u32],
}

#[derive(Clone, Copy, Debug, Default)]
struct Sizes {
    rows: usize,
    categories: usize,
    category_sets: usize,
}

impl Layout {
    /// The layout of what is listed.
    pub fn of(Listing { key, listed }: Listing) -> Self {
        let listed = in_order(listed);
        let all = listed.iter().flat_map(|(_, item, hinted)| names(item, hinted));
        let mut layout = Self {
            key,
            rows: HashIndex::new(listed.len()),
            categories: CategoryTable::new(sorted(all), listed.len()),
            by_id: Ordered::of(&(0..listed.len() as u32).collect::<Vec<u32>>()),
            ..Self::default()
        };
        let rank = ranks::spread(listed.len());
        for (id, item, hinted) in listed {
            let members: Vec<u32> =
                names(&item, &hinted).map(|name| layout.categories.intern(name)).collect();
            let set = layout.categories.intern_set(&members);
            let row = layout.push(id, item, set);
            layout.columns.ranks.set(row as usize, rank(row));
        }
        let sets = layout.columns.category_sets.blocks().flat_map(|(_, sets)| sets).copied();
        layout.categories.list_sets(sets);
        layout.order_by_age();
        layout.made = layout.sizes();
        layout
    }

    /// The layout of a catalog, or of what events name if it is empty.
    pub fn build(catalog: &Catalog, partitions: &(impl Partitions + ?Sized)) -> Self {
        Self::of(Listing::of(catalog, partitions))
    }

    /// Adds a row without its place in any order.
    pub(super) fn push(&mut self, id: Arc<str>, item: Option<Arc<CatalogItem>>, set: u32) -> u32 {
        let hash = self.hasher.hash_one(&*id);
        let row = self.columns.push(id, item, set);
        let (columns, hasher) = (&self.columns, &self.hasher);
        let hash_of = |row: u32| hasher.hash_one(columns.id(row));
        self.rows.insert(hash, row, hash_of);
        row
    }

    fn order_by_age(&mut self) {
        let rows = 0..self.len() as u32;
        let mut ages: Vec<(Age, u32)> = rows.map(|row| (self.columns.age(row), row)).collect();
        ages.sort_unstable();
        // None comes first in the order of options, so last the other way round.
        let dated = ages.partition_point(|((created, _), _)| created.0.is_some());
        let rows: Vec<u32> = ages.into_iter().map(|(_, row)| row).collect();
        self.by_age = Ordered::of(&rows[..dated]);

        let mut ends = vec![0_usize; self.categories_len() + 1];
        for row in &rows {
            self.categories(*row).iter().for_each(|category| ends[*category as usize + 1] += 1);
        }
        for category in 0..self.categories_len() {
            ends[category + 1] += ends[category];
        }
        let starts = ends.clone();
        let mut members = vec![0; ends.last().copied().unwrap_or(0)];
        for row in rows {
            for category in self.categories(row) {
                let end = &mut ends[*category as usize];
                members[*end] = row;
                *end += 1;
            }
        }
        for (category, ends) in (0..).zip(starts.windows(2)) {
            self.categories.set_members(category, &members[ends[0]..ends[1]]);
        }
    }

    /// What has come since it was made; nothing while it is up to date.
    pub fn news(&self, catalog: &Catalog, partitions: &(impl Partitions + ?Sized)) -> Option<News> {
        News::since(&self.key, !self.is_worn(), catalog, partitions)
    }

    /// Whether it is time to lay out all rows anew: a quarter of them is empty, or there is twice as much of
    /// something as there was. So that costs as much as some changes for each change, however many rows.
    fn is_worn(&self) -> bool {
        let (now, made) = (self.sizes(), self.made);
        // Against a catalog with few categories the rows count: one that brings some new ones is no reason.
        let few = FEW.max(made.rows / ROWS_EACH);
        self.deleted > now.rows / 4
            || now.rows > 2 * made.rows
            || now.categories > 2 * made.categories.max(few)
            || now.category_sets > 2 * made.category_sets.max(few)
    }

    fn sizes(&self) -> Sizes {
        Sizes { rows: self.len(), categories: self.categories_len(), category_sets: self.category_sets_len() }
    }

    /// The rows of known age, newest item first, ties in the order of ids.
    pub fn newest_first(&self) -> impl Iterator<Item = u32> + Clone {
        self.by_age.iter()
    }

    /// The rows of a category, newest item first, those of unknown age last, ties in the order of ids.
    pub fn members_newest_first(&self, category: u32) -> impl Iterator<Item = u32> + Clone {
        self.categories.members(category).into_iter().flat_map(Ordered::iter)
    }

    /// How many rows a category has.
    pub fn members_len(&self, category: u32) -> usize {
        self.categories.members(category).map_or(0, Ordered::len)
    }

    /// The rows in the order of ids, empty ones too.
    pub fn in_order(&self) -> impl Iterator<Item = u32> {
        self.by_id.iter()
    }

    /// What it was made from.
    pub fn key(&self) -> &LayoutKey {
        &self.key
    }

    /// How many rows there are, empty ones too.
    #[inline]
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many items have a row.
    pub fn items_len(&self) -> usize {
        self.len() - self.deleted
    }

    /// The id of a row's item.
    #[inline]
    pub fn id(&self, row: u32) -> &str {
        self.columns.id(row)
    }

    /// What the catalog says of a row's item.
    #[inline]
    pub fn item(&self, row: u32) -> Option<&CatalogItem> {
        self.columns.item(row).map(|item| &**item)
    }

    /// Whether the row's item was deleted.
    #[inline]
    pub fn is_deleted(&self, row: u32) -> bool {
        self.is_of_catalog() && self.item(row).is_none()
    }

    /// Whether the rows are the catalog's items, rather than what events name.
    #[inline]
    pub fn is_of_catalog(&self) -> bool {
        self.key.is_of_catalog()
    }

    /// The row of an item.
    #[inline]
    pub fn row(&self, item_id: &str) -> Option<u32> {
        self.row_of_any(item_id).filter(|row| !self.is_deleted(*row))
    }

    /// The row of an item, if it was deleted too.
    pub(super) fn row_of_any(&self, item_id: &str) -> Option<u32> {
        self.rows.find(self.hasher.hash_one(item_id), |row| self.id(row) == item_id)
    }

    /// A number that is less for the lower of two ids.
    #[inline]
    pub fn rank(&self, row: u32) -> u32 {
        self.columns.rank(row)
    }

    /// Where a row stands by age.
    pub(super) fn age(&self, row: u32) -> Age {
        self.columns.age(row)
    }

    /// Whether the age of a row's item is known.
    pub(super) fn is_dated(&self, row: u32) -> bool {
        self.item(row).is_some_and(|item| item.created_at().is_some())
    }

    /// All rows a block at a time, empty ones too.
    pub fn blocks(&self) -> impl Iterator<Item = RowBlock<'_>> {
        let sets = self.columns.category_sets.blocks();
        self.columns.ranks.blocks().zip(sets).map(|((first, ranks), (_, category_sets))| RowBlock {
            first: first as u32,
            ranks,
            category_sets,
        })
    }

    /// The categories of a row's item, the main one first.
    #[inline]
    pub fn categories(&self, row: u32) -> &[u32] {
        self.members(self.category_set(row))
    }

    /// The number of a row's set of categories, in their order: equal ones have one number.
    #[inline]
    pub fn category_set(&self, row: u32) -> u32 {
        self.columns.category_set(row)
    }

    /// The sets that a category is in, in blocks.
    #[inline]
    pub fn sets_of(&self, category: u32) -> impl Iterator<Item = &[u32]> {
        self.categories.sets_of(category)
    }

    /// How many different sets of categories there are.
    #[inline]
    pub fn category_sets_len(&self) -> usize {
        self.categories.sets_len()
    }

    /// The categories of a set, the main one first.
    #[inline]
    pub fn members(&self, set: u32) -> &[u32] {
        self.categories.set(set)
    }

    /// The name of a category.
    #[inline]
    pub fn category_name(&self, category: u32) -> &str {
        self.categories.name(category)
    }

    /// The order of the names of two categories.
    #[inline]
    pub fn compare_categories(&self, a: u32, b: u32) -> Ordering {
        self.categories.compare(a, b)
    }

    /// The number of a category that an item has.
    pub fn category(&self, name: &str) -> Option<u32> {
        self.categories.number(name).filter(|category| !self.categories.is_empty(*category))
    }

    /// How many categories have a number, those that no item has any more too.
    #[inline]
    pub fn categories_len(&self) -> usize {
        self.categories.len()
    }
}

fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let distinct: HashSet<&str, Hasher> = names.collect();
    let mut sorted: Vec<&str> = distinct.into_iter().collect();
    sorted.sort_unstable();
    sorted
}

/// In the order of ids. The head of an id tells most of them apart, and numbers are compared without a
/// look at where the ids lie.
fn in_order(listed: Vec<Listed>) -> Vec<Listed> {
    let head = |id: &str| {
        let mut head = [0; 16];
        let len = id.len().min(head.len());
        head[..len].copy_from_slice(&id.as_bytes()[..len]);
        u128::from_be_bytes(head)
    };
    let mut keyed: Vec<(u128, Listed)> = listed.into_iter().map(|listed| (head(&listed.0), listed)).collect();
    keyed.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.0.cmp(&b.1.0)));
    keyed.into_iter().map(|(_, listed)| listed).collect()
}

fn names<'a>(item: &'a Option<Arc<CatalogItem>>, hinted: &'a [String]) -> impl Iterator<Item = &'a str> {
    let known = item.as_ref().map_or(&[][..], |item| item.categories()).iter().map(|name| &**name);
    known.chain(hinted.iter().map(String::as_str))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::engine::config::StreamConfig;
    use crate::engine::events::event::{Event, EventType, Timestamp};
    use crate::engine::events::item::{Item, ItemChange};
    use crate::engine::facts::state::PartitionState;
    use std::borrow::Cow;

    /// A state that knows of one click.
    pub fn clicked(item_id: &str, ts: i64, categories: &[&'static str]) -> PartitionState {
        let mut state = PartitionState::new(Arc::new(StreamConfig::default()));
        let categories: Vec<Cow<'_, str>> = categories.iter().map(|name| Cow::from(*name)).collect();
        let event = Event {
            event_id: None,
            user_id: "u",
            item_id,
            kind: EventType(1),
            ts: Timestamp(ts),
            value: None,
            session_id: None,
            surface: None,
            recommendation_id: None,
            categories: &categories,
        };
        state.apply(&event, None, &Catalog::default());
        state
    }

    fn ids(layout: &Layout) -> Vec<&str> {
        (0..layout.len() as u32).map(|row| layout.id(row)).collect()
    }

    fn names(layout: &Layout, row: u32) -> Vec<&str> {
        layout.categories(row).iter().map(|category| layout.category_name(*category)).collect()
    }

    #[test]
    fn the_rows_are_the_catalog_in_the_order_of_ids_and_nothing_that_was_deleted() {
        let mut catalog = Catalog::default();
        for id in ["b", "c", "a"] {
            catalog.apply(ItemChange::Put(Item::new(id, ["z", "y"])), 10);
        }
        catalog.apply(ItemChange::Delete("b".into()), 10);
        let layout = Layout::build(&catalog, &[clicked("b", 5, &["x"])][..]);
        assert_eq!(ids(&layout), ["a", "c"]);
        assert_eq!(names(&layout, 0), ["z", "y"], "the main category stays the first");
        assert_eq!((layout.row("c"), layout.row("b"), layout.category("x")), (Some(1), None, None));
    }

    #[test]
    fn without_a_catalog_the_rows_are_what_events_name_with_what_the_newest_of_them_says() {
        let partitions = [clicked("i", 5, &["old"]), clicked("i", 6, &["new"]), clicked("j", 7, &[])];
        let layout = Layout::build(&Catalog::default(), &partitions[..]);
        assert_eq!(ids(&layout), ["i", "j"]);
        assert_eq!((names(&layout, 0), names(&layout, 1)), (vec!["new"], vec![]));
    }

    #[test]
    fn a_layout_is_out_of_date_when_what_it_was_made_from_has_changed() {
        let mut catalog = Catalog::default();
        let of_events = Layout::build(&catalog, &[clicked("i", 5, &[])][..]);
        assert_eq!(*of_events.key(), LayoutKey::of(&catalog, &[clicked("i", 5, &[])][..]));
        assert_ne!(*of_events.key(), LayoutKey::of(&catalog, &[clicked("i", 5, &["c"])][..]));
        catalog.apply(ItemChange::Put(Item::new("a", ["c"])), 10);
        let of_catalog = Layout::build(&catalog, &[clicked("i", 5, &[])][..]);
        assert_ne!(of_events.key(), of_catalog.key());
        assert_eq!(
            *of_catalog.key(),
            LayoutKey::of(&catalog, &[clicked("j", 6, &["d"])][..]),
            "events don't matter"
        );
    }
}
