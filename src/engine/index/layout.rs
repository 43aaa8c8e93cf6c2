//! The items as rows of columns, in the order of their ids, for fast scoring.
//!
//! A layout is made from the catalog and stays as long as the catalog says the same. Row order is
//! id order, so that comparing rows breaks ties by id.

use std::cmp::Reverse;
use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet, HashTable};

use crate::engine::events::catalog::Catalog;
use crate::engine::events::catalog_item::CatalogItem;
use crate::engine::events::event::Timestamp;
use crate::engine::facts::state::PartitionState;

/// Stands for an item or a category that has no place in a layout.
pub const NOWHERE: u32 = u32::MAX;

/// An item's id, what the catalog says of it, and the categories that events say it has.
type Listed = (Arc<str>, Option<Arc<CatalogItem>>, Vec<String>);
type Hasher = foldhash::fast::RandomState;

/// The partitions of a service, each to be looked at for a short while.
pub trait Partitions {
    /// How many there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shows the state of one partition, if it is here.
    fn with(&self, partition: usize, look: &mut dyn FnMut(&PartitionState));
}

impl Partitions for [PartitionState] {
    fn len(&self) -> usize {
        <[PartitionState]>::len(self)
    }

    fn with(&self, partition: usize, look: &mut dyn FnMut(&PartitionState)) {
        if let Some(state) = self.get(partition) {
            look(state);
        }
    }
}

/// Rows of items. With a catalog its items are the rows; with none, every item that events name.
#[derive(Debug, Default)]
pub struct Layout {
    key: LayoutKey,
    ids: Vec<Arc<str>>,
    items: Vec<Option<Arc<CatalogItem>>>,
    /// By the hash of an id.
    rows: HashTable<u32>,
    hasher: Hasher,
    category_names: Vec<Arc<str>>,
    category_places: HashMap<Arc<str>, u32, Hasher>,
    /// By row: its set of categories. Many items share one.
    category_sets: Vec<u32>,
    set_starts: Vec<u32>,
    set_members: Vec<u32>,
    /// By category: the sets that it is in.
    sets_of: Vec<Vec<u32>>,
    /// Every row, newest item first; those of unknown age last; the lower of rows of one age first.
    by_age: Vec<u32>,
    /// How many of them are of known age.
    dated: usize,
    /// The same by category: `members_by_age[member_starts[category]..member_starts[category + 1]]`.
    members_by_age: Vec<u32>,
    member_starts: Vec<u32>,
}

/// What a layout was made from: while it is the same, so is the layout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayoutKey {
    catalog: u64,
    /// With no catalog: which state each partition has, how many items its events name, and what they
    /// say of them.
    named: Vec<(usize, u64, usize, u64)>,
}

impl LayoutKey {
    /// What a layout made now would be made from.
    pub fn of(catalog: &Catalog, partitions: &(impl Partitions + ?Sized)) -> Self {
        let mut named = Vec::new();
        if catalog.is_empty() {
            for partition in 0..partitions.len() {
                partitions.with(partition, &mut |state| {
                    named.push((
                        partition,
                        state.instance,
                        state.items().len(),
                        state.event_categories_version(),
                    ));
                });
            }
        }
        Self { catalog: catalog.version(), named }
    }
}

/// What a layout is made from, as it was at one moment. It is taken while the catalog stands still;
/// the work comes after.
pub struct Listing {
    key: LayoutKey,
    listed: Vec<Listed>,
}

impl Listing {
    /// The items of a catalog, or those that events name if it is empty.
    pub fn of(catalog: &Catalog, partitions: &(impl Partitions + ?Sized)) -> Self {
        let key = LayoutKey::of(catalog, partitions);
        let listed = if catalog.is_empty() {
            named_by_events(partitions)
        } else {
            let known =
                |item: &Arc<CatalogItem>| (Arc::clone(item.item_id()), Some(Arc::clone(item)), Vec::new());
            catalog.items().map(known).collect()
        };
        Self { key, listed }
    }
}

impl Layout {
    /// The layout of what is listed.
    pub fn of(Listing { key, listed }: Listing) -> Self {
        let listed = in_order(listed);
        let mut layout = Self { key, ..Self::default() };
        layout.name_categories(listed.iter().flat_map(|(_, item, hinted)| categories(item, hinted)));
        layout.rows.reserve(listed.len(), |_| 0);
        layout.ids.reserve(listed.len());
        layout.items.reserve(listed.len());
        layout.category_sets.reserve(listed.len());
        layout.set_starts.push(0);
        layout.sets_of.resize(layout.categories_len(), Vec::new());
        let mut known: HashMap<Vec<u32>, u32, Hasher> = HashMap::default();
        let mut members = Vec::new();
        for (id, item, hinted) in listed {
            members.clear();
            members.extend(categories(&item, &hinted).filter_map(|name| layout.category(name)));
            let new = layout.category_sets_len() as u32;
            let set = *known.entry_ref(&members[..]).or_insert_with(|| {
                layout.set_members.extend_from_slice(&members);
                members.iter().for_each(|member| layout.sets_of[*member as usize].push(new));
                layout.set_starts.push(layout.set_members.len() as u32);
                new
            });
            layout.category_sets.push(set);
            let hash = layout.hasher.hash_one(&*id);
            layout.ids.push(id);
            let (ids, hasher) = (&layout.ids, &layout.hasher);
            let hash_of = |row: &u32| hasher.hash_one(&*ids[*row as usize]);
            layout.rows.insert_unique(hash, layout.ids.len() as u32 - 1, hash_of);
            layout.items.push(item);
        }
        layout.order_by_age();
        layout
    }

