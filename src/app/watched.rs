//! What the HTTP port tells of the service.

use std::sync::Arc;

use crate::engine::index::partitions::Partitions;
use crate::health::{Health, ServingStatus};
use crate::http;
use crate::serving::admission::Admission;
use crate::state::ranker::Ranker;
use crate::telemetry::{Exposition, Metrics};

/// The service as the HTTP port sees it.
pub(super) struct Watched {
    pub ranker: Arc<Ranker>,
    pub health: Arc<Health>,
    pub admission: Arc<Admission>,
    pub metrics: Arc<Metrics>,
}

impl http::Watched for Watched {
    fn metrics(&self, exposition: Exposition) -> String {
        self.measure();
        self.metrics.encode(exposition)
    }

    fn status(&self) -> Arc<ServingStatus> {
        Arc::clone(&self.health.status())
    }
}

impl Watched {
    /// Reads the sizes of state, which change too often to be kept up to date between scrapes.
    fn measure(&self) {
        let (metrics, state) = (&self.metrics, self.ranker.state());
        let (mut held, mut users, mut acted_items, mut event_ids) = (0, 0, 0, 0);
        let (mut expired, mut evicted, mut dropped, mut clamped) = (0, 0, 0, 0);
        let mut items_given_back = 0;
        for partition in 0..state.len() {
            state.with(partition, &mut |state| {
                held += 1;
                users += state.users_len();
                acted_items += state.acted_items_len();
                event_ids += state.event_ids_len();
                let counters = state.counters();
                expired += counters.users_expired;
                evicted += counters.users_evicted;
                dropped += counters.counts_dropped;
                clamped += counters.clamped;
                items_given_back += state.compactions().items;
            });
        }
        metrics.partitions_held.set(held);
        metrics.in_flight.set(self.admission.in_flight() as i64);
        metrics.incoming_bodies.set(self.admission.incoming_bodies() as i64);
        metrics.connections.set(self.admission.connections().len() as i64);
        metrics.unsent.set(i64::try_from(self.admission.unsent_bytes()).unwrap_or(i64::MAX));
        metrics.users.set(users as i64);
        metrics.acted_items.set(acted_items as i64);
        metrics.event_ids.set(event_ids as i64);
        metrics.users_expired.set(expired as i64);
        metrics.users_evicted.set(evicted as i64);
        metrics.items_given_back.set(items_given_back as i64);
        metrics.counts_dropped.set(dropped as i64);
        metrics.events_clamped.set(clamped as i64);
        metrics.catalog_items.set(state.catalog().len() as i64);
        metrics.index_rows.set(self.ranker.index_rows() as i64);
        metrics.instants.set(self.ranker.instants_kept() as i64);
        metrics.process.measure();
    }
}
