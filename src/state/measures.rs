//! The sizes of state, which change too often to be kept up to date between two looks at the metrics.

use super::ranker::Ranker;
use crate::engine::index::partitions::Partitions;
use crate::telemetry::Metrics;

impl Ranker {
    /// Reads them.
    pub fn measure(&self, metrics: &Metrics) {
        let state = self.state();
        let (mut held, mut users, mut acted_items, mut event_ids, mut postings) = (0, 0, 0, 0, 0);
        let (mut expired, mut evicted, mut dropped, mut clamped) = (0, 0, 0, 0);
        let mut items_given_back = 0;
        for partition in 0..state.len() {
            state.with(partition, &mut |state| {
                held += 1;
                users += state.users_len();
                acted_items += state.acted_items_len();
                event_ids += state.event_ids_len();
                postings += state.postings_len();
                let counters = state.counters();
                expired += counters.users_expired;
                evicted += counters.users_evicted;
                dropped += counters.counts_dropped;
                clamped += counters.clamped;
                items_given_back += state.compactions().items;
            });
        }
        metrics.partitions_held.set(held);
        metrics.users.set(users as i64);
        metrics.acted_items.set(acted_items as i64);
        metrics.event_ids.set(event_ids as i64);
        metrics.postings.set(postings as i64);
        metrics.users_expired.set(expired as i64);
        metrics.users_evicted.set(evicted as i64);
        metrics.items_given_back.set(items_given_back as i64);
        metrics.counts_dropped.set(dropped as i64);
        metrics.events_clamped.set(clamped as i64);
        metrics.catalog_items.set(state.catalog().len() as i64);
        metrics.index_rows.set(self.index_rows() as i64);
        metrics.instants.set(self.instants_kept() as i64);
    }
}
