//! The request path, in order: [`interest`], [`candidates`], [`filters`], [`features`], [`scorer`], [`topk`],
//! [`diversity`], as [`pipeline`] runs it; weighed by a [`model`]. [`explain`] tells a profile in words,
//! [`interleave`] makes one list of two, [`reason`] says why an item is in a list, [`removal`] what is not in it.

pub mod candidates;
pub mod diversity;
pub mod explain;
pub mod features;
pub mod filters;
pub mod interest;
pub mod interleave;
pub mod model;
pub mod models;
pub mod pipeline;
pub mod question;
pub mod reason;
pub mod related;
pub mod removal;
pub mod scorer;
pub mod topk;
