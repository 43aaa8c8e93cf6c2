//! The section of what users were shown.

use super::by_user::{read_by_user, write_by_user};
use super::family::Facts;
use super::histories::{read_history, write_history};
use super::pauses::Pauses;
use crate::engine::facts::codec::{Corrupt, Input};
use crate::engine::facts::profile::Profile;
use crate::engine::facts::state::PartitionState;

/// What users were shown, each by the number of the user's slot.
pub struct Shown;

impl Facts for Shown {
    const TAG: &'static str = "shown";
    const VERSION: u16 = 1;
    const REQUIRED: bool = false;

    fn write(state: &PartitionState, out: &mut Vec<u8>, pauses: &mut Pauses<'_>) {
        write_by_user(state, out, pauses, Profile::shown, |shown, out| write_history(state, shown, out));
    }

    fn read(state: &mut PartitionState, input: &mut Input<'_>) -> Result<(), Corrupt> {
        read_by_user(state, input, read_history, Profile::set_shown)
    }
}
