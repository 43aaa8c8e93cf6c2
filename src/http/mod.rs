//! The HTTP port: metrics and health for machines, and RPCs for those who don't speak gRPC.

mod accept;
mod connections;

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::health::ServingStatus;
use crate::telemetry::Exposition;

/// For how long a connection may say nothing.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Whom the port tells of.
pub trait Watched: Send + Sync + 'static {
    /// The metrics of now.
    fn metrics(&self, exposition: Exposition) -> String;

    /// How it is.
    fn status(&self) -> Arc<ServingStatus>;
}

/// Serves on a bound listener until `shutdown` resolves. What is no page of ours is `rpcs`'.
pub async fn serve<R>(
    listener: TcpListener,
    watched: Arc<impl Watched>,
    rpcs: R,
    shutdown: impl Future<Output = ()> + Send + 'static,
) where
    R: tower_service::Service<Request, Response: IntoResponse, Error = Infallible, Future: Send>,
    R: Clone + Send + Sync + 'static,
{
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(watched)
        .fallback_service(rpcs);
    connections::serve(listener, router, HEAD_TIMEOUT, shutdown).await;
}

async fn metrics(State(watched): State<Arc<impl Watched>>, headers: HeaderMap) -> impl IntoResponse {
    let exposition = accept::exposition(&headers);
    ([(header::CONTENT_TYPE, exposition.content_type())], watched.metrics(exposition))
}

async fn ready(State(watched): State<Arc<impl Watched>>) -> (StatusCode, String) {
    let status = watched.status();
    let code = if status.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, status.page())
}
