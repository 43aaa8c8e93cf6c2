//! What those who watch the service rely on: metrics as Prometheus reads them, the manual that names them all, the
//! alarms as rules, and the dashboard. Judged by promtool, against a real scrape.

mod sandbox;

#[path = "monitoring/dashboard.rs"]
mod dashboard;
#[path = "monitoring/manual.rs"]
mod manual;
#[path = "monitoring/metrics.rs"]
mod metrics;
#[path = "monitoring/promql.rs"]
mod promql;
#[path = "monitoring/promtool.rs"]
mod promtool;
#[path = "monitoring/rules.rs"]
mod rules;
#[path = "monitoring/scrape.rs"]
mod scrape;

use std::path::PathBuf;

/// A file of the repository.
fn file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Its text.
fn text(path: &str) -> String {
    std::fs::read_to_string(file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
