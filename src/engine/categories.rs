//! The categories that a partition's events and coarse counts speak of, as numbers.

use std::borrow::Cow;

use super::intern::Interner;

/// The most categories, and the most sets of categories, that a partition remembers. Beyond it an
/// event's own categories are not kept.
const LIMIT: usize = 1 << 20;

/// Category names and the sets of them that events came with. Set 0 is the empty one.
#[derive(Debug, Default)]
pub struct Categories {
    names: Interner,
    sets: Interner,
    members: Vec<Box<[u32]>>,
    spelling: String,
}

impl Categories {
    /// The number of a category.
    pub fn intern(&mut self, name: &str) -> Option<u32> {
        self.names.intern(name, LIMIT)
    }

    /// The name of a category.
    pub fn name(&self, category: u32) -> &str {
        self.names.name(category)
    }

    /// How many categories there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The names, in the order of their numbers.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.names()
    }

    /// The number of a set, repeats left out.
    pub fn intern_set(&mut self, categories: &[Cow<'_, str>]) -> u32 {
        if categories.is_empty() {
            return 0;
        }
        self.spelling.clear();
        for (place, category) in categories.iter().enumerate() {
            if !categories[..place].contains(category) {
                // Lengths make the spelling unambiguous whatever the names hold.
                self.spelling.push_str(&category.len().to_string());
                self.spelling.push(':');
                self.spelling.push_str(category);
            }
        }
        let known = self.sets.len();
        let Some(set) = self.sets.intern(&self.spelling, LIMIT) else { return 0 };
        if self.sets.len() > known {
            let mut members: Vec<u32> = Vec::with_capacity(categories.len());
            for category in categories {
                match self.names.intern(category, LIMIT) {
                    Some(member) if !members.contains(&member) => members.push(member),
                    _ => {}
                }
            }
            self.members.push(members.into());
        }
        set + 1
    }

    /// The members of a set.
    pub fn members(&self, set: u32) -> &[u32] {
        let place = set.checked_sub(1).and_then(|place| self.members.get(place as usize));
        place.map_or(&[], |members| members)
    }

    /// The sets, for a snapshot, in the order of their numbers from 1.
    pub fn sets(&self) -> impl ExactSizeIterator<Item = &[u32]> {
        self.members.iter().map(|members| &**members)
    }

    /// How many sets there are, the empty one left out.
    pub fn sets_len(&self) -> usize {
        self.members.len()
    }

    /// Whether set `a` is spelled after set `b`: an order that does not depend on arrival.
    pub fn spelled_after(&self, a: u32, b: u32) -> bool {
        let spelling = |set: u32| set.checked_sub(1).map_or("", |place| self.sets.name(place));
        spelling(a) > spelling(b)
    }
}
