//! The section of the postings.

use bytes::BufMut;

use super::family::Facts;
use super::pauses::Pauses;
use crate::engine::facts::codec::{Corrupt, Input};
use crate::engine::facts::postings::{Posting, Postings};
use crate::engine::facts::state::PartitionState;

impl Facts for Postings {
    const TAG: &'static str = "postings";
    const VERSION: u16 = 1;
    const REQUIRED: bool = false;

    fn write(state: &PartitionState, out: &mut Vec<u8>, pauses: &mut Pauses<'_>) {
        let (hand, lists) = state.postings.to_snapshot();
        out.put_u32_le(hand as u32);
        out.put_u32_le(lists.len() as u32);
        for list in lists {
            out.put_u32_le(list.len() as u32);
            for posting in list {
                let mut bytes = [0; 12];
                bytes[..8].copy_from_slice(&posting.ts().0.to_le_bytes());
                bytes[8..].copy_from_slice(&posting.slot().to_le_bytes());
                out.put_slice(&bytes);
            }
            pauses.after(out);
        }
    }

    fn read(state: &mut PartitionState, input: &mut Input<'_>) -> Result<(), Corrupt> {
        let at = input.at();
        let hand = input.u32()? as usize;
        let items = input.count(4)? as usize;
        if items > state.items().len() {
            return Err(Corrupt::Value { at, what: "number of items" });
        }
        let mut lists = Vec::with_capacity(items);
        for _ in 0..items {
            let count = input.count(12)? as usize;
            let mut list = Vec::with_capacity(count);
            for _ in 0..count {
                let ts = input.time()?;
                list.push(Posting::new(ts, input.below(state.users.slots.len(), "user")?));
            }
            lists.push(list);
        }
        let postings = Postings::from_snapshot(hand, lists);
        state.postings = postings.ok_or(Corrupt::Value { at, what: "order of postings" })?;
        Ok(())
    }

    /// An item that has more than it may have by now keeps them until it is acted on or the hand comes by, as one has a
    /// moment ago that has had as many as it may: nobody sees them. Where there are none at all, as none were kept when
    /// the state was written, they are what users' histories say.
    fn enforce_limits(state: &mut PartitionState) {
        state.postings.enforce(state.postings_bounds());
        if state.postings.is_empty() {
            let rebuilt = state.postings_of_histories();
            if !rebuilt.is_empty() {
                state.postings = rebuilt;
            }
        }
    }
}
