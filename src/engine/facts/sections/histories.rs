//! A history of a user's events as bytes, in whatever section it is.

use bytes::BufMut;

use crate::engine::facts::codec::{Corrupt, Input, put_counts, put_event};
use crate::engine::facts::history::{ANY_CATEGORY, History, RawEvent};
use crate::engine::facts::state::PartitionState;

/// Appends a history.
pub fn write_history(state: &PartitionState, history: &History, out: &mut Vec<u8>) {
    let (raw, coarse) = history.to_snapshot(state.interest_windows());
    write_events(raw, out);
    out.put_u8(u8::from(coarse.is_some()));
    if let Some((bound, counts)) = coarse {
        out.put_i64_le(bound.0);
        put_counts(out, &counts);
    }
}

/// A history within the limit on its coarse counts: looking for them later would take a pass of its
/// own over everybody.
///
/// # Errors
/// The bytes are not one.
pub fn read_history(state: &mut PartitionState, input: &mut Input<'_>) -> Result<History, Corrupt> {
    let raw = read_events(state, input)?;
    let categories = state.categories.len();
    let is_key = |key| key == ANY_CATEGORY || (key as usize) < categories;
    let coarse = match input.u8()? {
        0 => None,
        _ => Some((input.time()?, input.counts(state, state.interest_windows(), is_key)?)),
    };
    let mut history = History::from_snapshot(raw, coarse);
    let limit = state.config().limits.coarse_counts_per_user;
    let dropped = history.bound_counts(state.interest_windows(), limit);
    state.counters.counts_dropped += dropped as u64;
    Ok(history)
}

/// Appends events.
pub fn write_events(events: &[RawEvent], out: &mut Vec<u8>) {
    out.put_u32_le(events.len() as u32);
    for event in events {
        put_event(out, event.ts(), event.kind(), event.item);
        out.put_u32_le(event.event_categories);
    }
}

/// Events.
///
/// # Errors
/// The bytes are none.
pub fn read_events(state: &PartitionState, input: &mut Input<'_>) -> Result<Vec<RawEvent>, Corrupt> {
    let sets = state.categories.sets_len() + 1;
    let count = input.count(17)?;
    let mut events = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let (ts, kind, item) = input.event(state)?;
        events.push(RawEvent::new(ts, kind, item, input.below(sets, "set of categories")?));
    }
    Ok(events)
}
