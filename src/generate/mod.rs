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
mod causes;
mod daily_cycle;
mod event;
mod generator;
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
pub use causes::Causes;
pub use event::{EventTruth, GeneratedEvent, Lateness};
pub use generator::Generator;
pub use item::{ITEM_CSV_HEADER, write_item_csv, write_item_json};
pub use settings::{GenerateSettings, InvalidSettings};
pub use truth::{BurstTruth, ItemTruth, PersonaTruth, TasteTruth, Truth, UserTruth};

#[cfg(test)]
mod tests;
