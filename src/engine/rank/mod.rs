//! The request path, in order: [`interest`], [`candidates`], [`filters`], [`features`], [`scorer`], [`topk`],
//! [`diversity`], as [`pipeline`] runs it; weighed by a [`model`]. [`explain`] tells a profile in words,
//! [`removal`] what is not in a list.

pub mod candidates;
pub mod diversity;
pub mod explain;
pub mod features;
pub mod filters;
pub mod interest;
pub mod model;
pub mod models;
pub mod pipeline;
pub mod removal;
pub mod scorer;
pub mod topk;
