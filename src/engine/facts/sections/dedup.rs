//! The section of the event ids.

use bytes::BufMut;

use super::family::Facts;
use super::pauses::Pauses;
use crate::engine::facts::codec::{Corrupt, Input};
use crate::engine::facts::dedup::Dedup;
use crate::engine::facts::state::PartitionState;

impl Facts for Dedup {
    const TAG: &'static str = "event_ids";
    const VERSION: u16 = 1;

    fn write(state: &PartitionState, out: &mut Vec<u8>, pauses: &mut Pauses<'_>) {
        // To collect and sort them is one stretch.
        let (generation, current, previous) = state.dedup.to_snapshot();
        out.put_i64_le(generation);
        for fingerprints in [current, previous] {
            out.put_u32_le(fingerprints.len() as u32);
            for fingerprint in fingerprints {
                out.put_u64_le(fingerprint);
                pauses.after(out);
            }
        }
    }

    fn read(state: &mut PartitionState, input: &mut Input<'_>) -> Result<(), Corrupt> {
        let generation = input.i64()?;
        let mut sets = [Vec::new(), Vec::new()];
        for set in &mut sets {
            for _ in 0..input.count(8)? {
                set.push(input.u64()?);
            }
        }
        let [current, previous] = sets;
        state.dedup = Dedup::from_snapshot(generation, current, previous);
        Ok(())
    }

    fn enforce_limits(state: &mut PartitionState) {
        let limit = state.config().limits.event_ids;
        state.dedup.bound(limit);
    }
}
