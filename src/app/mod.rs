//! The composition root: builds the parts, starts them, watches over them, and stops them.
//!
//! Every task has a name, an owner and a stop signal. One that ends before it is told to takes the
//! process down: a service that lives on with a dead part would only grow stale. They stop in
//! stages, each a set of [`Tasks`] under one root:
//!
//! 1. readiness: from now on nobody is told that all is well, but requests are still served, for as
//!    long as those who spread them may take to notice (`server.shutdown_delay`);
//! 2. the servers: listeners close, requests under way are finished;
//! 3. what keeps answers fresh;
//! 4. ingestion: workers stop, state is saved, the group is left;
//! 5. the log is closed.
//!
//! From the second on all of it happens within `server.shutdown_grace`.

mod build;
mod error;
mod readiness;
mod watched;

use std::fs::File;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::clock::wall_clock;
use crate::config::Config;
use crate::data_folder;
use crate::engine::events::event::Timestamp;
use crate::health::{Health, Limits, ServingStatus};
use crate::http;
use crate::log::Log;
use crate::serving::server::Server;
use crate::serving::{GrpcHealth, Shadow};
use crate::state::limits;
use crate::state::ranker::Ranker;
use crate::state::refresh::refresh_pools;
use crate::tasks::{TaskError, Tasks};
use crate::telemetry::{Metrics, disk_space};

pub use error::AppError;

use build::Parts;
use readiness::Readiness;
use watched::Watched;

/// A running service.
pub struct App {
    grpc_addr: SocketAddr,
    http_addr: SocketAddr,
    look: Arc<Notify>,
    log: Arc<dyn Log>,
    ranker: Arc<Ranker>,
    health: Arc<Health>,
    delay: Duration,
    grace: Duration,
    stages: Stages,
    grpc_health: GrpcHealth,
    // Held until the log is closed: it keeps other processes out of the data folder.
    lock: File,
}

/// The tasks, by when they stop.
struct Stages {
    readiness: Tasks,
    servers: Tasks,
    background: Tasks,
    ingestion: Tasks,
}

impl Stages {
    fn new() -> Self {
        let root = CancellationToken::new();
        let stage = || Tasks::new(root.child_token());
        Self { readiness: stage(), servers: stage(), background: stage(), ingestion: stage() }
    }

    /// What goes wrong first.
    async fn failure(&mut self) -> TaskError {
        tokio::select! {
            error = self.readiness.failure() => error,
            error = self.servers.failure() => error,
            error = self.background.failure() => error,
            error = self.ingestion.failure() => error,
        }
    }
}

