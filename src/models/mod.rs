//! Scoring models: files in a folder, validated against the stream's configuration, read again while the
//! service runs.

mod file;
mod follow;
mod load;
mod settings;
mod watch;

pub use file::{ModelError, parse_model};
pub use follow::watch_models;
pub(crate) use load::is_model_name;
pub use load::{BUILT_IN_MODEL, ModelSet, ModelsError};
pub use settings::ModelsSettings;
pub use watch::{ModelEvent, ModelWatcher};
