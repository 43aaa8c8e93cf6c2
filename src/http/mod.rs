//! The HTTP side port: metrics and health for machines.

mod accept;

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::health::ServingStatus;
use crate::telemetry::Exposition;

/// Whom the port tells of.
pub trait Watched: Send + Sync + 'static {
    /// The metrics of now.
    fn metrics(&self, exposition: Exposition) -> String;

    /// How it is.
    fn status(&self) -> Arc<ServingStatus>;
}

/// Serves on a bound listener until `shutdown` resolves.
///
/// # Errors
/// The listener fails.
pub async fn serve(
    listener: TcpListener,
    watched: Arc<impl Watched>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(watched);
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
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
