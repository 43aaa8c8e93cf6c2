//! The engine: pure decisions over facts. No I/O, clock, environment, thread or global; time is an
//! argument, so the same events, config and instant give the same bytes.
//!
//! * What comes in: [`event`], [`item`], [`catalog`], under the static config of [`stream`].
//! * What is kept: [`state`], one for each partition: [`users`] with a [`profile`] each,
//!   [`popularity`], [`dedup`], in [`window`]s over event time; [`codec`] writes it down.
//! * What is asked: [`pipeline`], the request path in order: [`interest`], [`candidates`],
//!   [`filters`], score, [`topk`], [`diversity`]; over [`layout`] and [`pools`] of candidates (a [`pool`] each),
//!   which are the same for every user; weighed by a [`model`]. [`report`] tells a profile in words.

pub mod candidates;
pub mod catalog;
pub mod categories;
mod census;
pub mod codec;
pub mod dedup;
pub mod diversity;
pub mod event;
pub mod filters;
pub mod interest;
pub mod intern;
pub mod item;
pub mod layout;
pub mod model;
pub mod models;
pub mod pipeline;
pub mod pool;
pub mod pools;
pub mod popularity;
pub mod profile;
pub mod report;
pub mod state;
pub mod stream;
pub mod topk;
pub mod users;
pub mod window;
