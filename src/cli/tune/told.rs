//! What is told in the end.

use serde::Serialize;

use crate::tuning::outcome::Outcome;

/// What is told in the end.
#[derive(Serialize)]
pub(super) struct Told<'a> {
    pub(super) metric: String,
    /// The current model.
    pub(super) model: String,
    pub(super) model_version: &'a str,
    pub(super) data: Data,
    #[serde(flatten)]
    pub(super) outcome: &'a Outcome,
    /// The file, if the model is better.
    pub(super) written: Option<String>,
}

/// What was replayed.
#[derive(Serialize)]
pub(super) struct Data {
    pub(super) events: usize,
    pub(super) users: usize,
    pub(super) items: usize,
    pub(super) rejected: u64,
    pub(super) hash: String,
}
