//! The numbers by which facts name items, categories and sets of categories: which of them are in use, and what they
//! become where the others are given back.

/// Stands for the number of what was forgotten.
const GONE: u32 = u32::MAX;

/// What compactions have done: a part of the state, as it decides when the next one may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compactions {
    /// How many there were that found something to give back.
    pub count: u64,
    /// How many items they gave back.
    pub items: u64,
    /// Before so many events were taken in there is no other one.
    pub next: u64,
}

/// Names a way in which items and categories are numbered. Numbers of one mean nothing in another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbering {
    /// Which state.
    pub(in crate::engine::facts) generation: u64,
    /// How often that state was numbered anew.
    pub(in crate::engine::facts) compactions: u64,
}

impl Numbering {
    /// Whether both are of the same state, whatever became of its numbers.
    #[inline]
    pub fn is_same_state(self, other: Self) -> bool {
        self.generation == other.generation
    }
}

/// The numbers that something refers to.
#[derive(Debug)]
pub struct InUse {
    pub(in crate::engine::facts) items: Vec<bool>,
    pub(in crate::engine::facts) categories: Vec<bool>,
    /// Without the empty set: the first one is number 1.
    pub(in crate::engine::facts) sets: Vec<bool>,
    /// How many things were looked at.
    pub(in crate::engine::facts) looked_at: usize,
}

impl InUse {
    /// What an event names that is kept.
    #[inline]
    pub(in crate::engine::facts) fn event(&mut self, item: u32, set: u32) {
        self.item(item);
        self.set(set);
        self.looked_at += 1;
    }

    /// An item of which a fact is kept.
    #[inline]
    pub(in crate::engine::facts) fn item(&mut self, item: u32) {
        self.items[item as usize] = true;
    }

    /// A category that something is counted for.
    #[inline]
    pub(in crate::engine::facts) fn category(&mut self, category: u32) {
        // One counts each event whatever its category.
        if let Some(used) = self.categories.get_mut(category as usize) {
            *used = true;
        }
    }

    /// A set of categories that something is of.
    pub(in crate::engine::facts) fn set(&mut self, set: u32) {
        if let Some(index) = set.checked_sub(1) {
            self.sets[index as usize] = true;
        }
    }
}

/// The new numbers of one table, by the old ones.
pub(in crate::engine::facts) struct Renumbering(Vec<u32>);

impl Renumbering {
    /// Those that are used, in their order.
    pub(in crate::engine::facts) fn of(used: &[bool]) -> Self {
        let mut next = 0;
        let new = |used: &bool| {
            let number = if *used { next } else { GONE };
            next += u32::from(*used);
            number
        };
        Self(used.iter().map(new).collect())
    }

    /// What has become of a number; none if it was forgotten.
    #[inline]
    pub(in crate::engine::facts) fn new_number(&self, old: u32) -> Option<u32> {
        self.0.get(old as usize).copied().filter(|new| *new != GONE)
    }

    /// Keeps what lies by old numbers, and has not more of them than there are, only where they stay.
    pub(in crate::engine::facts) fn retain<T>(&self, by_number: &mut Vec<T>) {
        let mut numbers = self.0.iter();
        by_number.retain(|_| numbers.next() != Some(&GONE));
    }
}

/// The new numbers of everything.
pub(in crate::engine::facts) struct Renumbered {
    pub(in crate::engine::facts) items: Renumbering,
    pub(in crate::engine::facts) categories: Renumbering,
    /// Without the empty set, as in [`InUse`].
    pub(in crate::engine::facts) sets: Renumbering,
}

impl Renumbered {
    /// The new number of an item that is in use.
    #[inline]
    pub(in crate::engine::facts) fn item(&self, old: u32) -> u32 {
        self.items.new_number(old).unwrap_or(old)
    }

    /// The new number of a category that is in use; one that is of no category stays as it is.
    #[inline]
    pub(in crate::engine::facts) fn category(&self, old: u32) -> u32 {
        self.categories.new_number(old).unwrap_or(old)
    }

    /// The new number of a set that is in use.
    #[inline]
    pub(in crate::engine::facts) fn set(&self, old: u32) -> u32 {
        old.checked_sub(1).and_then(|index| self.sets.new_number(index)).map_or(0, |index| index + 1)
    }
}
