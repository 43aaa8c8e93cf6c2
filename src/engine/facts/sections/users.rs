//! The section of the users with what they did.

use bytes::BufMut;

use super::family::Facts;
use super::histories::{read_history, write_history};
use super::pauses::Pauses;
use crate::engine::facts::codec::{Corrupt, Input, put_str};
use crate::engine::facts::profile::Profile;
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
                write_history(state, user.profile.acted(), out);
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

/// A user's facts without what is in sections of its own.
fn read_profile(state: &mut PartitionState, input: &mut Input<'_>) -> Result<Profile, Corrupt> {
    let history = read_history(state, input)?;
    Ok(Profile::from_snapshot(history, state.config()))
}
