//! What the service is made of, and the small tasks that keep it fresh.

use std::convert::Infallible;
use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinError;

use super::error::AppError;
use crate::clock::wall_clock;
use crate::config::Config;
use crate::engine::events::event::Timestamp;
use crate::ingest::apply::Progress;
use crate::ingest::factory::IngestParts;
use crate::ingest::ingestion::Ingestion;
use crate::ingest::{IngestError, recovery};
use crate::log::Log;
use crate::log::Topic;
use crate::log::journal::JournalLog;
use crate::log::kafka::KafkaLog;
use crate::models::{ModelEvent, ModelWatcher};
use crate::serving::admission::Admission;
use crate::serving::{Condition, INSTANTS_AT_ONCE, Shared};
use crate::snapshot::SnapshotStore;
use crate::state::Store;
use crate::state::ranker::Ranker;
use crate::telemetry::events::ModelChanged;
use crate::telemetry::{CallLog, Metrics};

/// Everything that is started.
pub(super) struct Parts {
    pub shared: Arc<Shared>,
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
    let store = if config.is_shared() {
        Arc::new(Store::away(Arc::clone(snapshots.config()), snapshots.partitions()))
    } else {
        recovery::restore(&snapshots, &log, &metrics, config.ingest.accept_gap).await?
    };
    let progress = Arc::new(Progress::default());
    let shared = Arc::new(Shared {
        ranker: Arc::new(Ranker::new(Arc::clone(&store), watcher.current())),
        instants: Semaphore::new(INSTANTS_AT_ONCE),
        store,
        log,
        admission: Arc::new(Admission::new(config.server.admission.clone(), &metrics.shed)),
        metrics,
        calls: CallLog::new(config.server.slow_request),
        clock: Arc::new(wall_clock),
        condition: ArcSwap::from_pointee(Condition::starting()),
        stopped: Arc::default(),
    });
    let parts = IngestParts {
        state: Arc::clone(&shared.store),
        snapshots,
        log: Arc::clone(&shared.log),
        metrics: Arc::clone(&shared.metrics),
        clock: Arc::clone(&shared.clock),
        stopped: Arc::clone(&shared.stopped),
        progress: Arc::clone(&progress),
    };
    let ingestion = Ingestion::new(config.ingest.clone(), config.snapshot.interval, parts, address);
    Ok(Parts { shared, watcher, progress, ingestion })
}

async fn open_snapshots(config: &Config, log: &Arc<dyn Log>) -> Result<SnapshotStore, AppError> {
    let partitions = recovery::ask(log, |log| log.partitions(Topic::Clicks)).await?;
    let (settings, stream) = (config.snapshot.clone(), Arc::new(config.stream.clone()));
    let topic = log.name(Topic::Clicks).to_owned();
    let open = move || {
        let opened =
            SnapshotStore::open(&settings.place, &settings.s3, &topic, partitions, stream, settings.keep);
        Ok(opened.map_err(IngestError::from)?)
    };
    aside("opening the snapshots", open).await
}

async fn open_log(config: &Config) -> Result<Arc<dyn Log>, AppError> {
    let (kafka, journal) = (config.kafka().cloned(), config.journal.clone());
    let open = move || -> Result<Arc<dyn Log>, AppError> {
        match kafka {
            Some(kafka) => Ok(Arc::new(KafkaLog::open(kafka)?)),
            None => Ok(Arc::new(JournalLog::open(journal, Arc::new(wall_clock))?)),
        }
    };
    aside("opening the log", open).await
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
pub(super) async fn refresh_pools(shared: Arc<Shared>, interval: Duration) -> Result<Infallible, JoinError> {
    loop {
        let started = Instant::now();
        let refreshing = Arc::clone(&shared);
        let refresh = tokio::task::spawn_blocking(move || {
            let now = refreshing.store.now(Timestamp((refreshing.clock)()));
            refreshing.ranker.refresh(now);
        });
        refresh.await?;
        shared.metrics.pool_refresh.set(started.elapsed().as_secs_f64());
        // Where a refresh takes long, as during a replay, it must not be all that is done.
        let took = started.elapsed();
        tokio::time::sleep(interval.saturating_sub(took).max(2 * took)).await;
    }
}

/// Takes changed models over.
pub(super) async fn watch_models(
    shared: Arc<Shared>,
    mut watcher: ModelWatcher,
    interval: Duration,
) -> Result<Infallible, JoinError> {
    loop {
        tokio::time::sleep(interval).await;
        let loading = Arc::clone(&shared);
        let looking = tokio::task::spawn_blocking(move || {
            let events = watcher.reload();
            if !events.is_empty() {
                let now = loading.store.now(Timestamp((loading.clock)()));
                loading.ranker.load(watcher.current(), now);
            }
            (watcher, events)
        });
        let events;
        (watcher, events) = looking.await?;
        events.iter().for_each(|event| tell(event, &shared.metrics));
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
