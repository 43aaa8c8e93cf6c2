//! The section that tells from when on event ids are remembered with their users.

use bytes::BufMut;

use super::family::Facts;
use super::pauses::Pauses;
use crate::engine::facts::codec::{Corrupt, Input};
use crate::engine::facts::state::PartitionState;

/// A part of [`Dedup`](crate::engine::facts::dedup::Dedup), which comes before it. A snapshot without it has
/// ids without their users.
pub struct DedupScope;

impl Facts for DedupScope {
    const TAG: &'static str = "event_id_scope";
    const VERSION: u16 = 1;
    const REQUIRED: bool = false;

    fn write(state: &PartitionState, out: &mut Vec<u8>, _: &mut Pauses<'_>) {
        out.put_i64_le(state.dedup.without_users_before());
    }

    fn read(state: &mut PartitionState, input: &mut Input<'_>) -> Result<(), Corrupt> {
        state.dedup.set_without_users_before(input.i64()?);
        Ok(())
    }
}
