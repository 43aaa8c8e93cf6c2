//! The items that a partition's events name, as numbers, and what the events say of their categories.

use bytes::BufMut;

use crate::engine::events::event::Timestamp;
use crate::engine::facts::Facts;
use crate::engine::facts::categories::Categories;
use crate::engine::facts::codec::{Corrupt, Input, put_str};
use crate::engine::facts::intern::Interner;
use crate::engine::facts::state::PartitionState;

/// What an item's events say of its categories, for an item that the catalog does not know.
#[derive(Clone, Copy, Debug, Default)]
struct EventCategories {
    /// The time of the event that said it.
    ts: Timestamp,
    /// The set of categories.
    set: u32,
}

/// The items of one partition.
#[derive(Debug, Default)]
pub struct Items {
    names: Interner,
    /// By item; shorter where the last ones have none.
    event_categories: Vec<EventCategories>,
    event_categories_version: u64,
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

    /// Takes in what an event says of an item. The newest event with categories of its own speaks
    /// for an item; of two at the same time the one that is spelled later, so that the order of
    /// arrival does not matter.
    pub fn describe(&mut self, item: u32, ts: Timestamp, set: u32, categories: &Categories) {
        let place = item as usize;
        if self.event_categories.len() <= place {
            self.event_categories.resize(place + 1, EventCategories::default());
        }
        let known = self.event_categories[place];
        if set == 0 || set == known.set && ts <= known.ts {
            return;
        }
        if ts > known.ts || ts == known.ts && categories.spelled_after(set, known.set) {
            self.event_categories[place] = EventCategories { ts, set };
            self.event_categories_version += u64::from(set != known.set);
        }
    }
}

impl Facts for Items {
    const TAG: &'static str = "items";
    const VERSION: u16 = 1;

    fn write(state: &PartitionState, out: &mut Vec<u8>) {
        let items = &state.items;
        out.put_u32_le(items.names.len() as u32);
        for (item, name) in (0..).zip(items.names.names()) {
            let (ts, set) = items.event_categories(item);
            put_str(out, name);
            out.put_i64_le(ts.0);
            out.put_u32_le(set);
        }
    }

    fn read(state: &mut PartitionState, input: &mut Input<'_>) -> Result<(), Corrupt> {
        let items = &mut state.items;
        for item in 0..input.count(14)? {
            let at = input.at();
            let name = input.str()?;
            if items.names.intern(name, usize::MAX) != Some(item) {
                return Err(Corrupt::Value { at, what: "item name" });
            }
            let ts = input.time()?;
            let set = input.below(state.categories.sets_len() + 1, "set of categories")?;
            items.event_categories.push(EventCategories { ts, set });
        }
        Ok(())
    }

    /// Events on the items that came last are dropped, as they would have been with this limit from
    /// the start.
    fn enforce_limits(state: &mut PartitionState) {
        let limit = state.config().limits.items;
        let Some(limit) = u32::try_from(limit).ok().filter(|limit| state.items().len() > *limit as usize)
        else {
            return;
        };
        state.items.names.truncate(limit);
        state.items.event_categories.truncate(limit as usize);
        state.items.event_categories_version += 1;
        let keep = state.config().recent_events_per_user;
        let (forgotten, dropped) = state.users.forget_items(limit, keep);
        state.counters.item_limit += state.popularity.forget_items(limit);
        state.counters.users_evicted += forgotten;
        state.counters.counts_dropped += dropped;
    }
}
