//! The HTTP side port: metrics and health for machines.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::engine::index::layout::Partitions;
use crate::serving::Shared;

/// Serves on a bound listener until `shutdown` resolves.
///
/// # Errors
/// The listener fails.
pub async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(shared);
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}

async fn metrics(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    measure(&shared);
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], shared.metrics.encode())
}

async fn ready(State(shared): State<Arc<Shared>>) -> (StatusCode, String) {
    let condition = shared.condition.load();
    let status = if condition.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, condition.page())
}

/// Reads the sizes of state, which change too often to be kept up to date between scrapes.
fn measure(shared: &Shared) {
    let (mut held, mut users, mut event_ids) = (0, 0, 0);
    let (mut evicted, mut dropped, mut clamped) = (0, 0, 0);
    for partition in 0..shared.store.len() {
        shared.store.with(partition, &mut |state| {
            held += 1;
            users += state.users_len();
            event_ids += state.event_ids_len();
            let counters = state.counters();
            evicted += counters.users_evicted;
            dropped += counters.counts_dropped;
            clamped += counters.clamped;
        });
    }
    shared.metrics.partitions_held.set(held);
    shared.metrics.in_flight.set(shared.admission.in_flight() as i64);
    shared.metrics.users.set(users as i64);
    shared.metrics.event_ids.set(event_ids as i64);
    shared.metrics.users_evicted.set(evicted as i64);
    shared.metrics.counts_dropped.set(dropped as i64);
    shared.metrics.events_clamped.set(clamped as i64);
    shared.metrics.catalog_items.set(shared.store.catalog().len() as i64);
}
