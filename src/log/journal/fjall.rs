//! The disk that ships: one fjall database in a folder. A table is a keyspace, a batch goes through
//! fjall's write-ahead journal.

use std::fs::{self, File};
use std::io;
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
        clear_unfinished(dir).map_err(|error| cannot_open(dir, &error))?;
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

/// Takes away what is left of a database that was being made when its process was killed. fjall writes its marker last, and
/// nothing is appended before; without the marker it would begin anew and find files in its way, for ever.
fn clear_unfinished(dir: &Path) -> io::Result<()> {
    let is_made = fs::metadata(dir.join("version")).is_ok_and(|marker| marker.len() > 0);
    let Some(lock) = (!is_made).then(|| File::open(dir.join("lock"))).and_then(io::Result::ok) else {
        return Ok(());
    };
    // Another process may be making it right now: then opening it says so.
    if lock.try_lock().is_err() {
        return Ok(());
    }
    let absent_is_fine = |done: io::Result<()>| {
        done.or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })
    };
    absent_is_fine(fs::remove_dir_all(dir.join("keyspaces")))?;
    absent_is_fine(fs::remove_file(dir.join("0.jnl")))?;
    absent_is_fine(fs::remove_file(dir.join("version")))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What a kill can leave of a database on its way, step by step.
    #[test]
    fn a_process_killed_while_it_made_the_journal_does_not_keep_the_next_one_from_making_it() {
        for (files, folders) in [
            (&["lock"][..], &[][..]),
            (&["lock"], &["keyspaces"]),
            (&["lock", "0.jnl"], &["keyspaces"]),
            (&["lock", "0.jnl", "version"], &["keyspaces"]),
        ] {
            let dir = tempfile::tempdir().expect("a folder");
            files.iter().for_each(|name| fs::write(dir.path().join(name), "").expect("a file"));
            folders.iter().for_each(|name| fs::create_dir(dir.path().join(name)).expect("a folder"));
            let written = FjallDisk::open(dir.path()).map(|disk| {
                let table = disk.table("t").expect("a table");
                let mut batch = disk.batch();
                FjallDisk::put(&mut batch, &table, b"key", b"value".to_vec());
                disk.commit(batch).expect("it is on disk");
            });
            assert!(written.is_ok(), "{files:?}: {written:?}");
            let disk = FjallDisk::open(dir.path()).expect("it opens again");
            let table = disk.table("t").expect("the table");
            assert_eq!(disk.get(&table, b"key").expect("it is read"), Some(b"value".to_vec()), "{files:?}");
        }
    }
}
