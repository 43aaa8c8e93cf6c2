//! What the service is made of, and the small tasks that keep it fresh.

use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::feeds::Progress;
use super::ingestion::Ingestion;
use super::recovery;
use super::{AppError, Ended, wall_clock};
use crate::config::{Config, ModelEvent, ModelWatcher};
use crate::engine::event::Timestamp;
use crate::ingest::Log;
use crate::ingest::journal::JournalLog;
use crate::ingest::kafka::KafkaLog;
use crate::serving::admission::Admission;
use crate::serving::{Condition, PoolCache, Shared};
use crate::telemetry::Metrics;
use crate::telemetry::events::ModelChanged;

/// Everything that is started.
pub(super) struct Parts {
    pub shared: Arc<Shared>,
    pub watcher: ModelWatcher,
    pub progress: Arc<Progress>,
    pub ingestion: Ingestion,
}

/// Keeps other processes out of a data folder for as long as the file is held.
pub(super) fn lock(dir: &Path) -> Result<File, AppError> {
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

pub(super) async fn bind(key: &'static str, addr: SocketAddr) -> Result<TcpListener, AppError> {
    TcpListener::bind(addr).await.map_err(|source| AppError::Bind { key, addr, source })
}

pub(super) async fn build(config: &Config, address: String) -> Result<Parts, AppError> {
    let watcher = ModelWatcher::new(&config.models.dir, &config.models.default, &config.stream)?;
    let metrics = Arc::new(Metrics::new());
    if config.kafka().is_none() {
        metrics.journal_keep_free.set(i64::try_from(config.journal.keep_free).unwrap_or(i64::MAX));
    }
    let log = open_log(config).await?;
    let recovered = recovery::recover(config, &log, &metrics).await?;
    let store = Arc::clone(&recovered.store);
    let progress = Arc::new(Progress::default());
    let shared = Arc::new(Shared {
        models: Arc::new(ArcSwap::new(watcher.current())),
        pools: PoolCache::new(Arc::clone(&store)),
        store,
        log,
        admission: Arc::new(Admission::new(config.server.admission.clone(), &metrics.shed)),
        metrics,
        clock: Arc::new(wall_clock),
        condition: ArcSwap::from_pointee(Condition::starting()),
        stopped: Arc::default(),
    });
    let ingestion = Ingestion::new(config, &shared, recovered, Arc::clone(&progress), address)?;
    Ok(Parts { shared, watcher, progress, ingestion })
}

async fn open_log(config: &Config) -> Result<Arc<dyn Log>, AppError> {
    let (kafka, journal) = (config.kafka().cloned(), config.journal.clone());
    let open = move || -> Result<Arc<dyn Log>, AppError> {
        match kafka {
            Some(kafka) => Ok(Arc::new(KafkaLog::open(kafka)?)),
            None => Ok(Arc::new(JournalLog::open(journal, Arc::new(wall_clock))?)),
        }
    };
    tokio::task::spawn_blocking(open).await.map_err(|_| AppError::Died("opening the log"))?
}

/// Recomputes the pools of now, again and again, on a thread of its own: it takes milliseconds of
/// computing, which would hold up requests.
pub(super) fn refresh_pools(
    shared: Arc<Shared>,
    interval: Duration,
    ended: mpsc::UnboundedSender<Ended>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            let started = Instant::now();
            let refreshing = Arc::clone(&shared);
            let refresh = tokio::task::spawn_blocking(move || {
                let now = refreshing.store.now(Timestamp((refreshing.clock)()));
                refreshing.pools.refresh(&refreshing.models.load(), now);
            });
            if refresh.await.is_err() {
                let _ =
                    ended.send(("the refresh of the pools", Err(AppError::Died("the refresh of the pools"))));
                return;
            }
            shared.metrics.pool_refresh.set(started.elapsed().as_secs_f64());
            tokio::time::sleep(interval.saturating_sub(started.elapsed())).await;
        }
    })
}

/// Takes changed models over.
pub(super) fn watch_models(shared: Arc<Shared>, watcher: ModelWatcher, interval: Duration) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut watcher = watcher;
        loop {
            tokio::time::sleep(interval).await;
            let looking = tokio::task::spawn_blocking(move || {
                let events = watcher.reload();
                (watcher, events)
            });
            let Ok((back, events)) = looking.await else { return };
            watcher = back;
            if !events.is_empty() {
                shared.models.store(watcher.current());
                events.iter().for_each(|event| tell(event, &shared.metrics));
            }
        }
    })
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
