//! Brings changed models into force.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinError;

use super::load::in_a_line;
use super::{ModelEvent, ModelWatcher};
use crate::clock::Clock;
use crate::engine::events::event::Timestamp;
use crate::health::Health;
use crate::state::ranker::Ranker;
use crate::telemetry::Metrics;
use crate::telemetry::events::{KeptModelsUnusable, ModelChanged, ModelsNotFromFiles, ModelsNotKept};

/// Whom it is told which models serve, and since when.
#[derive(Clone)]
pub struct Tells {
    /// Where metrics go.
    pub metrics: Arc<Metrics>,
    /// How the service is.
    pub health: Arc<Health>,
    /// The wall clock.
    pub clock: Clock,
}

/// Takes changed models over.
pub struct ModelFollower {
    ranker: Arc<Ranker>,
    watcher: ModelWatcher,
    tells: Tells,
}

impl ModelFollower {
    /// One that has told what became of the files so far.
    pub fn new(ranker: Arc<Ranker>, watcher: ModelWatcher, events: &[ModelEvent], tells: Tells) -> Self {
        let follower = Self { ranker, watcher, tells };
        follower.tell(events);
        follower
    }

    /// Looks at the files from time to time and whenever it is told to, as long as it is polled.
    ///
    /// # Errors
    /// A look at the files panicked.
    pub async fn follow(mut self, interval: Duration, look: Arc<Notify>) -> Result<Infallible, JoinError> {
        loop {
            tokio::select! {
                () = tokio::time::sleep(interval) => {}
                () = look.notified() => {}
            }
            let (ranker, clock) = (Arc::clone(&self.ranker), Arc::clone(&self.tells.clock));
            let looking = tokio::task::spawn_blocking(move || {
                let events = self.watcher.reload();
                if !events.is_empty() {
                    ranker.load(self.watcher.current(), ranker.now(&clock));
                }
                (self, events)
            });
            let events;
            (self, events) = looking.await?;
            self.tell(&events);
        }
    }

    fn tell(&self, events: &[ModelEvent]) {
        let Tells { metrics, health, clock } = &self.tells;
        events.iter().for_each(|event| tell(event, metrics));
        let not_served = self.watcher.not_served();
        metrics.model_files_not_served.set(i64::try_from(not_served.len()).unwrap_or(i64::MAX));
        health.set_files_not_served(not_served, Timestamp(clock()));
    }
}

fn tell(event: &ModelEvent, metrics: &Metrics) {
    let detail;
    let (name, outcome, detail) = match event {
        ModelEvent::Loaded { name, version } => (name.as_str(), "loaded", version.as_str()),
        ModelEvent::Refused { name, error } => {
            detail = in_a_line(&error.mistakes);
            (name.as_str(), "refused", detail.as_str())
        }
        ModelEvent::Removed { name } => (name.as_str(), "removed", ""),
        ModelEvent::Unreadable { error } => {
            detail = in_a_line(&error.mistakes);
            ("", "unreadable", detail.as_str())
        }
        ModelEvent::BuiltIn { dir } => {
            let what = "there is no such folder: the built-in model serves until it is there";
            return ModelsNotFromFiles { path: dir, what }.emit();
        }
        ModelEvent::Resumed { kept } => {
            let what =
                "the files of `models.dir` can't be used as they are: the models that served last go on";
            return ModelsNotFromFiles { path: kept, what }.emit();
        }
        ModelEvent::KeptUnusable { kept, error } => return KeptModelsUnusable { path: kept, error }.emit(),
        ModelEvent::NotKept { kept, error } => return ModelsNotKept { path: kept, error }.emit(),
    };
    ModelChanged { name, outcome, detail }.emit(metrics);
}
