//! Of models.

use std::path::Path;

use tracing::{error, info, warn};

use crate::telemetry::metrics::{Metrics, Outcome};

/// A model file changed.
pub struct ModelChanged<'a> {
    /// The model.
    pub name: &'a str,
    /// What became of it: `loaded`, `refused`, `removed` or `unreadable`.
    pub outcome: &'static str,
    /// Its version, or what is wrong.
    pub detail: &'a str,
}

impl ModelChanged<'_> {
    /// Writes and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        let Self { name, outcome, detail } = self;
        match *outcome {
            "loaded" | "removed" => info!(model = name, outcome, detail, "model changed"),
            _ => error!(model = name, outcome, detail, "model change not taken, the old one goes on"),
        }
        metrics.models.get_or_create(&Outcome { outcome }).inc();
    }
}

/// Models serve that the folder of models does not hold.
pub struct ModelsNotFromFiles<'a> {
    /// What they are in place of, or where they are from.
    pub path: &'a Path,
    /// Which.
    pub what: &'static str,
}

impl ModelsNotFromFiles<'_> {
    /// Writes it.
    pub fn emit(&self) {
        warn!(path = %self.path.display(), "{}", self.what);
    }
}

/// What was kept of models can't be used, and the built-in model serves.
pub struct KeptModelsUnusable<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// Why.
    pub error: &'a str,
}

impl KeptModelsUnusable<'_> {
    /// Writes it.
    pub fn emit(&self) {
        let what = "the models that served last can't be used: the built-in model serves. Remove the file if that is meant";
        warn!(path = %self.path.display(), error = self.error, "{what}");
    }
}

/// What serves could not be kept for a next start.
pub struct ModelsNotKept<'a> {
    /// Where it was to be kept.
    pub path: &'a Path,
    /// Why.
    pub error: &'a str,
}

impl ModelsNotKept<'_> {
    /// Writes it.
    pub fn emit(&self) {
        let what =
            "the models were not kept: a next start that finds their files refused or gone has nothing else";
        warn!(path = %self.path.display(), error = self.error, "{what}");
    }
}
