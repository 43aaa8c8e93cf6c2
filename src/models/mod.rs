//! Scoring models: files in a folder, validated against the stream's configuration, read again while the
//! service runs.

mod file;
mod follow;
mod forest;
mod last_good;
mod load;
mod settings;
mod watch;

pub use file::{ModelError, Written, parse_model, parse_written};
pub use follow::{ModelFollower, Tells};
pub use last_good::LastGood;
pub(crate) use load::is_model_name;
pub use load::{BUILT_IN_MODEL, ModelSet, ModelsError};
pub use settings::ModelsSettings;
pub use watch::{ModelEvent, ModelWatcher};