    fn order_by_age(&mut self) {
        let created = |item: &Option<Arc<CatalogItem>>| item.as_ref().and_then(|item| item.created_at());
        let mut keys: Vec<(Reverse<Option<Timestamp>>, u32)> =
            self.items.iter().zip(0..).map(|(item, row)| (Reverse(created(item)), row)).collect();
        // None comes first in the order of options, so last the other way round.
        keys.sort_unstable();
        self.dated = keys.partition_point(|(created, _)| created.0.is_some());
        self.by_age = keys.into_iter().map(|(_, row)| row).collect();

        let mut ends = vec![0; self.categories_len() + 1];
        for row in &self.by_age {
            self.categories(*row).iter().for_each(|category| ends[*category as usize + 1] += 1);
        }
        for category in 0..self.categories_len() {
            ends[category + 1] += ends[category];
        }
        self.member_starts = ends.clone();
        let mut members = vec![0; ends.last().map_or(0, |end| *end as usize)];
        for row in &self.by_age {
            for category in self.categories(*row) {
                let end = &mut ends[*category as usize];
                members[*end as usize] = *row;
                *end += 1;
            }
        }
        self.members_by_age = members;
    }

    /// The rows of known age, newest item first, the lower of two of one age first.
    pub fn newest_first(&self) -> &[u32] {
        self.by_age.get(..self.dated).unwrap_or(&[])
    }

    /// The rows of a category, newest item first, those of unknown age last.
    pub fn members_newest_first(&self, category: u32) -> &[u32] {
        let index = category as usize;
        let ends = (self.member_starts.get(index), self.member_starts.get(index + 1));
        let (Some(start), Some(end)) = ends else { return &[] };
        self.members_by_age.get(*start as usize..*end as usize).unwrap_or(&[])
    }

    /// The layout of a catalog, or of what events name if it is empty.
    pub fn build(catalog: &Catalog, partitions: &(impl Partitions + ?Sized)) -> Self {
        Self::of(Listing::of(catalog, partitions))
    }

    /// What it was made from.
    pub fn key(&self) -> &LayoutKey {
        &self.key
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The id of a row's item.
    pub fn id(&self, row: u32) -> &str {
        self.ids.get(row as usize).map_or("", |id| id)
    }

    /// What the catalog says of a row's item.
    pub fn item(&self, row: u32) -> Option<&CatalogItem> {
        self.items.get(row as usize)?.as_deref()
    }

    /// The row of an item.
    pub fn row(&self, item_id: &str) -> Option<u32> {
        self.rows.find(self.hasher.hash_one(item_id), |row| self.id(*row) == item_id).copied()
    }

    /// The categories of a row's item, the main one first.
    pub fn categories(&self, row: u32) -> &[u32] {
        self.members(self.category_set(row))
    }

    /// The number of a row's set of categories, in their order: equal ones have one number.
    pub fn category_set(&self, row: u32) -> u32 {
        self.category_sets.get(row as usize).copied().unwrap_or(NOWHERE)
    }

    /// The sets that a category is in.
    pub fn sets_of(&self, category: u32) -> &[u32] {
        self.sets_of.get(category as usize).map_or(&[], |sets| sets)
    }

    /// How many different sets of categories there are.
    pub fn category_sets_len(&self) -> usize {
        self.set_starts.len().saturating_sub(1)
    }

    /// The categories of a set, the main one first.
    pub fn members(&self, set: u32) -> &[u32] {
        let index = set as usize;
        let ends = (self.set_starts.get(index), self.set_starts.get(index + 1));
        let (Some(start), Some(end)) = ends else { return &[] };
        self.set_members.get(*start as usize..*end as usize).unwrap_or(&[])
    }

    /// The name of a category.
    pub fn category_name(&self, category: u32) -> &str {
        self.category_names.get(category as usize).map_or("", |name| name)
    }

    /// The number of a category.
    pub fn category(&self, name: &str) -> Option<u32> {
        self.category_places.get(name).copied()
    }

    /// How many categories there are.
    pub fn categories_len(&self) -> usize {
        self.category_names.len()
    }

    fn name_categories<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        let distinct: HashSet<&str, Hasher> = names.collect();
        let mut sorted: Vec<&str> = distinct.into_iter().collect();
        sorted.sort_unstable();
        self.category_names = sorted.into_iter().map(Arc::from).collect();
        let places = self.category_names.iter().enumerate();
        self.category_places = places.map(|(place, name)| (Arc::clone(name), place as u32)).collect();
    }
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

fn categories<'a>(item: &'a Option<Arc<CatalogItem>>, hinted: &'a [String]) -> impl Iterator<Item = &'a str> {
    let known = item.as_ref().map_or(&[][..], |item| item.categories()).iter().map(|name| &**name);
    known.chain(hinted.iter().map(String::as_str))
}

/// Each item that events name, with the categories that the newest event says it has.
fn named_by_events(partitions: &(impl Partitions + ?Sized)) -> Vec<Listed> {
    let mut newest: HashMap<
        Arc<str>,
        (crate::engine::events::event::Timestamp, Vec<String>),
        foldhash::fast::RandomState,
    > = HashMap::default();
    for partition in 0..partitions.len() {
        partitions.with(partition, &mut |state| {
            for (place, id) in state.items().names().enumerate() {
                let (ts, names) = state.event_categories(place as u32);
                let names: Vec<String> =
                    names.iter().map(|member| state.categories().name(*member).to_owned()).collect();
                let said = (ts, names);
                match newest.get_mut(id) {
                    Some(known) => *known = known.clone().max(said),
                    None => {
                        newest.insert(id.into(), said);
                    }
                }
            }
        });
    }
    newest.into_iter().map(|(id, (_, names))| (id, None, names)).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::engine::config::StreamConfig;
    use crate::engine::events::event::{Event, EventType, Timestamp};
    use crate::engine::events::item::{Item, ItemChange};
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
