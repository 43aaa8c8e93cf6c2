//! Better numbers for a model: found on one part of a log, chosen on a second, proven on a third.
//!
//! ```text
//! model file ─▶ Space ─▶ point ─▶ model file ─▶ Trial (a span of a log) ─▶ figure
//!                          ▲                                                  │
//!                          └────────────────── SepCma ◀───────────────────────┘
//! ```
//!
//! A [`space::Space`] is the keys of a model file that may move, and within which bounds; each of its points is a model
//! file that is read as every other one is, so what is measured is what is written. A [`trial::Trial`] asks any number of
//! models about one span in one replay; [`search`] goes from generation to generation.

pub mod file;
mod key;
pub mod outcome;
pub mod provenance;
pub mod search;
pub mod sep_cma;
pub mod space;
pub mod trial;
