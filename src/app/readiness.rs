//! Whether the service is ready: the catalog is read, every partition is within reach of the end of
//! its log, and none was stopped.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinHandle;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::feeds::Progress;
use crate::ingest::{LogError, Topic};
use crate::serving::Shared;
use crate::serving::server::SERVICES;
use crate::store::NotHeld;
use crate::telemetry::TopicPartition;
use crate::telemetry::events::{LogUnavailable, ReadinessChanged};

/// How often to look while catching up, and once ready.
const SOON: Duration = Duration::from_millis(50);
const LATER: Duration = Duration::from_secs(1);

/// Watches the lag and tells health, metrics and answers.
pub(super) fn watch(
    shared: Arc<Shared>,
    progress: Arc<Progress>,
    max_lag: u64,
    health: HealthReporter,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut told = None;
        loop {
            let (asking, reached) = (Arc::clone(&shared), Arc::clone(&progress));
            let lag = tokio::task::spawn_blocking(move || greatest_lag(&asking, &reached)).await;
            let ready = match lag {
                Ok(Ok(lag)) => lag <= max_lag && progress.is_complete(),
                Ok(Err(error)) => {
                    LogUnavailable { what: "lag", error: &error.to_string() }.emit(&shared.metrics);
                    // What is known is still served; nothing says that it has fallen behind.
                    told.unwrap_or(false)
                }
                Err(_) => false,
            };
            let ready = ready && shared.stopped.is_empty();
            if told != Some(ready) {
                told = Some(ready);
                shared.ready.store(ready, Ordering::Release);
                ReadinessChanged { ready, watermark: shared.store.watermark() }.emit(&shared.metrics);
                report(&health, ready).await;
            }
            tokio::time::sleep(if ready { LATER } else { SOON }).await;
        }
    })
}

/// Tells the health of every service. What is told by nobody counts as serving, so the first call
/// comes before the server takes requests.
pub(super) async fn report(health: &HealthReporter, ready: bool) {
    let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
    for service in SERVICES {
        health.set_service_status(service, status).await;
    }
}

/// The lag of the partition that is furthest behind.
fn greatest_lag(shared: &Shared, progress: &Progress) -> Result<u64, LogError> {
    let mut greatest = 0;
    for (topic, name) in [(Topic::Items, "items"), (Topic::Clicks, "clicks")] {
        for partition in 0..shared.log.partitions(topic)? {
            let reached = match (topic, shared.store.held(partition)) {
                (Topic::Items, _) => progress.position(partition),
                (_, Ok(())) => shared.store.position(partition),
                // None of our business.
                (_, Err(NotHeld { restoring: false, .. })) => continue,
                (_, Err(NotHeld { restoring: true, .. })) => 0,
            };
            let bounds = shared.log.bounds(topic, partition)?;
            let lag = if bounds.high == bounds.low { 0 } else { bounds.high.saturating_sub(reached) };
            let label = TopicPartition { topic: name, partition };
            shared.metrics.lag.get_or_create(&label).set(i64::try_from(lag).unwrap_or(i64::MAX));
            greatest = greatest.max(lag);
        }
    }
    Ok(greatest)
}
