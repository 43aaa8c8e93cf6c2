//! The visits nearest to the one that is going on.

use super::visits::{Visit, Visits};

/// An item that neighbours are looked for by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) item: u32,
    /// How much it counts.
    pub(super) weight: f64,
    /// How far it is from the end of the visit: 0 for the newest event.
    pub(super) back: usize,
}

/// A visit that has some of the items.
#[derive(Clone, Copy, Debug)]
pub(super) struct Near {
    pub(super) slot: u32,
    /// The weights of the items that lead to it, summed; then how alike the two are.
    pub(super) likeness: f64,
    /// How far the newest of the items is from the end of the visit that is going on.
    pub(super) back: usize,
    newest: u64,
}

/// Each item once, at its newest place, newest first.
pub(super) fn wanted(items: &[u32], weight: impl Fn(usize) -> f64, found: &mut Vec<Wanted>) {
    found.clear();
    for (back, item) in items.iter().rev().enumerate() {
        if !found.iter().any(|other| other.item == *item) {
            found.push(Wanted { item: *item, weight: weight(back), back });
        }
    }
}

/// Finds neighbours, one list after the other, in the same memory.
#[derive(Default)]
pub(super) struct Neighbours {
    /// Of each slot the list that it was reached for last, and its place there.
    reached: Vec<(u32, u32)>,
    list: u32,
    found: Vec<Near>,
}

impl Neighbours {
    /// The `k` visits most like the one that is going on, best first: of the `m` most recent ones that items lead to.
    /// Of those that are equally alike the more recent one is first.
    pub(super) fn nearest(
        &mut self,
        visits: &Visits,
        wanted: &[Wanted],
        own: u32,
        (m, k): (usize, usize),
        likeness: impl Fn(f64, &Visit) -> f64,
    ) -> &[Near] {
        self.reach(visits, wanted, own);
        if self.found.len() > m {
            self.found.select_nth_unstable_by_key(m, |near| std::cmp::Reverse(near.newest));
            self.found.truncate(m);
        }
        for near in &mut self.found {
            near.likeness = likeness(near.likeness, visits.at(near.slot));
        }
        let order = |a: &Near, b: &Near| b.likeness.total_cmp(&a.likeness).then(b.newest.cmp(&a.newest));
        if self.found.len() > k {
            self.found.select_nth_unstable_by(k, order);
            self.found.truncate(k);
        }
        // Sums of floating point depend on the order of their terms, and lists must not.
        self.found.sort_unstable_by(order);
        &self.found
    }

    fn reach(&mut self, visits: &Visits, wanted: &[Wanted], own: u32) {
        self.found.clear();
        self.list = self.list.wrapping_add(1);
        if self.list == 0 {
            self.reached.clear();
            self.list = 1;
        }
        self.reached.resize(visits.len().max(self.reached.len()), (0, 0));
        for Wanted { item, weight, back } in wanted {
            for (slot, visit) in visits.of(*item) {
                let (list, place) = &mut self.reached[slot as usize];
                if *list == self.list {
                    self.found[*place as usize].likeness += weight;
                } else if visit.number != own {
                    (*list, *place) = (self.list, self.found.len() as u32);
                    self.found.push(Near { slot, likeness: *weight, back: *back, newest: visit.newest });
                }
            }
        }
    }
}
