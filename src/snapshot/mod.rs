//! Snapshots: a partition's state and position as one immutable object, named by its offset.
//!
//! Nothing points at the newest one: recovery lists them and takes the newest that is whole. Two
//! writers at the same offset write the same state, so no lock or lease is needed.

mod error;
pub mod format;
pub mod inspect;
mod items_checkpoint;
mod location;
mod pieces;
pub(crate) mod room;
pub mod schedule;
mod settings;
mod store;
mod upload;

pub use error::SnapshotError;
#[cfg(test)]
pub(crate) use location::synced;
pub use location::{AwsEnvironment, Location, S3Settings};
pub use settings::SnapshotSettings;
pub use store::{Search, SnapshotStore, Unfit};
