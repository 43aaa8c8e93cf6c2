//! What the service is made of, and the small tasks that keep it fresh.

use std::convert::Infallible;
use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::task::JoinError;

use super::error::AppError;
use crate::clock::{Clock, wall_clock};
use crate::config::Config;
use crate::engine::events::event::Timestamp;
use crate::health::{Health, ServingStatus};
use crate::ingest::apply::Progress;
use crate::ingest::factory::IngestParts;
use crate::ingest::ingestion::Ingestion;
use crate::ingest::{IngestError, recovery};
use crate::log::Log;
use crate::log::Topic;
use crate::log::open::open;
use crate::models::{ModelEvent, ModelWatcher};
use crate::serving::ServingParts;
use crate::serving::admission::Admission;
use crate::snapshot::SnapshotStore;
use crate::state::State;
use crate::state::ranker::Ranker;
use crate::telemetry::Metrics;
use crate::telemetry::events::ModelChanged;

/// Everything that is started.
pub(super) struct Parts {
    pub log: Arc<dyn Log>,
    pub ranker: Arc<Ranker>,
    pub health: Arc<Health>,
    pub admission: Arc<Admission>,
    pub metrics: Arc<Metrics>,
    pub clock: Clock,
    pub watcher: ModelWatcher,
    pub progress: Arc<Progress>,
    pub ingestion: Ingestion,
}

/// Keeps other processes out of a data folder for as long as the file is held.
pub(super) async fn lock(dir: &Path) -> Result<File, AppError> {
    let dir = dir.to_owned();
    aside("locking the data folder", move || lock_now(&dir)).await
}

fn lock_now(dir: &Path) -> Result<File, AppError> {
    let failed = |source| AppError::Data { path: dir.display().to_string(), source };
    std::fs::create_dir_all(dir).map_err(failed)?;
    let path = dir.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(AppError::DataInUse { path: dir.display().to_string() }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Listens, and tells where.
pub(super) async fn bind(key: &'static str, addr: SocketAddr) -> Result<(TcpListener, SocketAddr), AppError> {
    let failed = |source| AppError::Bind { key, addr, source };
    let listener = TcpListener::bind(addr).await.map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    Ok((listener, addr))
}

pub(super) async fn build(config: &Config, address: String) -> Result<Parts, AppError> {
    let (models, stream) = (config.models.clone(), config.stream.clone());
    let watcher =
        aside("reading the models", move || Ok(ModelWatcher::new(&models.dir, &models.default, &stream)?));
    let watcher = watcher.await?;
    let metrics = Arc::new(Metrics::new());
    if config.kafka().is_none() {
        metrics.journal_keep_free.set(i64::try_from(config.journal.keep_free).unwrap_or(i64::MAX));
    }
    let log = open_log(config).await?;
    let snapshots = open_snapshots(config, &log).await?;
    let state = if config.is_shared() {
        Arc::new(State::away(Arc::clone(snapshots.config()), snapshots.partitions()))
    } else {
        recovery::restore(&snapshots, &log, &metrics, config.ingest.accept_gap).await?
    };
    let progress = Arc::new(Progress::default());
    let health = Arc::new(Health::new(ServingStatus::starting()));
    let clock: Clock = Arc::new(wall_clock);
    let parts = IngestParts {
        state: Arc::clone(&state),
        snapshots,
        log: Arc::clone(&log),
        metrics: Arc::clone(&metrics),
        clock: Arc::clone(&clock),
        stopped: Arc::clone(health.stopped()),
        progress: Arc::clone(&progress),
    };
    let ingestion = Ingestion::new(config.ingest.clone(), config.snapshot.interval, parts, address);
    let ranker = Arc::new(Ranker::new(state, watcher.current()));
    let admission = Arc::new(Admission::new(config.server.admission.clone(), &metrics.shed));
    Ok(Parts { log, ranker, health, admission, metrics, clock, watcher, progress, ingestion })
}

impl Parts {
    /// What serves requests.
    pub fn serving(&self, config: &Config) -> ServingParts {
        ServingParts {
            ranker: Arc::clone(&self.ranker),
            log: Arc::clone(&self.log),
            health: Arc::clone(&self.health),
            metrics: Arc::clone(&self.metrics),
            clock: Arc::clone(&self.clock),
            slow_request: config.server.slow_request,
        }
    }
}

async fn open_snapshots(config: &Config, log: &Arc<dyn Log>) -> Result<SnapshotStore, AppError> {
    let partitions = recovery::ask(log, |log| log.partitions(Topic::Clicks)).await?;
    let (settings, stream) = (config.snapshot.clone(), Arc::new(config.stream.clone()));
    let topic = log.name(Topic::Clicks).to_owned();
    let open = move || {
        let opened =
            SnapshotStore::open(&settings.location, &settings.s3, &topic, partitions, stream, settings.keep);
        Ok(opened.map_err(IngestError::from)?)
    };
    aside("opening the snapshots", open).await
}

async fn open_log(config: &Config) -> Result<Arc<dyn Log>, AppError> {
    let (kafka, journal) = (config.kafka().cloned(), config.journal.clone());
    aside("opening the log", move || Ok(open(kafka, journal)?)).await
}

/// Does a step that may block on a thread that may be blocked.
async fn aside<T: Send + 'static>(
    what: &'static str,
    step: impl FnOnce() -> Result<T, AppError> + Send + 'static,
) -> Result<T, AppError> {
    tokio::task::spawn_blocking(step).await.map_err(|_| AppError::Died(what))?
}

/// Recomputes the pools of now, again and again, on a thread of its own: it takes milliseconds of
/// computing, which would hold up requests.
pub(super) async fn refresh_pools(
    (ranker, clock, metrics): (Arc<Ranker>, Clock, Arc<Metrics>),
    interval: Duration,
) -> Result<Infallible, JoinError> {
    loop {
        let started = Instant::now();
        let (refreshing, clock) = (Arc::clone(&ranker), Arc::clone(&clock));
        let refresh = move || refreshing.refresh(now(&refreshing, &clock));
        tokio::task::spawn_blocking(refresh).await?;
        metrics.pool_refresh.set(started.elapsed().as_secs_f64());
        // What comes right after a refresh has begun is in the pools once the next one has ended: within the
        // interval, if that takes as long. Where it takes long, as during a replay, it must not be all that is
        // done.
        let took = started.elapsed();
        tokio::time::sleep(2 * took).await;
        // A partition that has come does not answer before the next refresh.
        let _ = tokio::time::timeout(interval.saturating_sub(4 * took), ranker.state().arrival()).await;
    }
}

/// Takes changed models over.
pub(super) async fn watch_models(
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
                loading.load(watcher.current(), now(&loading, &clock));
            }
            (watcher, events)
        });
        let events;
        (watcher, events) = looking.await?;
        events.iter().for_each(|event| tell(event, &metrics));
    }
}

