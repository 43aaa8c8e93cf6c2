//! What only some users have: the number of each one's slot, and then what it is.

use bytes::BufMut;

use super::pauses::Pauses;
use crate::engine::facts::codec::{Corrupt, Input};
use crate::engine::facts::profile::Profile;
use crate::engine::facts::state::PartitionState;

/// Appends what users have, of those who have it.
pub fn write_by_user<'a, T: ?Sized + 'a>(
    state: &'a PartitionState,
    out: &mut Vec<u8>,
    pauses: &mut Pauses<'_>,
    of: impl Fn(&'a Profile) -> Option<&'a T>,
    write: impl Fn(&T, &mut Vec<u8>),
) {
    let slots = &state.users.slots;
    let count = slots.iter().filter(|user| of(&user.profile).is_some()).count();
    out.put_u32_le(count as u32);
    for (slot, user) in (0..).zip(slots) {
        if let Some(facts) = of(&user.profile) {
            out.put_u32_le(slot);
            write(facts, out);
            pauses.after(out);
        }
    }
}

/// Gives each user what the section says.
///
/// # Errors
/// It names no user, or not in their order; or what it says can't be read.
pub fn read_by_user<T>(
    state: &mut PartitionState,
    input: &mut Input<'_>,
    read: impl Fn(&mut PartitionState, &mut Input<'_>) -> Result<T, Corrupt>,
    give: impl Fn(&mut Profile, T),
) -> Result<(), Corrupt> {
    let mut next = 0;
    for _ in 0..input.count(9)? {
        let at = input.at();
        let slot = input.u32()? as usize;
        let facts = read(state, input)?;
        let user = state.users.slots.get_mut(slot).filter(|user| slot >= next && !user.id.is_empty());
        give(&mut user.ok_or(Corrupt::Value { at, what: "user" })?.profile, facts);
        next = slot + 1;
    }
    Ok(())
}
