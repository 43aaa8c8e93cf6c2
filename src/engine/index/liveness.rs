//! Which items may be recommended at an instant, kept up to date as time goes on.

use std::collections::BTreeSet;

use super::blocks::Blocks;
use super::layout::Layout;
use crate::engine::events::catalog_item::CatalogItem;
use crate::engine::events::event::Timestamp;

/// Why an item is not live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotLive {
    /// The catalog says that it is not available.
    Unavailable,
    /// Its `expires_at` has come.
    Expired,
    /// Its `created_at` is still to come.
    NotYetCreated,
}

/// Whether and why an item may not be recommended at `t`.
pub fn not_live(item: &CatalogItem, t: Timestamp) -> Option<NotLive> {
    if !item.available() {
        Some(NotLive::Unavailable)
    } else if item.expires_at().is_some_and(|expires_at| expires_at <= t) {
        Some(NotLive::Expired)
    } else if item.created_at().is_some_and(|created_at| created_at > t) {
        Some(NotLive::NotYetCreated)
    } else {
        None
    }
}

/// The rows of a layout that are live at an instant.
#[derive(Clone, Debug, Default)]
pub struct Liveness {
    live: Blocks<bool>,
    count: usize,
    next_change: Option<Timestamp>,
}

impl Liveness {
    /// The rows that are live at `t`.
    pub fn new(layout: &Layout, t: Timestamp) -> Self {
        ChangingLiveness::new(layout, t).live
    }

    /// Whether a row is live.
    pub fn is_live(&self, row: u32) -> bool {
        self.live.get(row as usize).copied().unwrap_or(false)
    }

    /// How many rows are live.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The first instant at which it may be otherwise.
    pub fn next_change(&self) -> Timestamp {
        self.next_change.unwrap_or(Timestamp(i64::MAX))
    }

    fn set(&mut self, row: u32, live: bool) {
        if let Some(known) = self.live.get(row as usize).copied().filter(|known| *known != live) {
            self.live.set(row as usize, live);
            self.count = self.count + usize::from(live) - usize::from(known);
        }
    }
}

/// Liveness that moves on with time and with the catalog.
#[derive(Debug, Default)]
pub(super) struct ChangingLiveness {
    live: Liveness,
    as_of: Option<Timestamp>,
    /// When a row may become live or cease to be.
    to_come: BTreeSet<(Timestamp, u32)>,
}

impl ChangingLiveness {
    /// The rows that are live at `t`.
    pub fn new(layout: &Layout, t: Timestamp) -> Self {
        let rows = 0..layout.len() as u32;
        let is_live = |row: u32| {
            !layout.is_deleted(row) && layout.item(row).is_none_or(|item| not_live(item, t).is_none())
        };
        let live: Blocks<bool> = rows.clone().map(is_live).collect();
        let count = live.blocks().flat_map(|(_, live)| live).filter(|live| **live).count();
        let to_come = rows.flat_map(|row| changes(layout.item(row), t).map(move |at| (at, row))).collect();
        let mut new = Self { live: Liveness { live, count, next_change: None }, as_of: Some(t), to_come };
        new.note_next();
        new
    }

    /// Which rows are live.
    pub fn live(&self) -> &Liveness {
        &self.live
    }

    /// Moves on to a later instant. Returns the rows that may be live now and were not, or the other way
    /// round.
    pub fn advance(&mut self, layout: &Layout, t: Timestamp) -> Vec<u32> {
        self.as_of = self.as_of.max(Some(t));
        let mut turned = Vec::new();
        while let Some((at, row)) = self.to_come.first().copied().filter(|(at, _)| *at <= t) {
            self.to_come.remove(&(at, row));
            self.look_at(layout, row);
            turned.push(row);
        }
        self.note_next();
        turned
    }

    /// Takes in that a row has another item than before, or that it is new.
    pub fn change(&mut self, layout: &Layout, row: u32, before: Option<&CatalogItem>) {
        while self.live.live.len() <= row as usize {
            self.live.live.push(false);
        }
        let Some(as_of) = self.as_of else { return };
        for at in changes(before, as_of) {
            self.to_come.remove(&(at, row));
        }
        self.to_come.extend(changes(layout.item(row), as_of).map(|at| (at, row)));
        self.look_at(layout, row);
        self.note_next();
    }

    fn look_at(&mut self, layout: &Layout, row: u32) {
        let (item, as_of) = (layout.item(row), self.as_of.unwrap_or(Timestamp(i64::MIN)));
        self.live.set(row, item.is_some_and(|item| not_live(item, as_of).is_none()));
    }

    fn note_next(&mut self) {
        self.live.next_change = self.to_come.first().map(|(at, _)| *at);
    }
}

/// When an item may become live or cease to be, after `t`.
fn changes(item: Option<&CatalogItem>, t: Timestamp) -> impl Iterator<Item = Timestamp> {
    let item = item.filter(|item| item.available());
    let times = item.map_or([None; 2], |item| [item.created_at(), item.expires_at()]);
    times.into_iter().flatten().filter(move |at| *at > t)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::events::catalog::Catalog;
    use crate::engine::events::item::{Item, ItemChange};

    #[test]
    fn rows_become_live_and_cease_to_be_at_their_instants() {
        let item = |id: &str, created: Option<i64>, expires: Option<i64>, available| Item {
            created_at: created.map(Timestamp),
            expires_at: expires.map(Timestamp),
            available,
            ..Item::new(id, [""; 0])
        };
        let items = [
            item("a", Some(10), Some(20), true),
            item("b", None, Some(15), true),
            item("c", Some(12), None, false),
            item("d", Some(30), Some(25), true),
        ];
        let mut catalog = Catalog::default();
        for item in &items {
            catalog.apply(ItemChange::Put(item.clone()), 10);
        }
        let layout = Layout::build(&catalog, &[][..]);
        let mut liveness = ChangingLiveness::new(&layout, Timestamp(0));
        for t in [0, 9, 10, 14, 15, 19, 20, 40] {
            liveness.advance(&layout, Timestamp(t));
            let expected: Vec<bool> = items
                .iter()
                .map(|item| not_live(catalog.get(&item.item_id).expect("it was put"), Timestamp(t)).is_none())
                .collect();
            let live: Vec<bool> = (0..4).map(|row| liveness.live().is_live(row)).collect();
            assert_eq!(live, expected, "at {t}");
            assert_eq!(liveness.live().count(), expected.iter().filter(|live| **live).count());
            assert!(liveness.live().next_change() > Timestamp(t));
        }
    }
}
