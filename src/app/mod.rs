//! The composition root: builds the parts, starts them, watches over them, and drains them.
//!
//! Every task has an owner and a stop signal. A part that ends before it is told to takes the
//! process down: a service that lives on with a dead worker would only grow stale.

mod build;
mod readiness;
mod watched;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::http;
use crate::ingest::IngestError;
use crate::ingest::pipeline::Ingestion;
use crate::log::LogError;
use crate::models::ModelsError;
use crate::serving::server::ServerError;
use crate::serving::{self, Condition, Shared};
use crate::telemetry::disk_space;

/// Why the service can't start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Another process uses the data folder.
    #[error(
        "{path} is in use by another process: stop it, or give this one a folder of its own with --set data.dir=DIR"
    )]
    DataInUse {
        /// The lock file.
        path: String,
    },
    /// The data folder can't be used.
    #[error("data folder {path}: {source}")]
    Data {
        /// The folder.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A port can't be bound.
    #[error("can't listen on {addr} ({source}): choose another address with --set {key}=127.0.0.1:PORT")]
    Bind {
        /// The option that says where.
        key: &'static str,
        /// Where.
        addr: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The models can't be used.
    #[error(transparent)]
    Models(#[from] ModelsError),
    /// The log can't be used.
    #[error("log: {0}")]
    Log(#[from] LogError),
    /// Records can't be turned into state.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// A stop took too long.
    #[error(
        "state was not saved within `server.shutdown_grace` ({0:?}): nothing is lost, but the next start has to read \
         more of the log"
    )]
    Overdue(Duration),
    /// A server failed.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The HTTP port failed.
    #[error("HTTP server: {0}")]
    Http(#[from] std::io::Error),
    /// A part panicked.
    #[error("{0} stopped unexpectedly")]
    Died(&'static str),
}

/// How a part of the service ended.
type Ended = (&'static str, Result<(), AppError>);

/// A running service.
pub struct App {
    grpc_addr: SocketAddr,
    http_addr: SocketAddr,
    shared: Arc<Shared>,
    grace: Duration,
    stop_workers: watch::Sender<bool>,
    stop_servers: watch::Sender<bool>,
    servers: Vec<JoinHandle<()>>,
    background: Vec<JoinHandle<()>>,
    readiness: JoinHandle<()>,
    workers: JoinHandle<Result<(), AppError>>,
    ended: mpsc::UnboundedReceiver<Ended>,
    // Held until the end: it keeps other processes out of the data folder.
    _lock: std::fs::File,
}

impl App {
    /// Builds and starts everything. The service answers at once and is ready once it has caught
    /// up with the log.
    ///
    /// # Errors
    /// What it was told to use can't be used.
    pub async fn start(config: &Config) -> Result<Self, AppError> {
        let lock = build::lock(&config.data.dir)?;
        let grpc = build::bind("server.grpc_addr", config.server.grpc_addr).await?;
        let http = build::bind("server.http_addr", config.server.http_addr).await?;
        let (grpc_addr, http_addr) = (grpc.local_addr()?, http.local_addr()?);
        let address = match &*config.server.advertised_addr {
            "" => grpc_addr.to_string(),
            address => address.to_owned(),
        };
        let parts = build::build(config, address).await?;
        let shared = Arc::clone(&parts.shared);

        let (ended_sender, ended) = mpsc::unbounded_channel();
        let (stop_servers, stopping) = watch::channel(false);
        let (stop_workers, workers_stopping) = watch::channel(false);
        let (health_reporter, health) = tonic_health::server::health_reporter();
        readiness::report(&health_reporter, false).await;
        let app = Self {
            grpc_addr,
            http_addr,
            grace: config.server.shutdown_grace,
            servers: vec![
                serve_grpc(grpc, Arc::clone(&shared), health, stopping.clone(), ended_sender.clone()),
                serve_http(http, Arc::clone(&shared), stopping, ended_sender.clone()),
            ],
            background: vec![
                build::refresh_pools(Arc::clone(&shared), config.server.pool_refresh, ended_sender.clone()),
                disk_space::watch(config.data.dir.clone(), Arc::clone(&shared.metrics)),
                build::watch_models(Arc::clone(&shared), parts.watcher, config.models.poll_interval),
            ],
            readiness: readiness::watch(
                Arc::clone(&shared),
                Arc::clone(&parts.progress),
                readiness::Limits { max_lag: config.ingest.max_lag, max_silence: config.ingest.max_silence },
                health_reporter,
            ),
            workers: ingest(parts.ingestion, workers_stopping, ended_sender),
            stop_workers,
            stop_servers,
            ended,
            shared,
            _lock: lock,
        };
        Ok(app)
    }

    /// Where gRPC is served.
    pub fn grpc_addr(&self) -> SocketAddr {
        self.grpc_addr
    }

    /// Where metrics and health are served.
    pub fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// Whether requests should be sent to it.
    pub fn is_ready(&self) -> bool {
        self.shared.condition.load().ready
    }

    /// Runs until `signal` resolves or a part ends by itself, then stops.
    ///
    /// # Errors
    /// A part ended by itself, or the last snapshots could not be written.
    pub async fn run_until(mut self, signal: impl Future<Output = ()>) -> Result<(), AppError> {
        let ended = tokio::select! {
            () = signal => None,
            ended = self.ended.recv() => ended,
        };
        let failure = ended.map(|(part, result)| result.err().unwrap_or(AppError::Died(part)));
        if let Some(error) = &failure {
            tracing::error!(%error, "stopping");
        }
        // Ingestion tells by its own result what went wrong with it.
        self.stop().await.and(failure.map_or(Ok(()), Err))
    }

    /// Stops accepting, lets requests finish, takes the last snapshots, all within the grace.
    ///
    /// # Errors
    /// The last snapshots could not be written: the next start replays more of the log.
    pub async fn stop(mut self) -> Result<(), AppError> {
        tracing::info!("draining");
        // It must not say that all is well again.
        self.readiness.abort();
        let _ = (&mut self.readiness).await;
        self.shared.condition.store(Arc::new(Condition::stopping()));
        // The receivers are the servers: if they are gone there is nothing to stop.
        let _ = self.stop_servers.send(true);
        let begun = tokio::time::Instant::now();
        let deadline = begun + self.grace / 2;
        for server in self.servers {
            let abort = server.abort_handle();
            if tokio::time::timeout_at(deadline, server).await.is_err() {
                abort.abort();
            }
        }
        for task in self.background {
            task.abort();
        }
        let _ = self.stop_workers.send(true);
        let stopped = tokio::time::timeout_at(begun + self.grace, self.workers).await;
        tracing::info!("stopped");
        match stopped {
            Ok(stopped) => stopped.unwrap_or(Err(AppError::Died("ingestion"))),
            Err(_) => Err(AppError::Overdue(self.grace)),
        }
    }
}

/// Feeds state. What is returned ends when the workers were told to stop and the last snapshots are
/// written.
fn ingest(
    ingestion: Ingestion,
    stop: watch::Receiver<bool>,
    ended: mpsc::UnboundedSender<Ended>,
) -> JoinHandle<Result<(), AppError>> {
    tokio::spawn(async move {
        let result = ingestion.run(stop).await;
        if let Err(error) = &result {
            tracing::error!(%error, "ingestion ended");
        }
        // The app notices that ingestion is over, and takes the result from the join handle.
        let _ = ended.send(("ingestion", Err(AppError::Died("ingestion"))));
        Ok(result?)
    })
}

fn serve_grpc(
    listener: TcpListener,
    shared: Arc<Shared>,
    health: tonic_health::pb::health_server::HealthServer<impl tonic_health::pb::health_server::Health>,
    stopping: watch::Receiver<bool>,
    ended: mpsc::UnboundedSender<Ended>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let result = serving::server::serve(listener, shared, health, told(stopping)).await;
        // The receiver lives as long as the app: without it nobody is left to be told.
        let _ = ended.send(("the gRPC server", result.map_err(AppError::from)));
    })
}

fn serve_http(
    listener: TcpListener,
    shared: Arc<Shared>,
    stopping: watch::Receiver<bool>,
    ended: mpsc::UnboundedSender<Ended>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let result = http::serve(listener, shared, told(stopping)).await;
        let _ = ended.send(("the HTTP server", result.map_err(AppError::from)));
    })
}

/// Resolves when the sender says so, or is gone.
async fn told(mut stopping: watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}
