//! What this process is, by its configuration.

use crate::clock::wall_clock;
use crate::config::Config;
use crate::engine::events::event::Timestamp;
use crate::health::{About, COMMIT, VERSION};
use crate::telemetry::Metrics;

pub(super) fn about(config: &Config) -> About {
    let log = config.kafka().map_or_else(
        || format!("journal in {}", config.journal.dir.display()),
        |kafka| format!("Kafka at {}", kafka.brokers),
    );
    About {
        version: VERSION,
        commit: COMMIT,
        configuration: config.origins(),
        configuration_hash: config.hash(),
        data_dir: config.data.dir.display().to_string(),
        models_dir: config.models.dir.display().to_string(),
        log,
        started_at: Timestamp(wall_clock()),
    }
}

/// Tells it, as the first thing that is told.
pub(super) fn introduce(about: &About, metrics: &Metrics) {
    let About { version, commit, configuration, configuration_hash, data_dir, models_dir, log, .. } = about;
    tracing::info!(version, commit, configuration, configuration_hash, data_dir, models_dir, log, "starting");
    metrics.built_from(version, commit);
}
