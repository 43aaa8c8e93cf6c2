//! One service of `proto/headwater/v1` a file.

mod catalog;
mod events;
mod evidence;
mod models;
mod profiles;
mod recommender;
mod status;

pub use catalog::Catalog;
pub use events::Events;
pub use models::Models;
pub use profiles::Profiles;
pub use recommender::Recommender;
pub use status::ProcessStatus;
