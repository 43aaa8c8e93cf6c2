//! Names as small numbers, and back. Numbers are given in order of arrival and mean nothing
//! outside the table that gave them.

use compact_str::CompactString;
use hashbrown::HashTable;

use crate::engine::facts::numbers::Renumbering;

/// A table of names.
#[derive(Debug, Default)]
pub struct Interner {
    by_name: HashTable<u32>,
    names: Vec<CompactString>,
    hasher: foldhash::fast::RandomState,
}

impl Interner {
    /// The number of a name, if it has one.
    pub fn get(&self, name: &str) -> Option<u32> {
        self.by_name.find(hash(&self.hasher, name), |number| self.name(*number) == name).copied()
    }

    /// The number of a name, giving it one if there are fewer than `limit`.
    pub fn intern(&mut self, name: &str, limit: usize) -> Option<u32> {
        let (names, hasher) = (&mut self.names, &self.hasher);
        let wanted = hash(hasher, name);
        if let Some(number) = self.by_name.find(wanted, |number| &*names[*number as usize] == name) {
            return Some(*number);
        }
        let number = u32::try_from(names.len()).ok().filter(|_| names.len() < limit)?;
        names.push(name.into());
        self.by_name.insert_unique(wanted, number, |number| hash(hasher, &names[*number as usize]));
        Some(number)
    }

    /// The name of a number that this table gave.
    pub fn name(&self, number: u32) -> &str {
        self.names.get(number as usize).map_or("", |name| name)
    }

    /// Forgets the names whose numbers are `len` or more.
    pub fn truncate(&mut self, len: u32) {
        self.by_name.retain(|number| *number < len);
        self.names.truncate(len as usize);
    }

    /// Gives the names other numbers, and forgets those that get none.
    pub(in crate::engine::facts) fn renumber(&mut self, numbers: &Renumbering) {
        self.by_name.retain(|number| {
            let new = numbers.new_number(*number);
            *number = new.unwrap_or(*number);
            new.is_some()
        });
        numbers.retain(&mut self.names);
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The names, in the order of their numbers.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names_from(0)
    }

    /// Those of this number and greater ones: what has come since there were so many.
    pub fn names_from(&self, number: usize) -> impl ExactSizeIterator<Item = &str> {
        self.names.get(number..).unwrap_or_default().iter().map(CompactString::as_str)
    }
}

/// The hash of a name under a table's own random keys: it finds names, and is never stored.
pub fn hash(hasher: &foldhash::fast::RandomState, name: &str) -> u64 {
    std::hash::BuildHasher::hash_one(hasher, name)
}
