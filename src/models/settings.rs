//! The settings of models.

use std::path::PathBuf;
use std::time::Duration;

/// Where scoring models come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelsSettings {
    /// The folder of `*.toml` files.
    pub dir: PathBuf,
    /// The model that answers when a request names none.
    pub default: String,
    /// How often the folder is looked at.
    pub poll_interval: Duration,
    /// The model that is asked beside the one that serves; empty: none.
    pub shadow: String,
    /// It is asked for one list in so many.
    pub shadow_every: usize,
}

impl Default for ModelsSettings {
    fn default() -> Self {
        Self {
            dir: "./models".into(),
            default: "default".into(),
            poll_interval: Duration::from_millis(500),
            shadow: String::new(),
            shadow_every: 100,
        }
    }
}
