//! What lists are worth: a recorded stream is replayed, and those who would have answered are asked.
//!
//! ```text
//! files, a log ─▶ Stream ─▶ protocol ─▶ Question ─▶ Contender (a model, a baseline) ─▶ list
//!                              │                                                        │
//!                              └──────────── what was clicked ─▶ Tally ◀────────────────┘ ─▶ report
//! ```
//!
//! A [`contender::Contender`] is whoever can be asked for a list; a protocol decides when it is asked and what it has
//! been told by then, and is the same for all who are compared.

pub mod baselines;
pub mod cohort;
pub mod contender;
pub mod features;
pub mod from_log;
pub mod interval;
pub mod load;
pub mod model;
mod people;
pub mod protocol;
pub(crate) mod random;
pub mod ranks;
pub mod report;
pub mod sessions_file;
pub mod stream;
pub mod tally;
mod window;
