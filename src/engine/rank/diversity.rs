//! Keeps one category from taking a whole list.

use std::collections::{BTreeMap, VecDeque};

use hashbrown::HashMap;

type ByCategory<T> = HashMap<u32, T, foldhash::fast::RandomState>;

/// Picks `n` of `ranked`, best first, so that of the first k places of the list, for each k, a main category has at
/// most `max_share` (rounded up). Where nothing else is left, what was left out comes in order. So what is in a place
/// does not depend on how many there are: a longer list begins with the shorter one.
pub fn cap(ranked: &[u32], n: usize, max_share: f64, main_category: impl Fn(u32) -> Option<u32>) -> Vec<u32> {
    let mut picked = Vec::with_capacity(n.min(ranked.len()));
    let mut waiting = Waiting::default();
    let mut rest = ranked.iter().copied().enumerate();
    while picked.len() < n {
        let most = ((picked.len() + 1) as f64 * max_share).ceil() as usize;
        waiting.allow(most.max(1));
        let row = waiting.take_allowed().or_else(|| {
            rest.find_map(|(place, row)| match main_category(row) {
                Some(category) => waiting.take_or_wait(category, place, row),
                None => Some(row),
            })
        });
        // Nobody else is left.
        let Some(row) = row.or_else(|| waiting.take_best()) else { break };
        picked.push(row);
    }
    picked
}

/// Rows that are too many of their category for now.
#[derive(Default)]
struct Waiting {
    /// How many places each category has.
    taken: ByCategory<usize>,
    /// How many one may have.
    most: usize,
    /// By category, best first, each with its place among all.
    rows: ByCategory<VecDeque<(usize, u32)>>,
    /// The categories that wait, by the place of the best row of each.
    all: BTreeMap<usize, u32>,
    /// Those of them that may have one more place.
    allowed: BTreeMap<usize, u32>,
}

impl Waiting {
    fn may_have_more(&self, category: u32) -> bool {
        self.taken.get(&category).is_none_or(|taken| *taken < self.most)
    }

    /// Each category may have so many places.
    fn allow(&mut self, most: usize) {
        if most != self.most {
            self.most = most;
            let allowed = self.all.iter().filter(|(_, category)| self.may_have_more(**category));
            self.allowed = allowed.map(|(place, category)| (*place, *category)).collect();
        }
    }

    /// The row, if its category may have it; else it waits.
    fn take_or_wait(&mut self, category: u32, place: usize, row: u32) -> Option<u32> {
        if self.may_have_more(category) {
            *self.taken.entry(category).or_insert(0) += 1;
            return Some(row);
        }
        let rows = self.rows.entry(category).or_default();
        if rows.is_empty() {
            self.all.insert(place, category);
        }
        rows.push_back((place, row));
        None
    }

    /// The best row that waits and whose category may have it.
    fn take_allowed(&mut self) -> Option<u32> {
        let (_, category) = self.allowed.pop_first()?;
        self.take_of(category)
    }

    /// The best row that waits, whatever its category may have.
    fn take_best(&mut self) -> Option<u32> {
        let category = *self.all.first_key_value()?.1;
        self.take_of(category)
    }

    fn take_of(&mut self, category: u32) -> Option<u32> {
        let rows = self.rows.get_mut(&category)?;
        let (place, row) = rows.pop_front()?;
        let next = rows.front().map(|(place, _)| *place);
        self.all.remove(&place);
        self.allowed.remove(&place);
        *self.taken.entry(category).or_insert(0) += 1;
        if let Some(next) = next {
            self.all.insert(next, category);
            if self.may_have_more(category) {
                self.allowed.insert(next, category);
            }
        }
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_category_takes_its_share_and_no_more_while_others_can_fill_the_list() {
        let ranked = [0, 2, 4, 6, 1, 3];
        assert_eq!(cap(&ranked, 4, 0.5, |row| Some(row % 2)), [0, 1, 2, 3]);
        assert_eq!(cap(&ranked, 4, 0.6, |row| Some(row % 2)), [0, 2, 1, 4]);
    }

    #[test]
    fn the_list_is_filled_from_what_was_left_out_when_there_is_nothing_else() {
        assert_eq!(cap(&[0, 2, 4, 1], 4, 0.5, |row| Some(row % 2)), [0, 1, 2, 4]);
        assert_eq!(cap(&[0, 2, 4, 6], 9, 0.1, |row| Some(row % 2)), [0, 2, 4, 6]);
    }

    /// By a look at each row for each place.
    fn naive(
        ranked: &[u32],
        n: usize,
        max_share: f64,
        main_category: impl Fn(u32) -> Option<u32>,
    ) -> Vec<u32> {
        let (mut left, mut picked) = (ranked.to_vec(), Vec::<u32>::new());
        while picked.len() < n && !left.is_empty() {
            let most = (((picked.len() + 1) as f64 * max_share).ceil() as usize).max(1);
            let fits = |row: &u32| {
                let category = main_category(*row);
                let of_it = picked.iter().filter(|other| main_category(**other) == category).count();
                category.is_none() || of_it < most
            };
            let place = left.iter().position(fits).unwrap_or(0);
            picked.push(left.remove(place));
        }
        picked
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_invented(length in 0_u32..50, n in 0_usize..60, share in 0.01_f64..1.0) {
            let ranked: Vec<u32> = (0..length).collect();
            let picked = cap(&ranked, n, share, |row| (row % 5 != 0).then_some(row % 3));
            prop_assert_eq!(picked.len(), n.min(ranked.len()));
            let mut sorted = picked;
            sorted.sort_unstable();
            sorted.dedup();
            prop_assert_eq!(sorted.len(), n.min(ranked.len()));
        }

        #[test]
        fn each_place_is_filled_as_a_look_at_all_would_and_a_longer_list_begins_with_a_shorter_one(
            categories in prop::collection::vec(prop::option::weighted(0.9, 0_u32..5), 0..60),
            n in 0_usize..60,
            share in 0.01_f64..1.0,
        ) {
            let ranked: Vec<u32> = (0..categories.len() as u32).collect();
            let picked = cap(&ranked, n, share, |row| categories[row as usize]);
            prop_assert_eq!(&picked, &naive(&ranked, n, share, |row| categories[row as usize]));
            let longer = cap(&ranked, n + 7, share, |row| categories[row as usize]);
            prop_assert_eq!(&longer[..picked.len()], &picked[..]);
        }
    }
}
