//! What the journal stands on: tables of sorted keys, and batches that are on disk whole or not at
//! all. The real one is [`crate::log::journal::fjall`]; the simulation has another that loses, fails and crashes.
//!
//! * A table is there for good, or gone for good, when the call returns.
//! * A batch is on disk when its commit returns, and with it every batch before. If the commit
//!   failed nobody knows; and what a crash leaves is a prefix of the batches in their order.
//! * After a commit that failed every other one fails, until the disk has been opened anew.

use std::error::Error;
use std::ops::{ControlFlow, RangeBounds};
use std::path::Path;

use crate::log::LogError;

/// What can go wrong with a disk, in its own words.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct DiskError(#[from] pub Box<dyn Error + Send + Sync>);

/// What a disk answers.
pub type Result<T> = std::result::Result<T, DiskError>;

/// The error of a journal that what it stands on keeps from being opened.
pub fn cannot_open(dir: &Path, error: &dyn std::fmt::Display) -> LogError {
    LogError::Fatal(format!("the journal in {} can't be opened: {error}", dir.display()))
}

/// Tables on a disk.
pub trait Disk: Send + Sync + 'static {
    /// A table that was opened.
    type Table: Clone + Send + Sync + 'static;
    /// Changes that belong together.
    type Batch;

    /// Opens a table, or makes it.
    fn table(&self, name: &str) -> Result<Self::Table>;

    /// The names of the tables.
    fn tables(&self) -> Vec<String>;

    /// Removes a table with all that is in it.
    fn remove_table(&self, table: Self::Table) -> Result<()>;

    /// The value of a key.
    fn get(&self, table: &Self::Table, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Shows the keys of a range and their values, in order, until told to break.
    fn scan<K: AsRef<[u8]>>(
        &self,
        table: &Self::Table,
        range: impl RangeBounds<K>,
        see: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<()>;

    /// The last key of a range.
    fn last<K: AsRef<[u8]>>(
        &self,
        table: &Self::Table,
        range: impl RangeBounds<K>,
    ) -> Result<Option<Vec<u8>>>;

    /// A batch with nothing in it.
    fn batch(&self) -> Self::Batch;

    /// Adds a key and its value to a batch.
    fn put(batch: &mut Self::Batch, table: &Self::Table, key: &[u8], value: Vec<u8>);

    /// Adds the removal of a key to a batch.
    fn remove(batch: &mut Self::Batch, table: &Self::Table, key: &[u8]);

    /// Writes a batch and syncs.
    fn commit(&self, batch: Self::Batch) -> Result<()>;

    /// Syncs what an earlier process may have left in a cache.
    fn sync(&self) -> Result<()>;

    /// Tells that nothing more will be put into a table.
    fn settle(&self, table: &Self::Table) -> Result<()>;

    /// How many bytes can still be written; none if it can't be told.
    fn free(&self) -> Option<u64>;
}
