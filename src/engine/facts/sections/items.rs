//! The section of the items that events named.

use bytes::BufMut;

use super::family::Facts;
use super::pauses::Pauses;
use crate::engine::facts::codec::{Corrupt, Input, put_str};
use crate::engine::facts::items::{EventCategories, Items};
use crate::engine::facts::state::PartitionState;

impl Facts for Items {
    const TAG: &'static str = "items";
    const VERSION: u16 = 1;

    fn write(state: &PartitionState, out: &mut Vec<u8>, pauses: &mut Pauses<'_>) {
        let items = &state.items;
        out.put_u32_le(items.names.len() as u32);
        for (item, name) in (0..).zip(items.names.names()) {
            let (ts, set) = items.event_categories(item);
            put_str(out, name);
            out.put_i64_le(ts.0);
            out.put_u32_le(set);
            pauses.after(out);
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

    /// What nothing refers to is given back; then events on the items that came last are dropped, as they would have
    /// been with this limit from the start.
    fn enforce_limits(state: &mut PartitionState) {
        let limit = state.config().limits.all_items();
        if state.items().len() > limit {
            state.give_back(state.in_use());
        }
        let Some(limit) = u32::try_from(limit).ok().filter(|limit| state.items().len() > *limit as usize)
        else {
            return;
        };
        state.items.names.truncate(limit);
        state.items.event_categories.truncate(limit as usize);
        state.items.event_categories_version += 1;
        state.postings.forget_items(limit);
        let keep = state.config().recent_events_per_user;
        let (forgotten, dropped) = state.users.forget_items(limit, keep);
        state.counters.item_limit += state.popularity.forget_items(limit);
        state.counters.users_evicted += forgotten;
        state.counters.counts_dropped += dropped;
    }
}
