//! The engine: pure decisions over facts. No I/O, clock, environment, thread or global; time is an
//! argument, so the same events, config and instant give the same bytes.
//!
//! * What comes in: [`events`], each at its [`position`] in the log, under the static config of [`config`]; [`fingerprint`] is the part
//!   of it that decides facts.
//! * What is kept: [`facts`], one [`facts::state`] for each partition, in [`windows`] over event [`time`].
//! * What is the same for every user at an instant: the [`index`] of items.
//! * What is asked: [`rank`], the request path in order.
//! * What messages tell of a text: [`mod@text`].

pub mod config;
pub mod events;
pub mod facts;
pub mod fingerprint;
pub mod index;
pub mod position;
pub mod rank;
pub mod text;
pub mod time;
pub mod windows;
