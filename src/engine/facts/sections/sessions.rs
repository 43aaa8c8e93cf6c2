//! The section of the sessions that events named.

use bytes::BufMut;

use super::by_user::read_by_user;
use super::family::Facts;
use super::pauses::Pauses;
use crate::engine::facts::codec::{Corrupt, Input};
use crate::engine::facts::history::RawEvent;
use crate::engine::facts::profile::Profile;
use crate::engine::facts::state::PartitionState;

/// The sessions of the events of [`Users`](crate::engine::facts::users::Users), which come before it, of those of
/// whose events any has named one. A snapshot without it knows none: its visits go by gaps.
pub struct Sessions;

impl Facts for Sessions {
    const TAG: &'static str = "sessions";
    const VERSION: u16 = 1;
    const REQUIRED: bool = false;

    fn write(state: &PartitionState, out: &mut Vec<u8>, pauses: &mut Pauses<'_>) {
        // To look at everybody's events twice would take longer than to write them.
        let at = out.len();
        out.put_u32_le(0);
        let mut count = 0_u32;
        // Where nobody names any, nothing is written, and nothing would pause.
        let users = if state.names_sessions { state.users.slots.as_slice() } else { &[] };
        for (slot, user) in (0..).zip(users) {
            let events = user.profile.acted().raw();
            if events.iter().any(|event| event.session() > 0) {
                out.put_u32_le(slot);
                out.put_u32_le(events.len() as u32);
                events.iter().for_each(|event| out.put_u16_le(event.session()));
                count += 1;
                pauses.after(out);
            }
        }
        out[at..at + 4].copy_from_slice(&count.to_le_bytes());
    }

    fn read(state: &mut PartitionState, input: &mut Input<'_>) -> Result<(), Corrupt> {
        let sessions = |state: &mut PartitionState, input: &mut Input<'_>| {
            state.names_sessions = true;
            let count = input.count(2)?;
            let mut sessions = Vec::with_capacity(count as usize);
            for _ in 0..count {
                let at = input.at();
                let session = Some(input.u16()?).filter(|session| *session <= RawEvent::MAX_SESSION);
                sessions.push(session.ok_or(Corrupt::Value { at, what: "session" })?);
            }
            Ok(sessions)
        };
        read_by_user(state, input, sessions, |profile: &mut Profile, sessions| {
            profile.set_sessions(&sessions);
        })
    }
}
