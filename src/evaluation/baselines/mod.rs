//! Baselines: what has been published, in a few lines each and without the engine, so that a model has something to
//! beat.
//!
//! They learn as the stream goes, in bounded memory, from events that say that somebody likes something; all others
//! pass by. Where a visit begins they go by what the user had in the visits before.
//!
//! ```text
//! transitions, rules ─▶ trails (what a visit had last) ─▶ rows (item to item weights) ─┐
//! sknn, vsknn, vstan ─▶ visits (who had what) ─▶ neighbours (the nearest of them) ─────┴─▶ scores ─▶ list
//! ```

mod asked;
mod neighbours;
mod params;
pub mod published;
mod rows;
pub mod rules;
mod scores;
pub mod sknn;
mod trails;
pub mod transitions;
mod visits;
pub mod vsknn;
pub mod vstan;

#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;

pub use params::BaselineError;
