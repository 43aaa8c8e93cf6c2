//! The journal's disk in memory. Batches that were not synced are lost when the plug is pulled, all
//! but the first few, as with any write-ahead journal; when only the process is gone they stay.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow, RangeBounds};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::log::journal::{Disk, DiskError, DiskResult};
use crate::simulation::faults::{Fault, FaultInjector};

/// What every failure of this disk says.
pub const FAULT: &str = "the disk does not answer";

/// A table's number. One that is made again has another.
pub type Table = u64;
type Change = (Table, Vec<u8>, Option<Vec<u8>>);
type Contents = BTreeMap<Table, BTreeMap<Vec<u8>, Vec<u8>>>;

/// The disk. A clone is the same disk.
#[derive(Clone)]
pub struct SimTables {
    state: Arc<Mutex<State>>,
    faults: FaultInjector,
}

#[derive(Default)]
struct State {
    names: BTreeMap<String, Table>,
    next: Table,
    /// What the process reads.
    live: Contents,
    /// What is synced, where that is something else.
    synced: Option<Contents>,
    /// Batches that were written after that and not synced, in their order.
    cached: Vec<Vec<Change>>,
    /// A commit failed: no other goes well before the next start.
    broken: bool,
}

impl State {
    /// All that was written is on disk.
    fn settle(&mut self) {
        self.cached.clear();
        self.synced = None;
    }
}

fn apply(contents: &mut Contents, batch: &[Change]) {
    for (table, key, value) in batch {
        let Some(table) = contents.get_mut(table) else { continue };
        match value {
            Some(value) => drop(table.insert(key.clone(), value.clone())),
            None => drop(table.remove(key)),
        }
    }
}

fn fault() -> DiskError {
    DiskError(FAULT.into())
}

impl SimTables {
    pub fn new(faults: FaultInjector) -> Self {
        Self { state: Arc::default(), faults }
    }

    /// The process is gone, and if the power is too, so is some of what was not synced.
    pub fn crash(&self, power: bool) {
        let mut state = self.state.lock();
        let state = &mut *state;
        state.broken = false;
        if power {
            let kept = self.faults.below(state.cached.len() as u64 + 1) as usize;
            state.cached.truncate(kept);
        }
        let mut found = state.synced.take().unwrap_or_else(|| std::mem::take(&mut state.live));
        if !power && !state.cached.is_empty() {
            state.synced = Some(found.clone());
        }
        state.cached.iter().for_each(|batch| apply(&mut found, batch));
        state.live = found;
        if state.synced.is_none() {
            state.cached.clear();
        }
    }

    /// An operation that changes nothing if it fails.
    fn ask<T>(&self, answer: impl FnOnce(&State) -> T) -> DiskResult<T> {
        match self.faults.glance() {
            Fault::None => Ok(answer(&self.state.lock())),
            _ => Err(fault()),
        }
    }

    /// An operation that may have happened although it fails.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> DiskResult<T> {
        let mut state = self.state.lock();
        match self.faults.draw() {
            Fault::None => Ok(change(&mut state)),
            Fault::Down => Err(fault()),
            Fault::Transient | Fault::Crash => {
                if self.faults.chance(0.5) {
                    change(&mut state);
                }
                Err(fault())
            }
        }
    }
}

impl Disk for SimTables {
    type Table = Table;
    type Batch = Vec<Change>;

    fn table(&self, name: &str) -> DiskResult<Table> {
        let known = self.state.lock().names.get(name).copied();
        if let Some(known) = known {
            return Ok(known);
        }
        self.change(|state| {
            let table = state.next;
            state.next += 1;
            state.names.insert(name.to_owned(), table);
            state.live.insert(table, BTreeMap::new());
            if let Some(synced) = &mut state.synced {
                synced.insert(table, BTreeMap::new());
            }
            table
        })
    }

    fn tables(&self) -> Vec<String> {
        self.state.lock().names.keys().cloned().collect()
    }

    fn remove_table(&self, table: Table) -> DiskResult<()> {
        self.change(|state| {
            state.names.retain(|_, other| *other != table);
            state.live.remove(&table);
            if let Some(synced) = &mut state.synced {
                synced.remove(&table);
            }
        })
    }

    fn get(&self, table: &Table, key: &[u8]) -> DiskResult<Option<Vec<u8>>> {
        self.ask(|state| state.live.get(table)?.get(key).cloned())
    }

    fn scan<K: AsRef<[u8]>>(
        &self,
        table: &Table,
        range: impl RangeBounds<K>,
        mut see: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> DiskResult<()> {
        self.ask(|state| {
            let all = state.live.get(table).into_iter();
            let mut found = all.flat_map(|all| all.range::<[u8], _>(bounds(&range)));
            let _ = found.try_for_each(|(key, value)| see(key, value));
        })
    }

    fn last<K: AsRef<[u8]>>(&self, table: &Table, range: impl RangeBounds<K>) -> DiskResult<Option<Vec<u8>>> {
        self.ask(|state| {
            let last = state.live.get(table)?.range::<[u8], _>(bounds(&range)).next_back();
            last.map(|(key, _)| key.clone())
        })
    }

    fn batch(&self) -> Vec<Change> {
        Vec::new()
    }

    fn put(batch: &mut Vec<Change>, table: &Table, key: &[u8], value: Vec<u8>) {
        batch.push((*table, key.to_vec(), Some(value)));
    }

    fn remove(batch: &mut Vec<Change>, table: &Table, key: &[u8]) {
        batch.push((*table, key.to_vec(), None));
    }

    fn commit(&self, batch: Vec<Change>) -> DiskResult<()> {
        let mut state = self.state.lock();
        if state.broken {
            return Err(fault());
        }
        match self.faults.draw() {
            Fault::None => {
                apply(&mut state.live, &batch);
                state.settle();
                Ok(())
            }
            Fault::Down => Err(fault()),
            Fault::Transient | Fault::Crash => {
                state.broken = true;
                // Nothing of it, or the batch in the cache only, or on disk: nobody is told.
                let written = self.faults.below(3);
                if written > 0 {
                    state.cached.push(batch);
                }
                if written > 1 {
                    let cached = std::mem::take(&mut state.cached);
                    let State { live, synced, .. } = &mut *state;
                    // The process does not see it before the next start.
                    let mut on_disk = synced.take().unwrap_or_else(|| live.clone());
                    cached.iter().for_each(|batch| apply(&mut on_disk, batch));
                    *synced = Some(on_disk);
                }
                Err(fault())
            }
        }
    }

    fn sync(&self) -> DiskResult<()> {
        self.change(State::settle)
    }

    fn settle(&self, _: &Table) -> DiskResult<()> {
        self.ask(|_| ())
    }

    fn free(&self) -> Option<u64> {
        (self.faults.draw() == Fault::Transient).then_some(0)
    }
}

fn bounds<'a, K: AsRef<[u8]> + 'a>(range: &'a impl RangeBounds<K>) -> (Bound<&'a [u8]>, Bound<&'a [u8]>) {
    (range.start_bound().map(K::as_ref), range.end_bound().map(K::as_ref))
}