impl App {
    /// Builds and starts everything. The service answers at once and is ready once it has caught
    /// up with the log.
    ///
    /// # Errors
    /// What it was told to use can't be used.
    pub async fn start(config: &Config) -> Result<Self, AppError> {
        let (about, metrics) = (config.about(Timestamp(wall_clock())), Arc::new(Metrics::new()));
        about.introduce();
        metrics.built_from(about.version, about.commit);
        let lock = data_folder::lock(&config.data.dir).await?;
        let (grpc, grpc_addr) = build::bind("server.grpc_addr", config.server.grpc_addr).await?;
        let (http, http_addr) = build::bind("server.http_addr", config.server.http_addr).await?;
        let address = match &*config.server.advertised_addr {
            "" => grpc_addr.to_string(),
            address => address.to_owned(),
        };
        let parts = build::build(config, address, metrics).await?;
        let (grpc_health, health_service) = GrpcHealth::not_ready().await;
        let (shadow, shadowing) =
            Shadow::of(&config.models.shadow, config.models.shadow_every, &parts.metrics).unzip();
        let serving = parts.serving(config, about, shadow);
        let Parts { log, ranker, health, admission, metrics, clock, models, progress, ingestion } = parts;

        let mut stages = Stages::new();
        let stop = stages.servers.token().clone().cancelled_owned();
        let server = Server::new(serving, Arc::clone(&admission), health_service, http_addr.port())?;
        let web = server.web(&config.server.cors_origins)?;
        stages.servers.spawn("the gRPC server", server.serve(grpc, stop));
        let stop = stages.servers.token().clone().cancelled_owned();
        let watched = Watched {
            ranker: Arc::clone(&ranker),
            health: Arc::clone(&health),
            admission,
            metrics: Arc::clone(&metrics),
        };
        stages.servers.spawn("the HTTP server", http::serve(http, Arc::new(watched), web, stop));
        let background = &mut stages.background;
        if let Some(shadowing) = shadowing {
            let compared = shadowing.run(Arc::clone(&ranker), Arc::clone(&clock));
            background.spawn_endless("the comparison with the shadow", compared);
        }
        let fresh = (Arc::clone(&ranker), Arc::clone(&clock), Arc::clone(&metrics));
        let refresh = refresh_pools(fresh, config.server.pool_refresh);
        background.spawn_endless("the refresh of the pools", refresh);
        let look = Arc::new(Notify::new());
        let models = models.follow(config.models.poll_interval, Arc::clone(&look));
        background.spawn_endless("the watch over the models", models);
        background.spawn_endless("the watch over limits", limits::watch(Arc::clone(ranker.state())));
        let disk = disk_space::watch(config.data.dir.clone(), Arc::clone(&metrics));
        background.spawn_endless("the watch over the disk", disk);
        let readiness = Readiness {
            log: Arc::clone(&log),
            ranker: Arc::clone(&ranker),
            progress,
            clock,
            limits: Limits {
                max_lag: config.ingest.max_lag,
                max_silence: config.ingest.max_silence,
                max_clock_skew: config.stream.max_clock_skew,
                max_open_transaction: config.ingest.max_open_transaction,
            },
            health: Arc::clone(&health),
            metrics,
            grpc: grpc_health.clone(),
        };
        stages.readiness.spawn_endless("readiness", readiness.watch());
        let stop = stages.ingestion.token().clone();
        stages.ingestion.spawn("ingestion", ingestion.run(stop));

        let (delay, grace) = (config.server.shutdown_delay, config.server.shutdown_grace);
        Ok(Self { grpc_addr, http_addr, look, log, ranker, health, delay, grace, stages, grpc_health, lock })
    }

    /// Where gRPC is served.
    pub fn grpc_addr(&self) -> SocketAddr {
        self.grpc_addr
    }

    /// Where metrics and health are served, and RPCs to those who don't speak gRPC.
    pub fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// The models that serve, with their versions, in a line.
    pub fn models(&self) -> String {
        let models = self.ranker.models();
        models.iter().map(|model| format!("{} {}", model.name, model.version)).collect::<Vec<_>>().join(", ")
    }

    /// Has the model files looked at when it is notified.
    pub fn look_at_models(&self) -> Arc<Notify> {
        Arc::clone(&self.look)
    }

    /// Whether requests should be sent to it.
    pub fn is_ready(&self) -> bool {
        self.health.status().ready
    }

    /// Runs until `signal` resolves or a task ends by itself, then stops.
    ///
    /// # Errors
    /// A task ended by itself, or the last snapshots could not be written.
    pub async fn run_until(mut self, signal: impl Future<Output = ()>) -> Result<(), AppError> {
        let failure = tokio::select! {
            () = signal => None,
            error = self.stages.failure() => Some(error),
        };
        self.shut_down(failure).await
    }

    /// Tells that it is about to stop, serves on for a while, lets requests finish, and saves state.
    ///
    /// # Errors
    /// The last snapshots could not be written: the next start replays more of the log.
    pub async fn stop(self) -> Result<(), AppError> {
        self.shut_down(None).await
    }

