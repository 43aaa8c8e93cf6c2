//! Health as gRPC asks for it: that of each service follows readiness.

use tonic_health::ServingStatus::{NotServing, Serving};
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::server::HealthReporter;

use super::limits::MAX_OTHER_BYTES;

/// The names of the services whose health follows readiness.
const SERVICES: [&str; 7] = [
    "",
    "headwater.v1.RecommenderService",
    "headwater.v1.EventService",
    "headwater.v1.CatalogService",
    "headwater.v1.ProfileService",
    "headwater.v1.ModelService",
    "headwater.v1.StatusService",
];

/// Tells whoever asks for health or watches it.
#[derive(Clone)]
pub struct GrpcHealth(HealthReporter);

impl GrpcHealth {
    /// One that has told that nothing is ready, which comes before requests do: what is told by nobody counts as
    /// serving. And the service that it tells by.
    pub async fn not_ready() -> (Self, HealthServer<impl Health>) {
        let (reporter, service) = tonic_health::server::health_reporter();
        let health = Self(reporter);
        health.set_ready(false).await;
        (health, service.max_decoding_message_size(MAX_OTHER_BYTES))
    }

    /// Tells the health of every service.
    pub async fn set_ready(&self, ready: bool) {
        for service in SERVICES {
            self.0.set_service_status(service, if ready { Serving } else { NotServing }).await;
        }
    }

    /// Ends what those see who watch, so that they hold up no connection that is to close.
    pub async fn dismiss_watchers(&mut self) {
        for service in SERVICES {
            self.0.clear_service_status(service).await;
        }
    }
}
