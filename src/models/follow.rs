//! Brings changed models into force.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinError;

use super::{ModelEvent, ModelWatcher};
use crate::clock::Clock;
use crate::state::ranker::Ranker;
use crate::telemetry::Metrics;
use crate::telemetry::events::ModelChanged;

/// Takes changed models over, as long as it is polled.
///
/// # Errors
/// A look at the files panicked.
pub async fn watch_models(
    (ranker, clock, metrics): (Arc<Ranker>, Clock, Arc<Metrics>),
    mut watcher: ModelWatcher,
    interval: Duration,
) -> Result<Infallible, JoinError> {
    loop {
        tokio::time::sleep(interval).await;
        let (loading, clock) = (Arc::clone(&ranker), Arc::clone(&clock));
        let looking = tokio::task::spawn_blocking(move || {
            let events = watcher.reload();
            if !events.is_empty() {
                loading.load(watcher.current(), loading.now(&clock));
            }
            (watcher, events)
        });
        let events;
        (watcher, events) = looking.await?;
        events.iter().for_each(|event| tell(event, &metrics));
    }
}

fn tell(event: &ModelEvent, metrics: &Metrics) {
    let detail;
    let (name, outcome, detail) = match event {
        ModelEvent::Loaded { name, version } => (name.as_str(), "loaded", version.as_str()),
        ModelEvent::Refused { name, error } => {
            detail = error.to_string();
            (name.as_str(), "refused", detail.as_str())
        }
        ModelEvent::Removed { name } => (name.as_str(), "removed", ""),
        ModelEvent::Unreadable { error } => {
            detail = error.to_string();
            ("", "unreadable", detail.as_str())
        }
    };
    ModelChanged { name, outcome, detail }.emit(metrics);
}
