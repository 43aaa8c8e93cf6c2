//! What the HTTP port tells of the service.

use std::sync::Arc;

use crate::engine::index::layout::Partitions;
use crate::health::Condition;
use crate::http::Watched;
use crate::serving::Shared;

impl Watched for Shared {
    fn metrics(&self) -> String {
        measure(self);
        self.metrics.encode()
    }

    fn condition(&self) -> Arc<Condition> {
        self.condition.load_full()
    }
}

/// Reads the sizes of state, which change too often to be kept up to date between scrapes.
fn measure(shared: &Shared) {
    let (mut held, mut users, mut event_ids) = (0, 0, 0);
    let (mut evicted, mut dropped, mut clamped) = (0, 0, 0);
    for partition in 0..shared.store.len() {
        shared.store.with(partition, &mut |state| {
            held += 1;
            users += state.users_len();
            event_ids += state.event_ids_len();
            let counters = state.counters();
            evicted += counters.users_evicted;
            dropped += counters.counts_dropped;
            clamped += counters.clamped;
        });
    }
    shared.metrics.partitions_held.set(held);
    shared.metrics.in_flight.set(shared.admission.in_flight() as i64);
    shared.metrics.users.set(users as i64);
    shared.metrics.event_ids.set(event_ids as i64);
    shared.metrics.users_evicted.set(evicted as i64);
    shared.metrics.counts_dropped.set(dropped as i64);
    shared.metrics.events_clamped.set(clamped as i64);
    shared.metrics.catalog_items.set(shared.store.catalog().len() as i64);
}
