//! Which items may be recommended at an instant, kept up to date as time goes on.

use std::sync::Arc;

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
    live: Vec<bool>,
    count: usize,
    /// When a row may become live or cease to be, the latest first.
    to_come: Arc<Vec<(Timestamp, u32)>>,
    /// How many of those are still to come.
    left: usize,
}

impl Liveness {
    /// The rows that are live at `t`.
    pub fn new(layout: &Layout, t: Timestamp) -> Self {
        let mut live = Vec::with_capacity(layout.len());
        let mut to_come = Vec::new();
        for row in 0..layout.len() as u32 {
            let item = layout.item(row);
            live.push(item.is_none_or(|item| not_live(item, t).is_none()));
            if let Some(item) = item.filter(|item| item.available()) {
                let later = [item.created_at(), item.expires_at()].into_iter().flatten().filter(|at| *at > t);
                to_come.extend(later.map(|at| (at, row)));
            }
        }
        to_come.sort_unstable_by(|a, b| b.cmp(a));
        let count = live.iter().filter(|live| **live).count();
        Self { live, count, left: to_come.len(), to_come: Arc::new(to_come) }
    }

    /// Moves on to a later instant. Returns the rows that may be live now and were not, or the other way
    /// round.
    pub fn advance(&mut self, layout: &Layout, t: Timestamp) -> Vec<u32> {
        let mut turned = Vec::new();
        while self.next_change() <= t {
            self.left -= 1;
            let row = self.to_come[self.left].1;
            let Some(item) = layout.item(row) else { continue };
            let (live, now) = (&mut self.live[row as usize], not_live(item, t).is_none());
            self.count = self.count + usize::from(now) - usize::from(*live);
            *live = now;
            turned.push(row);
        }
        turned
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
        let next = self.left.checked_sub(1).and_then(|next| self.to_come.get(next));
        next.map_or(Timestamp(i64::MAX), |(at, _)| *at)
    }
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
        let mut liveness = Liveness::new(&layout, Timestamp(0));
        for t in [0, 9, 10, 14, 15, 19, 20, 40] {
            liveness.advance(&layout, Timestamp(t));
            let expected: Vec<bool> = items
                .iter()
                .map(|item| not_live(catalog.get(&item.item_id).expect("it was put"), Timestamp(t)).is_none())
                .collect();
            assert_eq!(liveness.live, expected, "at {t}");
            assert_eq!(liveness.count(), expected.iter().filter(|live| **live).count());
            assert!(liveness.next_change() > Timestamp(t));
        }
    }
}
