//! A hash table from what has a number to the number, in many small tables that it shares with its clones:
//! what an insertion copies is one of them.

use std::sync::Arc;

use hashbrown::HashTable;

/// Entries that a small table is made for.
const ENTRIES: usize = 256;

/// Numbers by the hash of what they stand for, which whoever asks can look up.
#[derive(Clone, Debug)]
pub(super) struct HashIndex {
    /// A power of two of them.
    tables: Vec<Arc<HashTable<u32>>>,
}

impl HashIndex {
    /// An empty table that is fast for some times `len` entries.
    pub fn new(len: usize) -> Self {
        let tables = len.div_ceil(ENTRIES).next_power_of_two();
        Self { tables: (0..tables).map(|_| Arc::default()).collect() }
    }

    /// The number of that hash that is the one looked for.
    pub fn find(&self, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        self.tables.get(self.table(hash))?.find(hash, |number| is(*number)).copied()
    }

    /// Adds a number that is not there.
    pub fn insert(&mut self, hash: u64, number: u32, hash_of: impl Fn(u32) -> u64) {
        let table = self.table(hash);
        if let Some(table) = self.tables.get_mut(table) {
            Arc::make_mut(table).insert_unique(hash, number, |number| hash_of(*number));
        }
    }

    /// By bits in the middle: a small table goes by those at both ends.
    fn table(&self, hash: u64) -> usize {
        (hash >> 32) as usize & self.tables.len().saturating_sub(1)
    }
}

impl Default for HashIndex {
    fn default() -> Self {
        Self::new(0)
    }
}
