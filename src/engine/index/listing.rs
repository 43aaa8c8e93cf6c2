//! What a layout is made from, or brought up to date with: taken while the catalog stands still, so that the
//! work can come after.

use std::sync::Arc;

use hashbrown::HashMap;

use super::partitions::Partitions;
use crate::engine::events::catalog::Catalog;
use crate::engine::events::catalog_item::CatalogItem;
use crate::engine::events::event::Timestamp;
use crate::engine::facts::numbers::Numbering;

type Hasher = foldhash::fast::RandomState;

/// What a layout was made from: while it is the same, so is the layout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayoutKey {
    /// The version of the catalog.
    catalog: u64,
    /// Whether the rows are the catalog's items.
    of_catalog: bool,
    /// With no catalog: which state each partition has, how many items its events name, and what they
    /// say of them.
    named: Vec<(usize, Numbering, usize, u64)>,
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
                        state.numbering(),
                        state.items().len(),
                        state.event_categories_version(),
                    ));
                });
            }
        }
        Self { catalog: catalog.version(), of_catalog: !catalog.is_empty(), named }
    }

    /// Whether the rows are the catalog's items.
    pub fn is_of_catalog(&self) -> bool {
        self.of_catalog
    }
}

/// An item's id, what the catalog says of it, and the categories that events say it has.
pub(super) type Listed = (Arc<str>, Option<Arc<CatalogItem>>, Vec<String>);

/// All items, as they were at one moment.
pub struct Listing {
    pub(super) key: LayoutKey,
    pub(super) listed: Vec<Listed>,
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

/// What has become of some items of a catalog: what it says of each, if it still has it. In no order, and one that
/// has changed more than once comes as often: the catalog waits while this is made, and not while it is taken in.
pub struct Changes {
    pub(super) key: LayoutKey,
    pub(super) items: Vec<(Arc<str>, Option<Arc<CatalogItem>>)>,
}

/// What is to be taken in by a layout that is out of date.
pub enum News {
    /// All items: it is to be made anew.
    Whole(Listing),
    /// What has changed since it was made.
    Changes(Changes),
}

impl News {
    /// What has come since a layout of that key was made; nothing while it would be the same. `patchable`
    /// tells whether it can take in changes, rather than all.
    pub(super) fn since(
        known: &LayoutKey,
        patchable: bool,
        catalog: &Catalog,
        partitions: &(impl Partitions + ?Sized),
    ) -> Option<Self> {
        let key = LayoutKey::of(catalog, partitions);
        if key == *known {
            return None;
        }
        let same_kind = known.is_of_catalog() && key.is_of_catalog();
        let changed = (patchable && same_kind).then(|| catalog.changed_since(known.catalog)).flatten();
        let Some(changed) = changed else { return Some(Self::Whole(Listing::of(catalog, partitions))) };
        let items = changed.map(|id| (Arc::clone(id), catalog.get(id).cloned())).collect();
        Some(Self::Changes(Changes { key, items }))
    }
}

/// Each item that events name, with the categories that the newest event says it has.
fn named_by_events(partitions: &(impl Partitions + ?Sized)) -> Vec<Listed> {
    let mut newest: HashMap<Arc<str>, (Timestamp, Vec<String>), Hasher> = HashMap::default();
    for partition in 0..partitions.len() {
        partitions.with(partition, &mut |state| {
            for (number, id) in state.items().names().enumerate() {
                let (ts, names) = state.event_categories(number as u32);
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
