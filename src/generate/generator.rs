//! A data set: its settings, its catalog and its bursts, of which all else follows.

use super::bursts::Bursts;
use super::catalog::Catalog;
use super::settings::{GenerateSettings, InvalidSettings};
use crate::engine::events::item::Item;

/// Makes a data set.
#[derive(Debug)]
pub struct Generator {
    pub(super) settings: GenerateSettings,
    pub(super) catalog: Catalog,
    pub(super) bursts: Bursts,
}

impl Generator {
    /// Makes the catalog; events are made when they are asked for.
    ///
    /// # Errors
    /// A setting that is out of its range.
    pub fn new(settings: GenerateSettings) -> Result<Self, InvalidSettings> {
        settings.check()?;
        let catalog = Catalog::new(&settings);
        let bursts = Bursts::new(&settings, &catalog);
        Ok(Self { settings, catalog, bursts })
    }

    /// What was asked for.
    pub fn settings(&self) -> &GenerateSettings {
        &self.settings
    }

    /// The catalog. Items that are created during the span are in it from the beginning; events on
    /// them only begin then, end when they expire, and never happen on unavailable ones.
    pub fn items(&self) -> &[Item] {
        &self.catalog.items
    }
}
