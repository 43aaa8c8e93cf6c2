//! What the service is made of.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use super::error::AppError;
use crate::clock::{Clock, wall_clock};
use crate::config::{Config, Source};
use crate::engine::events::event::Timestamp;
use crate::health::{About, Health, ServingStatus};
use crate::ingest::apply::Progress;
use crate::ingest::factory::IngestParts;
use crate::ingest::ingestion::Ingestion;
use crate::ingest::{IngestError, recovery};
use crate::log::Log;
use crate::log::Topic;
use crate::log::kafka::PATIENCE;
use crate::log::open::open;
use crate::models::{LastGood, ModelEvent, ModelFollower, ModelWatcher, ModelsError, ModelsSettings, Tells};
use crate::serving::admission::Admission;
use crate::serving::{ServingParts, Shadow};
use crate::snapshot::SnapshotStore;
use crate::state::State;
use crate::state::ranker::Ranker;
use crate::telemetry::Metrics;

/// After how long it is told that brokers are waited for.
const SLOW: Duration = Duration::from_secs(1);

/// Everything that is started.
pub(super) struct Parts {
    pub log: Arc<dyn Log>,
    pub ranker: Arc<Ranker>,
    pub health: Arc<Health>,
    pub admission: Arc<Admission>,
    pub metrics: Arc<Metrics>,
    pub clock: Clock,
    pub models: ModelFollower,
    pub progress: Arc<Progress>,
    pub ingestion: Ingestion,
}

/// Listens, and tells where.
pub(super) async fn bind(key: &'static str, addr: SocketAddr) -> Result<(TcpListener, SocketAddr), AppError> {
    let failed = |source| AppError::Bind { key, addr, source };
    let listener = TcpListener::bind(addr).await.map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    Ok((listener, addr))
}

pub(super) async fn build(
    config: &Config,
    address: String,
    metrics: Arc<Metrics>,
) -> Result<Parts, AppError> {
    let (watcher, events) = open_models(config).await?;
    let ModelsSettings { dir, shadow, .. } = &config.models;
    if !shadow.is_empty() && watcher.current().get(shadow).is_none() {
        return Err(ModelsError::missing(shadow, "models.shadow", dir, &watcher.current()).into());
    }
    if config.kafka().is_none() {
        metrics.journal_keep_free.set(i64::try_from(config.journal.keep_free).unwrap_or(i64::MAX));
    }
    let log = open_log(config, &metrics).await?;
    let snapshots = open_snapshots(config, &log).await?;
    let state = if config.is_shared() {
        Arc::new(State::away(Arc::clone(snapshots.config()), snapshots.partitions()))
    } else {
        recovery::restore(&snapshots, &log, &metrics, config.ingest.accept_gap).await?
    };
    let progress = Arc::new(Progress::default());
    let clock: Clock = Arc::new(wall_clock);
    let health = Arc::new(Health::new(ServingStatus::starting(), Timestamp(clock())));
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
    let tells =
        Tells { metrics: Arc::clone(&metrics), health: Arc::clone(&health), clock: Arc::clone(&clock) };
    let models = ModelFollower::new(Arc::clone(&ranker), watcher, &events, tells);
    let admission = Arc::new(Admission::new(config.server.admission.clone(), &metrics.shed));
    Ok(Parts { log, ranker, health, admission, metrics, clock, models, progress, ingestion })
}

impl Parts {
    /// What serves requests.
    pub fn serving(&self, config: &Config, about: About, shadow: Option<Shadow>) -> ServingParts {
        ServingParts {
            ranker: Arc::clone(&self.ranker),
            log: Arc::clone(&self.log),
            health: Arc::clone(&self.health),
            about: Arc::new(about),
            metrics: Arc::clone(&self.metrics),
            clock: Arc::clone(&self.clock),
            slow_request: config.server.slow_request,
            shadow,
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

async fn open_models(config: &Config) -> Result<(ModelWatcher, Vec<ModelEvent>), AppError> {
    let (settings, stream) = (config.models.clone(), config.stream.clone());
    let last_good = LastGood::in_folder(&config.data.dir);
    let is_configured = config.source("models.dir") != Source::Default;
    let start = move || Ok(ModelWatcher::start(&settings, is_configured, &stream, last_good)?);
    aside("reading the models", start).await
}

async fn open_log(config: &Config, metrics: &Metrics) -> Result<Arc<dyn Log>, AppError> {
    let (kafka, journal) = (config.kafka().cloned(), config.journal.clone());
    let trouble = Arc::clone(&metrics.log_trouble);
    let mut opening = pin!(aside("opening the log", move || Ok(open(kafka, journal, trouble)?)));
    if let Some(kafka) = config.kafka() {
        tokio::select! {
            opened = &mut opening => return opened,
            () = tokio::time::sleep(SLOW) => {
                let (brokers, patience) = (&kafka.brokers, (PATIENCE - SLOW).as_secs());
                tracing::warn!("waiting for Kafka at {brokers}, giving up in {patience} s");
            }
        }
    }
    opening.await
}

/// Does a step that may block on a thread that may be blocked.
async fn aside<T: Send + 'static>(
    what: &'static str,
    step: impl FnOnce() -> Result<T, AppError> + Send + 'static,
) -> Result<T, AppError> {
    tokio::task::spawn_blocking(step).await.map_err(|_| AppError::Died(what))?
}
