//! A synthetic clickstream and catalog, with its ground truth.
//!
//! No public data set has everything that a recommender must cope with: personas with drifting
//! tastes, Zipf popularity, sessions, a daily cycle, bursts, several event types, late and
//! duplicate events. Here all of it is made from a seed, in the order of arrival, in memory that
//! grows with users and items and with what is on the way, never with the number of events.
//! Everything is pure: no I/O, no clock.

mod arrival;
mod behaviour;
mod bursts;
mod catalog;
mod daily_cycle;
mod event;
mod item;
mod random;
mod schedule;
mod settings;
mod tastes;
mod titles;
mod truth;
mod vocabulary;
mod zipf;

pub use arrival::Events;
pub use event::{EventTruth, GeneratedEvent, Lateness};
pub use item::{ITEM_CSV_HEADER, write_item_csv, write_item_json};
pub use settings::{GenerateSettings, InvalidSettings};
pub use truth::{BurstTruth, ItemTruth, PersonaTruth, TasteTruth, Truth, UserTruth};

use behaviour::Behaviour;
use bursts::Bursts;
use catalog::Catalog;
use schedule::Schedule;

use crate::engine::events::item::Item;

/// Makes a data set.
#[derive(Debug)]
pub struct Generator {
    settings: GenerateSettings,
    catalog: Catalog,
    bursts: Bursts,
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

    /// The events in the order of their arrival, duplicates included. Each call begins anew.
    pub fn events(&self) -> Events<'_> {
        let behaviour = Behaviour::new(&self.settings, &self.catalog, &self.bursts);
        Events::new(self, Schedule::new(&self.settings, behaviour))
    }

    /// What is true of this data set.
    pub fn truth(&self) -> Truth<'_> {
        Truth(self)
    }
}

#[cfg(test)]
mod tests;
