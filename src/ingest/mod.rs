//! Ingestion: from the records of a log to state, and what becomes of those that can't be applied.
//!
//! [`ingestion`] starts and stops the [`worker`]s, which a [`factory`] makes and which hand records to
//! what [`apply`]s them; [`assignment`] says which partitions each reads, [`recovery`] from where, [`lag`] how far behind they are. Bad records go to
//! [`dead_letters`]; a flood of them trips the [`breaker`].

pub mod apply;
pub mod assignment;
pub mod breaker;
pub mod dead_letters;
mod error;
pub mod factory;
pub mod ingestion;
pub mod lag;
pub mod recovery;
mod settings;
pub mod skips;
pub mod worker;

pub use error::IngestError;
pub use settings::IngestSettings;
