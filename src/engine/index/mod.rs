//! What is the same for every user: the items as rows of a [`layout`], how often each was acted on, and
//! the [`pools`] of candidates that the sources give.
//!
//! [`live`] keeps all of it up to date for now; [`pools::Pools::build`] computes it for another instant,
//! from all facts.

mod among;
pub mod baseline;
mod blocks;
mod build;
mod category_pools;
mod category_table;
mod category_views;
mod collect;
mod columns;
mod filling;
mod first_rows;
mod hash_index;
pub mod item_counts;
mod item_scores;
pub mod layout;
pub mod listing;
pub mod live;
pub mod liveness;
mod order;
mod ordered;
mod others;
pub mod partition_map;
pub mod partitions;
mod patch;
pub mod pool;
pub mod pools;
mod ranks;
pub mod signals;
pub mod sliding_counts;
mod top_view;
mod views;