    async fn shut_down(mut self, failure: Option<TaskError>) -> Result<(), AppError> {
        match &failure {
            Some(error) => tracing::error!(%error, "stopping"),
            None => tracing::info!("stopping"),
        }
        let failed = self.turn_away().await;
        let failure = failure.or(failed);
        let begun = Instant::now();
        tracing::info!("draining");
        let saved = self.drain(begun).await;
        let Self { log, ranker, lock, .. } = self;
        close(log, ranker, lock, begun + self.grace).await;
        // What went wrong first is what is told last.
        let result = match (failure, saved) {
            (Some(failure), saved) => {
                if let Err(error) = saved {
                    tracing::error!(%error, "while stopping");
                }
                Err(failure.into())
            }
            (None, saved) => saved,
        };
        match &result {
            Ok(()) => tracing::info!("stopped"),
            Err(error) => tracing::error!(%error, "stopped"),
        }
        result
    }

    /// Tells that no more requests should come, and serves those that come until that has got about.
    /// Returns early with what goes wrong meanwhile.
    async fn turn_away(&mut self) -> Option<TaskError> {
        // It must not say that all is well again.
        self.stages.readiness.abort().await;
        self.health.set(ServingStatus::stopping(), Timestamp(wall_clock()));
        self.grpc_health.set_ready(false).await;
        timeout(self.delay, self.stages.failure()).await.ok()
    }

    /// Lets requests finish within half of the grace, and saves state within the rest.
    async fn drain(&mut self, begun: Instant) -> Result<(), AppError> {
        let Stages { servers, background, ingestion, .. } = &mut self.stages;
        servers.stop();
        self.grpc_health.dismiss_watchers().await;
        let served = timeout_at(begun + self.grace / 2, servers.finish()).await;
        // Callers that never end are left alone.
        servers.abort().await;
        background.abort().await;
        ingestion.stop();
        match timeout_at(begun + self.grace, ingestion.finish()).await {
            Ok(saved) => Ok(saved.and(served.unwrap_or(Ok(())))?),
            Err(_) => Err(AppError::Overdue(self.grace)),
        }
    }
}

/// Closes the log, for which a broker that is gone may keep one waiting: until the deadline.
/// State may be large, so it is freed there too.
async fn close(log: Arc<dyn Log>, ranker: Arc<Ranker>, lock: File, deadline: Instant) {
    let closing = tokio::task::spawn_blocking(move || {
        log.close();
        drop((log, lock, ranker));
    });
    if timeout_at(deadline, closing).await.is_err() {
        tracing::warn!("the log was not closed in time");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::future::pending;

    use super::*;

    async fn app(dir: &std::path::Path) -> App {
        let set = [
            format!("data.dir={}", dir.display()),
            format!("models.dir={}", dir.join("models").display()),
            "server.grpc_addr=127.0.0.1:0".to_owned(),
            "server.http_addr=127.0.0.1:0".to_owned(),
            "server.shutdown_delay=0s".to_owned(),
        ];
        let config = Config::load(None, &BTreeMap::new(), &set).expect("a valid configuration");
        App::start(&config).await.expect("it starts")
    }

    #[tokio::test]
    async fn a_task_that_ends_by_itself_takes_every_stage_down_and_is_named() {
        let stage: [fn(&mut Stages) -> &mut Tasks; 4] = [
            |stages| &mut stages.readiness,
            |stages| &mut stages.servers,
            |stages| &mut stages.background,
            |stages| &mut stages.ingestion,
        ];
        for stage in stage {
            let dir = tempfile::tempdir().expect("a folder");
            let mut app = app(dir.path()).await;
            stage(&mut app.stages).spawn("the hasty one", async {});
            let error = app.run_until(pending()).await.expect_err("it goes down");
            assert_eq!(error.to_string(), "the hasty one stopped unexpectedly");
        }
    }

    #[tokio::test]
    async fn a_task_that_panics_takes_it_down_and_is_named() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut app = app(dir.path()).await;
        app.stages.background.spawn_endless("the nervous one", async { panic!("too much") as () });
        let error = app.run_until(pending()).await.expect_err("it goes down");
        assert_eq!(error.to_string(), "the nervous one panicked: too much");
    }
}
