//! The section of popularity.

use bytes::BufMut;

use super::family::Facts;
use super::pauses::Pauses;
use crate::engine::facts::codec::{Corrupt, Input, put_counts, put_event};
use crate::engine::facts::popularity::{Popularity, RecentEvent};
use crate::engine::facts::state::PartitionState;

impl Facts for Popularity {
    const TAG: &'static str = "popularity";
    const VERSION: u16 = 1;

    fn write(state: &PartitionState, out: &mut Vec<u8>, pauses: &mut Pauses<'_>) {
        let (floor, recent, coarse) = state.popularity.to_snapshot(state.popularity_windows());
        out.put_i64_le(floor.0);
        out.put_u32_le(state.popularity.recent_len() as u32);
        for event in recent {
            put_event(out, event.ts, event.kind, event.item);
            pauses.after(out);
        }
        out.put_u32_le(coarse.len() as u32);
        for counts in coarse {
            put_counts(out, &counts);
            pauses.after(out);
        }
    }

    fn read(state: &mut PartitionState, input: &mut Input<'_>) -> Result<(), Corrupt> {
        let floor = input.time()?;
        let events = input.count(13)?;
        let mut recent = Vec::with_capacity(events as usize);
        for _ in 0..events {
            let (ts, kind, item) = input.event(state)?;
            recent.push(RecentEvent { ts, item, kind });
        }
        let at = input.at();
        let items = input.count(4)? as usize;
        if items > state.items().len() {
            return Err(Corrupt::Value { at, what: "number of items" });
        }
        let windows = state.popularity_windows();
        let mut coarse = Vec::with_capacity(items);
        for _ in 0..items {
            coarse.push(input.counts(state, windows, |key| key == 0)?);
        }
        state.popularity = Popularity::from_snapshot(windows, floor, recent, coarse);
        Ok(())
    }

    fn enforce_limits(state: &mut PartitionState) {
        let limit = state.config().limits.recent_events;
        state.bound_popularity(limit);
    }
}
