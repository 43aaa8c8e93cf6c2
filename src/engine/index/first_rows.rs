//! The first rows of an order that pass, kept up to date as some of them change.
//!
//! What is kept is a beginning: every row that passes up to the last one that is kept. Rows that cease to pass make it
//! shorter, those that come to pass within it longer; only when it is too short does anybody walk through the
//! order again, past all rows that don't pass.

use super::among::Among;

/// See the module.
#[derive(Debug)]
pub(super) struct FirstRows {
    /// How many rows are asked for.
    limit: usize,
    /// How many are looked for; up to twice as many are kept.
    keep: usize,
    /// In order.
    kept: Vec<u32>,
    /// Whether no other row passes.
    are_all: bool,
}

impl FirstRows {
    /// The first `limit` rows, to be looked for, and `spare` more.
    pub fn new(limit: usize, spare: usize) -> Self {
        Self { limit, keep: limit.saturating_add(spare), kept: Vec::new(), are_all: false }
    }

    /// Takes in that rows have changed, ascending. `key` is what they are in order of, `passes` which of them
    /// count.
    pub fn update<K: Ord>(&mut self, changed: &[u32], key: impl Fn(u32) -> K, passes: impl Fn(u32) -> bool) {
        let among = Among::new(changed);
        self.kept.retain(|row| !among.has(*row));
        for row in changed.iter().copied().filter(|row| passes(*row)) {
            let this = key(row);
            let at = self.kept.partition_point(|other| key(*other) < this);
            // After the last one may be others, that are not known.
            if at < self.kept.len() || self.are_all {
                self.kept.insert(at, row);
            }
            if self.kept.len() > self.keep.saturating_mul(2) {
                self.kept.truncate(self.keep);
                self.are_all = false;
            }
        }
    }

    /// The first of `all` rows that pass, in order.
    pub fn first(&mut self, all: impl Iterator<Item = u32>, passes: impl Fn(u32) -> bool) -> &[u32] {
        if self.kept.len() < self.limit && !self.are_all {
            self.kept = all.filter(|row| passes(*row)).take(self.keep).collect();
            self.are_all = self.kept.len() < self.keep;
        }
        &self.kept[..self.limit.min(self.kept.len())]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever comes and goes and moves, they are those that a walk from the start finds.
        #[test]
        fn the_first_are_those_that_a_walk_finds(
            mut rows in prop::collection::vec((0..50_u32, any::<bool>()), 1..60),
            steps in prop::collection::vec(
                prop::collection::vec((0..60_usize, 0..50_u32, any::<bool>()), 0..5),
                1..40,
            ),
            limit in 0..9_usize,
            spare in 0..9_usize,
        ) {
            let mut first = FirstRows::new(limit, spare);
            let mut walks = 0;
            for changes in steps {
                let mut changed = Vec::new();
                for (row, place, passes) in changes {
                    let row = row % rows.len();
                    rows[row] = (place, passes);
                    changed.push(row as u32);
                }
                changed.sort_unstable();
                changed.dedup();
                let key = |row: u32| (rows[row as usize].0, row);
                let passes = |row: u32| rows[row as usize].1;
                first.update(&changed, key, passes);
                let mut order: Vec<u32> = (0..rows.len() as u32).collect();
                order.sort_unstable_by_key(|row| key(*row));
                let walk = order.iter().copied().inspect(|_| walks += 1);
                let found = first.first(walk, passes).to_vec();
                order.retain(|row| passes(*row));
                order.truncate(limit);
                prop_assert_eq!(found, order);
            }
            prop_assert!(first.kept.len() <= 2 * (limit + spare));
        }
    }

    #[test]
    fn rows_that_do_not_pass_are_walked_past_once() {
        let mut passing = vec![false; 1000];
        passing.extend([true; 1000]);
        let mut first = FirstRows::new(10, 40);
        let mut looks = 0;
        for gone in 1000..1030 {
            let passes = |row: u32| passing[row as usize];
            let walk = (0..2000).inspect(|_| looks += 1);
            assert_eq!(first.first(walk, passes)[0], gone);
            passing[gone as usize] = false;
            first.update(&[gone], |row| row, |row| passing[row as usize]);
        }
        assert_eq!(looks, 1050);
    }
}
