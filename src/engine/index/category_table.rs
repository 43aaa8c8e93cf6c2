//! The categories of a layout's items, and the sets of them that items have.

use std::cmp::Ordering;
use std::hash::BuildHasher;
use std::sync::Arc;

use super::blocks::Blocks;
use super::hash_index::HashIndex;
use super::ordered::Ordered;

/// The set of no category.
pub(super) const NO_CATEGORIES: u32 = 0;

/// Names as numbers; many items share a set of categories. Neither is forgotten while a layout goes on.
#[derive(Clone, Debug, Default)]
pub(super) struct CategoryTable {
    categories: Blocks<Arc<Category>>,
    /// How many have numbers in the order of their names: those that it was made with.
    in_order: u32,
    by_name: HashIndex,
    /// The main category of each first.
    sets: Blocks<Arc<[u32]>>,
    /// How many rows are of each set.
    set_rows: Blocks<u32>,
    by_members: HashIndex,
    hasher: foldhash::fast::RandomState,
}

#[derive(Clone, Debug, Default)]
struct Category {
    name: Arc<str>,
    /// The sets that it is in and that some row is of.
    sets: Ordered,
    /// Its rows, newest item first.
    members: Ordered,
}

impl CategoryTable {
    /// A table of these names, which are in order, for so many rows, with the set of no category.
    pub fn new(names: Vec<&str>, rows: usize) -> Self {
        let (by_name, by_members) = (HashIndex::new(names.len()), HashIndex::new(rows));
        let mut table = Self { by_name, by_members, ..Self::default() };
        names.into_iter().for_each(|name| {
            table.intern(name);
        });
        table.in_order = table.len() as u32;
        table.intern_set(&[]);
        table
    }

    /// How many categories have a number.
    pub fn len(&self) -> usize {
        self.categories.len()
    }

    /// The name of a category.
    pub fn name(&self, category: u32) -> &str {
        self.categories.get(category as usize).map_or("", |category| &*category.name)
    }

    /// The order of the names of two categories. Most are told apart without a look at the names, which lie
    /// where nothing else of a request does.
    #[inline]
    pub fn compare(&self, a: u32, b: u32) -> Ordering {
        if a.max(b) < self.in_order { a.cmp(&b) } else { self.name(a).cmp(self.name(b)) }
    }

    /// The number of a category.
    pub fn number(&self, name: &str) -> Option<u32> {
        self.by_name.find(self.hasher.hash_one(name), |category| self.name(category) == name)
    }

    /// The number of a category, which gets one if it has none.
    pub fn intern(&mut self, name: &str) -> u32 {
        if let Some(known) = self.number(name) {
            return known;
        }
        let new = self.len() as u32;
        self.categories.push(Arc::new(Category { name: name.into(), ..Category::default() }));
        let (categories, hasher) = (&self.categories, &self.hasher);
        let hash_of = |category: u32| {
            hasher.hash_one(categories.get(category as usize).map_or("", |category| &*category.name))
        };
        self.by_name.insert(hasher.hash_one(name), new, hash_of);
        new
    }

    /// How many sets there are.
    pub fn sets_len(&self) -> usize {
        self.sets.len()
    }

    /// The categories of a set.
    #[inline]
    pub fn set(&self, set: u32) -> &[u32] {
        self.sets.get(set as usize).map_or(&[], |members| members)
    }

    /// The sets that a category is in and that some row is of, in blocks.
    #[inline]
    pub fn sets_of(&self, category: u32) -> impl Iterator<Item = &[u32]> {
        let blocks =
            self.categories.get(category as usize).map_or(&[][..], |category| category.sets.blocks());
        blocks.iter().map(|block| &**block)
    }

    /// The number of the set of these categories, which gets one if it has none. Its categories don't know of
    /// it before a row is of it.
    pub fn intern_set(&mut self, members: &[u32]) -> u32 {
        let hash = self.hasher.hash_one(members);
        if let Some(known) = self.by_members.find(hash, |set| self.set(set) == members) {
            return known;
        }
        let new = self.sets_len() as u32;
        self.sets.push(members.into());
        self.set_rows.push(0);
        let (sets, hasher) = (&self.sets, &self.hasher);
        let hash_of = |set: u32| hasher.hash_one(sets.get(set as usize).map_or(&[][..], |members| members));
        self.by_members.insert(hash, new, hash_of);
        new
    }

    /// Tells each category the sets that it is in, given the set of each row: at once, as each single one would
    /// copy a block.
    pub fn list_sets(&mut self, rows: impl Iterator<Item = u32>) {
        for set in rows {
            self.count_row(set, |rows| rows + 1);
        }
        let mut sets_of: Vec<Vec<u32>> = vec![Vec::new(); self.len()];
        for set in (0..self.sets_len()).filter(|set| self.set_rows.get(*set).is_some_and(|rows| *rows > 0)) {
            self.set(set as u32).iter().for_each(|member| sets_of[*member as usize].push(set as u32));
        }
        for (category, sets) in (0..).zip(&sets_of) {
            self.change(category, |category| category.sets = Ordered::of(sets));
        }
    }

    /// A row that was of one set is of another one. Sets that no row is of any more would count at each
    /// request as much as others.
    pub fn move_row(&mut self, from: u32, to: u32) {
        if from == to {
            return;
        }
        let known = |set: u32| move |other: u32| other.cmp(&set);
        if self.count_row(from, |rows| rows.saturating_sub(1)) == 0 {
            for member in self.set(from).to_vec() {
                self.change(member, |category| category.sets.remove(from, known(from)));
            }
        }
        if self.count_row(to, |rows| rows + 1) == 1 {
            for member in self.set(to).to_vec() {
                self.change(member, |category| {
                    category.sets.insert(to, known(to));
                });
            }
        }
    }

    fn count_row(&mut self, set: u32, change: impl FnOnce(u32) -> u32) -> u32 {
        self.set_rows.get_mut(set as usize).map_or(0, |rows| {
            *rows = change(*rows);
            *rows
        })
    }

    /// The rows of a category, newest item first.
    pub fn members(&self, category: u32) -> Option<&Ordered> {
        self.categories.get(category as usize).map(|category| &category.members)
    }

    /// Whether no row is of that category.
    pub fn is_empty(&self, category: u32) -> bool {
        self.members(category).is_none_or(Ordered::is_empty)
    }

    /// Sets the rows of a category, newest item first.
    pub fn set_members(&mut self, category: u32, rows: &[u32]) {
        self.change(category, |category| category.members = Ordered::of(rows));
    }

    /// Puts a row among those of a category; `order` tells how another one stands to it.
    pub fn put_in(&mut self, category: u32, row: u32, order: impl Fn(u32) -> Ordering) {
        self.change(category, |category| {
            category.members.insert(row, order);
        });
    }

    /// Takes a row out of those of a category; `order` tells how another one stands to it.
    pub fn take_out(&mut self, category: u32, row: u32, order: impl Fn(u32) -> Ordering) {
        self.change(category, |category| category.members.remove(row, order));
    }

    fn change(&mut self, category: u32, change: impl FnOnce(&mut Category)) {
        if let Some(category) = self.categories.get_mut(category as usize) {
            change(Arc::make_mut(category));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_are_in_the_order_of_their_names_whenever_they_have_come() {
        let mut table = CategoryTable::new(vec!["b", "d"], 1);
        table.intern("c");
        table.intern("a");
        for (a, b) in (0..4).flat_map(|a| (0..4).map(move |b| (a, b))) {
            assert_eq!(table.compare(a, b), table.name(a).cmp(table.name(b)), "{a} and {b}");
        }
    }
}
