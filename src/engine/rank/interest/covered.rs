//! What counts of a user at an instant.

use crate::engine::events::event::{EventType, Timestamp};
use crate::engine::facts::history::{ANY_CATEGORY, RawEvent};
use crate::engine::facts::profile::ProfileAt;
use crate::engine::facts::state::PartitionState;
use crate::engine::index::layout::Layout;
use crate::engine::index::partition_map::PartitionMap;

/// A partition as a layout sees it.
#[derive(Clone, Copy)]
pub struct Located<'a> {
    /// The facts.
    pub state: &'a PartitionState,
    /// The layout.
    pub layout: &'a Layout,
    /// From the partition's numbers to the layout's.
    pub map: &'a PartitionMap,
}

impl Located<'_> {
    /// Calls back with each of an event's categories that the layout knows: those of the item in
    /// the catalog, or those that it had when the event came, where the catalog has none.
    pub fn categories(&self, event: RawEvent, mut with: impl FnMut(u32)) {
        let row = self.map.row(self.layout, self.state, event.item);
        if let Some(row) = row.filter(|_| self.layout.is_of_catalog()) {
            let categories = self.layout.categories(row);
            if !categories.is_empty() {
                categories.iter().copied().for_each(with);
                return;
            }
        }
        for own in self.state.categories().members(event.event_categories) {
            if let Some(category) = self.map.category(self.layout, self.state, *own) {
                with(category);
            }
        }
    }
}

/// A fact of a user that counts at an instant.
pub struct Covered {
    /// The shortest window that covers it; all longer ones do too.
    pub first: usize,
    /// The type of the events.
    pub kind: EventType,
    /// How many events.
    pub count: u32,
    /// What they are on.
    pub on: On,
}

/// What events count for.
pub enum On {
    /// One that is known by itself: for the user's total, and for each of its categories.
    Event(RawEvent),
    /// Counts by pane: for the user's total.
    Any,
    /// Counts by pane: for a category, by the partition's number.
    Category(u32),
}

/// What counts of a user at `t`.
pub fn covered<'a>(
    state: &'a PartitionState,
    profile: &ProfileAt<'a>,
    t: Timestamp,
) -> impl Iterator<Item = Covered> + use<'a> {
    let windows = state.interest_windows();
    let events = profile.covered(windows, t).map(|(event, first)| Covered {
        first,
        kind: event.kind(),
        count: 1,
        on: On::Event(event),
    });
    let counts = profile.coarse().filter_map(move |entry| {
        let on = if entry.key == ANY_CATEGORY { On::Any } else { On::Category(entry.key) };
        let first = windows.covering_by_pane(entry.start, t)?;
        Some(Covered { first, kind: entry.kind, count: entry.count, on })
    });
    events.chain(counts)
}
