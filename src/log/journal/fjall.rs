//! The disk that ships: one fjall database in a folder. A table is a keyspace, a batch goes through
//! fjall's write-ahead journal.

use std::fs;
use std::ops::{ControlFlow, RangeBounds};
use std::path::{Path, PathBuf};

use fjall::{Database, Guard, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};
use rustix::fs::statvfs;

use crate::log::LogError;
use crate::log::journal::storage::{Disk, DiskError, Result, cannot_open};

const MEMTABLE_BYTES: u64 = 16 * 1024 * 1024;
/// How much fjall's own write-ahead journals may take before it flushes what holds them back.
const WRITE_AHEAD_BYTES: u64 = 64 * 1024 * 1024;

/// A database in a folder.
pub struct FjallDisk {
    db: Database,
    dir: PathBuf,
}

impl FjallDisk {
    pub fn open(dir: &Path) -> std::result::Result<Self, LogError> {
        fs::create_dir_all(dir).map_err(|error| cannot_open(dir, &error))?;
        let db = Database::builder(dir)
            .max_journaling_size(WRITE_AHEAD_BYTES)
            .worker_threads(2)
            .open()
            .map_err(|error| match error {
                fjall::Error::Locked => LogError::Fatal(format!(
                    "the journal in {} is in use by another process: stop that one, or choose another `data.dir`",
                    dir.display()
                )),
                error => cannot_open(dir, &error),
            })?;
        Ok(Self { db, dir: dir.to_owned() })
    }
}

impl From<fjall::Error> for DiskError {
    fn from(error: fjall::Error) -> Self {
        Self(Box::new(error))
    }
}

impl Disk for FjallDisk {
    type Table = Keyspace;
    type Batch = OwnedWriteBatch;

    fn table(&self, name: &str) -> Result<Keyspace> {
        let options = || {
            KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES).expect_point_read_hits(true)
        };
        Ok(self.db.keyspace(name, options)?)
    }

    fn tables(&self) -> Vec<String> {
        self.db.list_keyspace_names().iter().map(|name| name.to_string()).collect()
    }

    fn remove_table(&self, table: Keyspace) -> Result<()> {
        Ok(self.db.delete_keyspace(table)?)
    }

    fn get(&self, table: &Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(table.get(key)?.map(|value| value.to_vec()))
    }

    fn scan<K: AsRef<[u8]>>(
        &self,
        table: &Keyspace,
        range: impl RangeBounds<K>,
        mut see: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<()> {
        for entry in table.range(range) {
            let (key, value) = entry.into_inner()?;
            if see(&key, &value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn last<K: AsRef<[u8]>>(&self, table: &Keyspace, range: impl RangeBounds<K>) -> Result<Option<Vec<u8>>> {
        let last = table.range(range).next_back().map(Guard::key).transpose()?;
        Ok(last.map(|key| key.to_vec()))
    }

    fn batch(&self) -> OwnedWriteBatch {
        self.db.batch().durability(Some(PersistMode::SyncAll))
    }

    fn put(batch: &mut OwnedWriteBatch, table: &Keyspace, key: &[u8], value: Vec<u8>) {
        batch.insert(table, key, value);
    }

    fn remove(batch: &mut OwnedWriteBatch, table: &Keyspace, key: &[u8]) {
        batch.remove(table, key);
    }

    fn commit(&self, batch: OwnedWriteBatch) -> Result<()> {
        Ok(batch.commit()?)
    }

    fn sync(&self) -> Result<()> {
        Ok(self.db.persist(PersistMode::SyncAll)?)
    }

    /// To disk with it, so that the write-ahead journals can go.
    fn settle(&self, table: &Keyspace) -> Result<()> {
        table.rotate_memtable()?;
        Ok(())
    }

    fn free(&self) -> Option<u64> {
        let stat = statvfs(&self.dir).ok()?;
        Some(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}
