//! What a process is, which does not change while it runs.

use crate::engine::events::event::Timestamp;

/// The version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit that it was built from, or `unknown`.
pub const COMMIT: &str = env!("HEADWATER_COMMIT");

/// What a process is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The version of the program.
    pub version: &'static str,
    /// The commit that it was built from, or `unknown`.
    pub commit: &'static str,
    /// Where its configuration comes from.
    pub configuration: String,
    /// The hash of the configuration in force, but for secrets.
    pub configuration_hash: String,
    /// The data folder.
    pub data_dir: String,
    /// The folder of models.
    pub models_dir: String,
    /// Which log it reads.
    pub log: String,
    /// When it was started.
    pub started_at: Timestamp,
}

impl About {
    /// Says it in the log, as the first thing that is said.
    pub fn introduce(&self) {
        let Self { version, commit, configuration, configuration_hash, data_dir, models_dir, log, .. } = self;
        tracing::info!(
            version,
            commit,
            configuration,
            configuration_hash,
            data_dir,
            models_dir,
            log,
            "starting"
        );
    }
}
