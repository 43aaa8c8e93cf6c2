//! The section of the items that users have acted on, of the events that are no longer kept one by one.

use super::by_user::{read_by_user, write_by_user};
use super::family::Facts;
use super::histories::{read_events, write_events};
use super::pauses::Pauses;
use crate::engine::facts::acted_items::ActedItems;
use crate::engine::facts::codec::{Corrupt, Input};
use crate::engine::facts::profile::Profile;
use crate::engine::facts::state::PartitionState;

impl Facts for ActedItems {
    const TAG: &'static str = "acted_items";
    const VERSION: u16 = 1;
    const REQUIRED: bool = false;

    fn write(state: &PartitionState, out: &mut Vec<u8>, pauses: &mut Pauses<'_>) {
        let items = |profile| Some(Profile::acted_items(profile)).filter(|items| !items.is_empty());
        write_by_user(state, out, pauses, items, write_events);
    }

    fn read(state: &mut PartitionState, input: &mut Input<'_>) -> Result<(), Corrupt> {
        let events = |state: &mut PartitionState, input: &mut Input<'_>| {
            let at = input.at();
            let mut events = read_events(state, input)?;
            // Those of types that are passive by now are kept elsewhere, and only while they are among the newest.
            let config = state.config();
            events.retain(|event| !config.is_passive(event.kind()));
            let items = ActedItems::from_snapshot(events, &config.limits);
            items.ok_or(Corrupt::Value { at, what: "order of items" })
        };
        read_by_user(state, input, events, Profile::set_acted_items)?;
        state.users.count_acted_items();
        Ok(())
    }
}
