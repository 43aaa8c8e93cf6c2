//! The memory that a partition's sections are copied to, and that which they are packed into: one for all
//! partitions, so that a state is in memory twice at most, and kept from one snapshot to the next. To ask the
//! system for as much each time takes several times as long as to copy, and to give it back each time can hold
//! up a whole virtual machine for 20 ms.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::snapshot::pieces::{Pieces, Pool};

/// The memory.
#[derive(Debug)]
pub(crate) struct Room {
    /// For a copy; none while one is in it.
    copy: Mutex<Option<Vec<Vec<u8>>>>,
    packed: Arc<Pool>,
}

impl Default for Room {
    fn default() -> Self {
        Self { copy: Mutex::new(Some(Vec::new())), packed: Arc::default() }
    }
}

impl Room {
    /// That for a copy, if none is in it.
    pub(super) fn lend(self: &Arc<Self>) -> Option<Lent> {
        let sections = self.copy.lock().take()?;
        Some(Lent { sections, room: Arc::clone(self) })
    }

    /// That for a copy, or some more of it.
    pub(super) fn lend_or_make(self: &Arc<Self>) -> Lent {
        self.lend().unwrap_or_else(|| Lent { sections: Vec::new(), room: Arc::clone(self) })
    }

    /// How many sections and pieces there is memory of.
    #[cfg(test)]
    pub(super) fn kept(self: &Arc<Self>) -> usize {
        self.lend().expect("nobody has it").sections.len() + self.packed.len()
    }

    /// Gives what is not in use back to the system.
    pub(super) fn clear(self: &Arc<Self>) {
        if let Some(mut lent) = self.lend() {
            lent.sections = Vec::new();
        }
        self.packed.clear();
    }
}

/// That for a copy, until it is dropped: by whoever packs what is in it, whatever becomes of that.
#[derive(Debug)]
pub(super) struct Lent {
    /// What is copied: at first what the last one left.
    pub sections: Vec<Vec<u8>>,
    room: Arc<Room>,
}

impl Lent {
    /// No pieces yet: those that what is copied can be packed into.
    pub fn pieces(&self) -> Pieces {
        Pieces::of(&self.room.packed)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let other = self.room.copy.lock().replace(std::mem::take(&mut self.sections));
        // Not under the lock: there may be much to free.
        drop(other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_copy_at_a_time_and_the_next_one_gets_its_memory() {
        let room = Arc::new(Room::default());
        let mut copy = room.lend().expect("nobody has it");
        copy.sections = vec![vec![1; 1000]];
        let place = copy.sections[0].as_ptr();
        assert!(room.lend().is_none());
        drop(copy);
        assert_eq!(room.lend().expect("it is given back").sections[0].as_ptr(), place);
    }

    #[test]
    fn it_comes_back_from_one_that_panics_and_is_made_for_one_that_can_not_wait() {
        let room = Arc::new(Room::default());
        let copy = room.lend().expect("nobody has it");
        let more = room.lend_or_make();
        let panicking = std::thread::spawn(move || {
            let _copy = copy;
            panic!("as a test may");
        });
        assert!(panicking.join().is_err());
        drop(more);
        assert!(room.lend().is_some());
    }

    #[test]
    fn what_was_packed_leaves_its_memory_to_what_is_packed_next() {
        let room = Arc::new(Room::default());
        let packed = || {
            let copy = room.lend().expect("nobody has it");
            let mut pieces = copy.pieces();
            pieces.push(b"packed");
            pieces.into_bytes()
        };
        drop(packed());
        assert_eq!(room.packed.len(), 1);
        let second = packed();
        assert_eq!(room.packed.len(), 0, "it is taken again");
        room.clear();
        assert_eq!(second.concat(), b"packed");
        drop(second);
        room.clear();
        assert_eq!(room.packed.len(), 0);
    }

    #[test]
    fn what_is_cleared_is_not_kept_and_what_is_lent_stays_whole() {
        let room = Arc::new(Room::default());
        let mut copy = room.lend().expect("nobody has it");
        copy.sections = vec![vec![1; 1000]];
        room.clear();
        assert_eq!(copy.sections, [vec![1; 1000]]);
        drop(copy);
        room.clear();
        assert_eq!(room.lend().expect("nobody has it").sections, [[0; 0]; 0]);
    }
}
