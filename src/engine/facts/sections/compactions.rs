//! The section of what compactions have done.

use bytes::BufMut;

use super::family::Facts;
use super::pauses::Pauses;
use crate::engine::facts::codec::{Corrupt, Input};
use crate::engine::facts::numbers::Compactions;
use crate::engine::facts::state::PartitionState;

impl Facts for Compactions {
    const TAG: &'static str = "compactions";
    const VERSION: u16 = 1;
    const REQUIRED: bool = false;

    fn write(state: &PartitionState, out: &mut Vec<u8>, _: &mut Pauses<'_>) {
        let Compactions { count, items, next } = state.compactions;
        [count, items, next].into_iter().for_each(|number| out.put_u64_le(number));
    }

    fn read(state: &mut PartitionState, input: &mut Input<'_>) -> Result<(), Corrupt> {
        state.compactions = Compactions { count: input.u64()?, items: input.u64()?, next: input.u64()? };
        Ok(())
    }
}
