//! Weights from item to item, which may fade with time.

use hashbrown::HashMap;

use super::asked::remains;

/// Of each item the weights to others. An item has at most twice `most` of them; then the strongest `most` stay.
pub(super) struct Rows {
    of: Vec<HashMap<u32, Weight>>,
    half_life: Option<i64>,
    most: usize,
}

/// A weight as it was when it was last added to.
#[derive(Clone, Copy, Default)]
struct Weight {
    value: f64,
    at: i64,
}

impl Rows {
    /// Those that halve in so many ms, if they do at all.
    pub(super) fn new(half_life: Option<i64>, most: usize) -> Self {
        Self { of: Vec::new(), half_life, most }
    }

    /// Adds to the weight from one item to another.
    pub(super) fn add(&mut self, from: u32, to: u32, value: f64, ts: i64) {
        let (place, half_life) = (from as usize, self.half_life);
        if place >= self.of.len() {
            self.of.resize_with(place + 1, HashMap::new);
        }
        let row = &mut self.of[place];
        if row.len() >= 2 * self.most && !row.contains_key(&to) {
            let mut all: Vec<(f64, u32)> =
                row.iter().map(|(to, weight)| (weight.now(ts, half_life), *to)).collect();
            all.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            all.iter().skip(self.most).for_each(|(_, to)| {
                row.remove(to);
            });
        }
        let weight = row.entry(to).or_default();
        *weight = Weight { value: weight.now(ts, half_life) + value, at: ts };
    }

    /// The weights from an item at an instant, in any order.
    pub(super) fn from(&self, item: u32, ts: i64) -> impl Iterator<Item = (u32, f64)> {
        let row = self.of.get(item as usize).into_iter().flatten();
        row.map(move |(to, weight)| (*to, weight.now(ts, self.half_life)))
    }
}

impl Weight {
    fn now(&self, ts: i64, half_life: Option<i64>) -> f64 {
        self.value * remains(ts - self.at, half_life)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_halve_and_the_weakest_of_too_many_go() {
        let mut rows = Rows::new(Some(10), 2);
        let row = |rows: &Rows, ts| {
            let mut found: Vec<(u32, f64)> = rows.from(7, ts).collect();
            found.sort_by_key(|(to, _)| *to);
            found
        };
        rows.add(7, 1, 4.0, 0);
        rows.add(7, 1, 1.0, 10);
        assert_eq!(row(&rows, 20), [(1, 1.5)]);
        for (to, value) in [(2, 2.0), (3, 3.0), (4, 0.5)] {
            rows.add(7, to, value, 20);
        }
        assert_eq!(row(&rows, 20), [(1, 1.5), (2, 2.0), (3, 3.0), (4, 0.5)]);
        rows.add(7, 5, 0.25, 20);
        assert_eq!(row(&rows, 20), [(2, 2.0), (3, 3.0), (5, 0.25)]);
        assert_eq!(rows.from(8, 20).count(), 0);
    }
}
