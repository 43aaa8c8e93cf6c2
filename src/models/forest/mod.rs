//! Forests that were trained elsewhere: files that LightGBM and XGBoost write, made into what the engine walks.
//!
//! Whatever a file holds, it is bounded before it is decoded ([`MAX_BYTES`]), and what comes of it by the engine's own
//! limits ([`crate::engine::rank::forest::build`]).

mod file;
mod lightgbm;
mod read;
mod told;
mod xgboost;

pub use file::{ForestFile, MAX_BYTES, is_file_name, named};
pub use read::read_forest;

#[cfg(test)]
mod tests;