/// The instant that requests of now are answered for.
fn now(ranker: &Ranker, clock: &Clock) -> Timestamp {
    ranker.state().now(Timestamp(clock()))
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::engine::config::StreamConfig;
    use crate::engine::facts::state::PartitionState;
    use crate::engine::position::{Offset, Partition};
    use crate::models::ModelsSettings;
    use crate::state::Positioned;

    const LOOK: Duration = Duration::from_millis(5);

    #[tokio::test]
    async fn a_partition_that_comes_does_not_wait_for_the_next_refresh() {
        let config = Arc::new(StreamConfig::default());
        let state = Arc::new(State::away(Arc::clone(&config), 1));
        let models = ModelsSettings::default();
        let watcher = ModelWatcher::new(&models.dir, &models.default, &config).expect("the shipped models");
        let ranker = Arc::new(Ranker::new(Arc::clone(&state), watcher.current()));
        let clock: Clock = Arc::new(|| 1_700_000_000_000);
        let metrics = Arc::new(Metrics::new());
        let parts = (Arc::clone(&ranker), clock, Arc::clone(&metrics));
        let refreshing = tokio::spawn(refresh_pools(parts, Duration::from_secs(3600)));
        let minute = Duration::from_secs(60);
        let first = async {
            while metrics.pool_refresh.get() == 0.0 {
                tokio::time::sleep(LOOK).await;
            }
        };
        timeout(minute, first).await.expect("the first refresh");
        state
            .hold(Partition(0), Positioned { state: PartitionState::new(config), next_offset: Offset::ZERO });
        let known = || {
            let (pools, held) = (ranker.pools("").expect("the default model"), state.partition(Partition(0)));
            !pools.maps.is_empty() && pools.know(0, &held.expect("it is held").state)
        };
        let second = async {
            while !known() {
                tokio::time::sleep(LOOK).await;
            }
        };
        timeout(minute, second).await.expect("a refresh for the partition");
        refreshing.abort();
    }
}
