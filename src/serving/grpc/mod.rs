//! One service of `proto/headwater/v1` a file.

mod batch;
mod catalog;
mod compare;
mod events;
mod evidence;
mod models;
mod profiles;
mod question;
mod recommender;
mod shadow;
mod status;
mod with_item;

pub use catalog::Catalog;
pub use events::Events;
pub use models::Models;
pub use profiles::Profiles;
pub use recommender::Recommender;
pub use shadow::{Shadow, Shadowing};
pub use status::ProcessStatus;
