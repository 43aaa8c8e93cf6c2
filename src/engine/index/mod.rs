//! What is the same for every user: the items as rows of a [`layout`], how often each was acted on, and
//! the [`pools`] of candidates that the sources give.
//!
//! [`live`] keeps all of it up to date for now; [`pools::Pools::build`] computes it for another instant,
//! from all facts.

pub mod baseline;
mod build;
mod collect;
mod filling;
pub mod item_counts;
mod item_scores;
pub mod layout;
pub mod live;
pub mod liveness;
pub mod partition_map;
pub mod pool;
pub mod pools;
pub mod signals;
pub mod sliding_counts;
mod top_view;
