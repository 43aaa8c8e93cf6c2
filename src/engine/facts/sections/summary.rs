//! What stands at the head of a state: the greatest event time, and the counters.

use bytes::BufMut;

use super::family::Facts;
use super::pauses::Pauses;
use crate::engine::facts::codec::{Corrupt, Input};
use crate::engine::facts::state::{Counters, PartitionState};

/// The greatest event time and the counters.
pub struct Summary;

impl Facts for Summary {
    const TAG: &'static str = "summary";
    const VERSION: u16 = 1;

    fn write(state: &PartitionState, out: &mut Vec<u8>, _: &mut Pauses<'_>) {
        out.put_u8(u8::from(state.newest.is_some()));
        if let Some(newest) = state.newest {
            out.put_i64_le(newest.0);
        }
        let Counters {
            applied,
            duplicates,
            late,
            item_limit,
            clamped,
            users_expired,
            users_evicted,
            counts_dropped,
        } = state.counters;
        let counters =
            [applied, duplicates, late, item_limit, clamped, users_expired, users_evicted, counts_dropped];
        counters.into_iter().for_each(|counter| out.put_u64_le(counter));
    }

    fn read(state: &mut PartitionState, input: &mut Input<'_>) -> Result<(), Corrupt> {
        state.newest = match input.u8()? {
            0 => None,
            _ => Some(input.time()?),
        };
        let mut values = [0; 8];
        for value in &mut values {
            *value = input.u64()?;
        }
        let [applied, duplicates, late, item_limit, clamped, users_expired, users_evicted, counts_dropped] =
            values;
        state.counters = Counters {
            applied,
            duplicates,
            late,
            item_limit,
            clamped,
            users_expired,
            users_evicted,
            counts_dropped,
        };
        Ok(())
    }
}
