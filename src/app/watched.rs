//! What the HTTP port tells of the service.

use std::sync::Arc;

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
        self.ranker.measure(&self.metrics);
        self.admission.measure(&self.metrics);
        self.metrics.process.measure();
        self.metrics.encode(exposition)
    }

    fn status(&self) -> Arc<ServingStatus> {
        Arc::clone(&self.health.status())
    }
}
