//! The request path, in order: [`interest`], [`candidates`], [`filters`], [`features`], [`scorer`], [`topk`],
//! [`explore`], [`diversity`], as [`pipeline`] runs it to an [`answer`]; weighed by a [`model`], which may have a [`forest`] that ranks the
//! best once more. [`explain`] tells a profile in words, [`interleave`] makes one list of two, [`reason`] says why an item is
//! in a list, [`removal`] what is not in it.

pub mod answer;
pub mod candidates;
pub mod diversity;
pub mod explain;
pub mod explore;
pub mod features;
pub mod filters;
pub mod forest;
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
