//! Watches what is forgotten or dropped because state may grow no further, which is otherwise a number that nobody asks
//! for.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::State;
use crate::engine::index::partitions::Partitions;
use crate::telemetry::events::{ItemsRefused, UsersEvicted};
use crate::telemetry::seldom::Rise;

/// How often to look.
const LOOK: Duration = Duration::from_secs(1);

/// Tells of it for ever.
pub async fn watch(state: Arc<State>) -> Infallible {
    let limits = state.config().limits.clone();
    let (users, events) = lost(&state);
    let (mut evicted, mut refused) = (Rise::from(users), Rise::from(events));
    let mut generations = state.generations();
    loop {
        tokio::time::sleep(LOOK).await;
        let (users, events) = lost(&state);
        let now = Instant::now();
        if generations != state.generations() {
            // Partitions came or went, with what they had counted before.
            generations = state.generations();
            (evicted, refused) = (Rise::from(users), Rise::from(events));
            continue;
        }
        if let Some(users) = evicted.to(users, now) {
            UsersEvicted { users, limit: limits.users }.emit();
        }
        if let Some(events) = refused.to(events, now) {
            ItemsRefused { events, limit: limits.items }.emit();
        }
    }
}

/// How many users were forgotten, and how many events dropped, by all partitions that are here.
fn lost(state: &State) -> (u64, u64) {
    let (mut users, mut events) = (0, 0);
    for partition in 0..state.len() {
        state.with(partition, &mut |state| {
            users += state.counters().users_evicted;
            events += state.counters().item_limit;
        });
    }
    (users, events)
}
