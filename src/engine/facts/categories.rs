//! The categories that a partition's events and coarse counts speak of, as numbers.

use std::borrow::Cow;

use crate::engine::facts::intern::Interner;
use crate::engine::facts::numbers::Renumbered;

/// Category names and the sets of them that events came with. Set 0 is the empty one.
#[derive(Debug)]
pub struct Categories {
    /// The most names, and the most sets. Beyond it an event's own categories are not kept.
    limit: usize,
    names: Interner,
    sets: Interner,
    members: Vec<Box<[u32]>>,
    spelling: String,
}

impl Categories {
    /// None, and room for so many names, and as many sets.
    pub fn new(limit: usize) -> Self {
        let (names, sets) = (Interner::default(), Interner::default());
        Self { limit, names, sets, members: Vec::new(), spelling: String::new() }
    }

    /// Another limit from now on. Returns that of before.
    pub(in crate::engine::facts) fn set_limit(&mut self, limit: usize) -> usize {
        std::mem::replace(&mut self.limit, limit)
    }

    /// The number of a category.
    pub fn intern(&mut self, name: &str) -> Option<u32> {
        self.names.intern(name, self.limit)
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

    /// The number of a category, if it has one.
    pub fn number(&self, name: &str) -> Option<u32> {
        self.names.get(name)
    }

    /// The names, in the order of their numbers.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.names()
    }

    /// Whether half of the sets that there may be are there: the rest is for those that events come with.
    pub fn is_half_full(&self) -> bool {
        self.sets_len() >= self.limit / 2
    }

    /// Whether some may find no room.
    pub(in crate::engine::facts) fn is_crowded(&self) -> bool {
        self.len() >= self.limit || self.is_half_full()
    }

    /// The number of a set, repeats left out, and categories that there is no room for.
    pub fn intern_set(&mut self, categories: &[Cow<'_, str>]) -> u32 {
        if categories.is_empty() {
            return 0;
        }
        self.spelling.clear();
        spell_set(&mut self.spelling, categories, |_| true);
        match self.sets.get(&self.spelling) {
            Some(set) => set + 1,
            None => self.add_set(categories),
        }
    }

    /// The number that [`Self::intern_set`] gave a set, unless it had no room for it.
    pub fn find_set(&self, categories: &[Cow<'_, str>]) -> Option<u32> {
        if categories.is_empty() {
            return Some(0);
        }
        let find = |is_member: &dyn Fn(&str) -> bool| {
            let mut spelling = String::new();
            spell_set(&mut spelling, categories, is_member);
            Some(self.sets.get(&spelling)? + 1)
        };
        let is_full = self.names.len() >= self.limit;
        let of_known = || find(&|name| self.number(name).is_some());
        find(&|_| true).or_else(|| of_known().filter(|_| is_full))
    }

    /// Takes over new numbers.
    pub(in crate::engine::facts) fn renumber(&mut self, numbers: &Renumbered) {
        self.names.renumber(&numbers.categories);
        self.sets.renumber(&numbers.sets);
        numbers.sets.retain(&mut self.members);
        for member in self.members.iter_mut().flatten() {
            *member = numbers.category(*member);
        }
    }

    fn add_set(&mut self, categories: &[Cow<'_, str>]) -> u32 {
        let mut members: Vec<u32> = Vec::with_capacity(categories.len());
        for category in categories {
            match self.names.intern(category, self.limit) {
                Some(member) if !members.contains(&member) => members.push(member),
                _ => {}
            }
        }
        // A set is spelled by the members that it has, so that it reads back as it was written.
        self.spelling.clear();
        for member in &members {
            spell(&mut self.spelling, self.names.name(*member));
        }
        let known = self.sets.len();
        let set = if members.is_empty() { None } else { self.sets.intern(&self.spelling, self.limit) };
        if self.sets.len() > known {
            self.members.push(members.into());
        }
        set.map_or(0, |set| set + 1)
    }

    /// The members of a set.
    pub fn members(&self, set: u32) -> &[u32] {
        let members = set.checked_sub(1).and_then(|index| self.members.get(index as usize));
        members.map_or(&[], |members| members)
    }

    /// The sets, for a snapshot, in the order of their numbers from 1.
    pub fn sets(&self) -> impl ExactSizeIterator<Item = &[u32]> {
        self.members.iter().map(|members| &**members)
    }

    /// How many sets there are, the empty one left out.
    pub fn sets_len(&self) -> usize {
        self.members.len()
    }

    /// Whether the names of set `a` come after those of set `b`: an order that depends neither on
    /// arrival nor on the partition.
    pub fn spelled_after(&self, a: u32, b: u32) -> bool {
        let names = |set: u32| self.members(set).iter().map(|member| self.name(*member));
        names(a).gt(names(b))
    }
}

/// Spells a set, each category once.
fn spell_set(spelling: &mut String, categories: &[Cow<'_, str>], is_member: impl Fn(&str) -> bool) {
    for (index, category) in categories.iter().enumerate() {
        if !categories[..index].contains(category) && is_member(category) {
            spell(spelling, category);
        }
    }
}

/// Lengths make a spelling unambiguous whatever the names hold.
fn spell(spelling: &mut String, category: &str) {
    spelling.push_str(&category.len().to_string());
    spelling.push(':');
    spelling.push_str(category);
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1000;

    fn set(names: &[&str]) -> Vec<Cow<'static, str>> {
        names.iter().map(|name| Cow::from((*name).to_owned())).collect()
    }

    #[test]
    fn a_set_keeps_its_order_and_leaves_repeats_out() {
        let mut categories = Categories::new(LIMIT);
        let b_a = categories.intern_set(&set(&["b", "a", "b"]));
        assert_eq!(b_a, categories.intern_set(&set(&["b", "a"])));
        assert_ne!(b_a, categories.intern_set(&set(&["a", "b"])));
        let names: Vec<&str> =
            categories.members(b_a).iter().map(|member| categories.name(*member)).collect();
        assert_eq!(names, ["b", "a"]);
        assert_eq!(categories.intern_set(&[]), 0);
    }

    #[test]
    fn the_order_of_sets_is_that_of_their_names_whatever_their_lengths() {
        let mut categories = Categories::new(LIMIT);
        let long = categories.intern_set(&set(&["abcdefghij"]));
        let short = categories.intern_set(&set(&["b"]));
        assert!(categories.spelled_after(short, long));
        assert!(!categories.spelled_after(long, short));
        assert!(categories.spelled_after(long, 0));
    }

    #[test]
    fn when_there_is_no_room_for_a_name_the_set_is_the_one_of_the_names_that_are_known() {
        let mut categories = Categories::new(LIMIT);
        for name in 0..LIMIT {
            categories.intern(&name.to_string());
        }
        let known = categories.intern_set(&set(&["7"]));
        assert_eq!(categories.intern_set(&set(&["new", "7"])), known);
        assert_eq!(categories.intern_set(&set(&["new"])), 0);
        assert_eq!((categories.len(), categories.sets_len()), (LIMIT, 1));
    }
}
