//! The section of the users with their profiles.

use bytes::BufMut;

use super::family::Facts;
use super::pauses::Pauses;
use crate::engine::facts::codec::{Corrupt, Input, put_counts, put_event, put_str};
use crate::engine::facts::profile::{ANY_CATEGORY, Profile, RawEvent};
use crate::engine::facts::state::PartitionState;
use crate::engine::facts::users::{User, Users};

impl Facts for Users {
    const TAG: &'static str = "users";
    const VERSION: u16 = 1;

    fn write(state: &PartitionState, out: &mut Vec<u8>, pauses: &mut Pauses<'_>) {
        let users = &state.users;
        out.put_u32_le(users.slots.len() as u32);
        for user in &users.slots {
            put_str(out, &user.id);
            if !user.id.is_empty() {
                write_profile(state, &user.profile, out);
            }
            pauses.after(out);
        }
        // Who is forgotten next hangs on both.
        out.put_u32_le(users.hand as u32);
        out.put_u32_le(users.free.len() as u32);
        for slot in &users.free {
            out.put_u32_le(*slot);
            pauses.after(out);
        }
    }

    fn read(state: &mut PartitionState, input: &mut Input<'_>) -> Result<(), Corrupt> {
        let slots = input.count(2)?;
        state.users.reserve((slots as usize).min(input.left() / 8));
        for _ in 0..slots {
            let at = input.at();
            match input.str()? {
                "" => state.users.slots.push(User::free()),
                id => {
                    let profile = read_profile(state, input)?;
                    if !state.users.restore(id, profile) {
                        return Err(Corrupt::Value { at, what: "user id" });
                    }
                }
            }
        }
        let at = input.at();
        let hand = input.u32()? as usize;
        let mut free = Vec::new();
        for _ in 0..input.count(4)? {
            free.push(input.u32()?);
        }
        match state.users.restore_order(hand, free) {
            true => Ok(()),
            false => Err(Corrupt::Value { at, what: "order of users" }),
        }
    }

    fn enforce_limits(state: &mut PartitionState) {
        let limit = state.config().limits.users;
        state.counters.users_evicted += state.users.bound(limit) as u64;
    }
}

fn write_profile(state: &PartitionState, profile: &Profile, out: &mut Vec<u8>) {
    let (raw, coarse) = profile.to_snapshot(state.interest_windows());
    out.put_u32_le(raw.len() as u32);
    for event in raw {
        put_event(out, event.ts(), event.kind(), event.item);
        out.put_u32_le(event.event_categories);
    }
    out.put_u8(u8::from(coarse.is_some()));
    if let Some((bound, counts)) = coarse {
        out.put_i64_le(bound.0);
        put_counts(out, &counts);
    }
}

/// A profile within the limit on its coarse counts: looking for them later would take a pass of its
/// own over everybody.
fn read_profile(state: &mut PartitionState, input: &mut Input<'_>) -> Result<Profile, Corrupt> {
    let sets = state.categories.sets_len() + 1;
    let events = input.count(17)?;
    let mut raw = Vec::with_capacity(events as usize);
    for _ in 0..events {
        let (ts, kind, item) = input.event(state)?;
        raw.push(RawEvent::new(ts, kind, item, input.below(sets, "set of categories")?));
    }
    let categories = state.categories.len();
    let is_key = |key| key == ANY_CATEGORY || (key as usize) < categories;
    let coarse = match input.u8()? {
        0 => None,
        _ => Some((input.time()?, input.counts(state, state.interest_windows(), is_key)?)),
    };
    let mut profile = Profile::from_snapshot(raw, coarse);
    let limit = state.config().limits.coarse_counts_per_user;
    let dropped = profile.bound_counts(state.interest_windows(), limit);
    state.counters.counts_dropped += dropped as u64;
    Ok(profile)
}
