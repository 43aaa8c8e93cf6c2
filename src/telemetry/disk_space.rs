//! How much room the disk of the data folder has, for whoever watches it.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::statvfs;
use tokio::task::JoinError;

use crate::telemetry::Metrics;

/// How often to look.
const LOOK: Duration = Duration::from_secs(1);

/// Keeps the metric of free bytes up to date, for ever.
///
/// # Errors
/// A look panicked.
pub async fn watch(dir: PathBuf, metrics: Arc<Metrics>) -> Result<Infallible, JoinError> {
    loop {
        let dir = dir.clone();
        // A disk that does not answer must hold up nothing else.
        let stat = tokio::task::spawn_blocking(move || statvfs(&dir)).await?;
        // One that can't be looked at raises the same alarm as one that is full.
        let free = stat.map_or(0, |stat| stat.f_bavail.saturating_mul(stat.f_frsize));
        metrics.disk_free.set(i64::try_from(free).unwrap_or(i64::MAX));
        tokio::time::sleep(LOOK).await;
    }
}
