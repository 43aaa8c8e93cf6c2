//! The section of the categories.

use bytes::BufMut;

use super::family::Facts;
use super::pauses::Pauses;
use crate::engine::facts::categories::Categories;
use crate::engine::facts::codec::{Corrupt, Input, put_str};
use crate::engine::facts::state::PartitionState;

impl Facts for Categories {
    const TAG: &'static str = "categories";
    const VERSION: u16 = 1;

    fn write(state: &PartitionState, out: &mut Vec<u8>, pauses: &mut Pauses<'_>) {
        let categories = &state.categories;
        out.put_u32_le(categories.len() as u32);
        for name in categories.names() {
            put_str(out, name);
            pauses.after(out);
        }
        out.put_u32_le(categories.sets_len() as u32);
        for set in categories.sets() {
            out.put_u8(set.len() as u8);
            set.iter().for_each(|member| out.put_u32_le(*member));
            pauses.after(out);
        }
    }

    fn read(state: &mut PartitionState, input: &mut Input<'_>) -> Result<(), Corrupt> {
        let categories = &mut state.categories;
        let limit = categories.set_limit(usize::MAX);
        for category in 0..input.count(2)? {
            let at = input.at();
            let name = input.str()?;
            if categories.intern(name) != Some(category) {
                return Err(Corrupt::Value { at, what: "category name" });
            }
        }
        for set in 0..input.count(1)? {
            let at = input.at();
            let mut names = Vec::new();
            for _ in 0..input.u8()? {
                let member = input.below(categories.len(), "category")?;
                names.push(categories.name(member).to_owned().into());
            }
            if categories.intern_set(&names) != set + 1 {
                return Err(Corrupt::Value { at, what: "set of categories" });
            }
        }
        categories.set_limit(limit);
        Ok(())
    }
}
