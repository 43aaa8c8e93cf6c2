//! The index of visits that all neighbours are looked up in: who had what, with the newest visits of each item.
//!
//! A visit is in the index from its first event on. Of an item the visits are kept that came to have it last, at most
//! so many; a visit that no item leads to any more is forgotten. So memory is bounded by the number of items.

use std::collections::VecDeque;

use hashbrown::HashMap;

use super::super::contender::Observed;

/// The most items that are kept of a visit, the newest.
pub(super) const KEPT: usize = 50;

/// A visit that may be a neighbour.
#[derive(Default)]
pub(super) struct Visit {
    /// Its number in the stream.
    pub(super) number: u32,
    /// Which event of the stream was its newest: of two visits the one with the higher number is more recent.
    pub(super) newest: u64,
    /// When that was, in ms since the epoch.
    pub(super) ts: i64,
    /// Its items, each once, by when it had them last, the newest last.
    pub(super) items: Vec<u32>,
    /// How many different ones it has had.
    pub(super) distinct: usize,
    /// How many items lead to it.
    leads: u32,
}

/// The visits and how items lead to them.
pub(super) struct Visits {
    per_item: usize,
    longest: usize,
    /// By slot. A slot is used again when its visit is forgotten.
    slots: Vec<Visit>,
    free: Vec<u32>,
    slot_of: HashMap<u32, u32>,
    /// The slots of the visits that had an item, the one that came to have it last at the end.
    by_item: Vec<VecDeque<u32>>,
    /// How many visits have had an item, of all that were seen.
    had: Vec<u32>,
    pairs: u64,
    begun: u64,
    events: u64,
}

impl Visits {
    /// None yet. Visits of more than `longest` items are no neighbours and count nowhere, up to the bound of what is
    /// kept of one; without it all are.
    pub(super) fn new(per_item: usize, longest: Option<usize>) -> Self {
        Self {
            per_item,
            longest: longest.map_or(usize::MAX, |longest| longest.min(KEPT)),
            slots: Vec::new(),
            free: Vec::new(),
            slot_of: HashMap::new(),
            by_item: Vec::new(),
            had: Vec::new(),
            pairs: 0,
            begun: 0,
            events: 0,
        }
    }

    /// Adds an event to its visit.
    pub(super) fn observe(&mut self, event: &Observed) {
        self.events += 1;
        let slot = match self.slot_of.get(&event.visit) {
            Some(slot) => *slot,
            None => self.begin(event.visit),
        };
        let (newest, longest) = (self.events, self.longest);
        let visit = &mut self.slots[slot as usize];
        (visit.newest, visit.ts) = (newest, event.ts);
        if let Some(place) = visit.items.iter().position(|item| *item == event.item) {
            visit.items[place..].rotate_left(1);
            return;
        }
        visit.items.push(event.item);
        visit.distinct += 1;
        visit.leads += 1;
        let distinct = visit.distinct;
        let place = event.item as usize;
        if place >= self.by_item.len() {
            self.by_item.resize_with(place + 1, VecDeque::new);
            self.had.resize(place + 1, 0);
        }
        if distinct <= longest {
            self.had[place] += 1;
            self.pairs += 1;
        } else if distinct == longest + 1 {
            let visit = &self.slots[slot as usize];
            for item in &visit.items[..longest] {
                self.had[*item as usize] -= 1;
            }
            self.pairs -= longest as u64;
        }
        self.by_item[place].push_back(slot);
        if self.by_item[place].len() > self.per_item
            && let Some(oldest) = self.by_item[place].pop_front()
        {
            self.leave(oldest);
        }
        self.cut(slot);
    }

    /// The visits that came to have an item last, in any order, each by its slot.
    pub(super) fn of(&self, item: u32) -> impl Iterator<Item = (u32, &Visit)> {
        let slots = self.by_item.get(item as usize).into_iter().flatten();
        let visits = slots.map(|slot| (*slot, &self.slots[*slot as usize]));
        visits.filter(|(_, visit)| visit.distinct <= self.longest)
    }

    /// The visit in a slot.
    pub(super) fn at(&self, slot: u32) -> &Visit {
        &self.slots[slot as usize]
    }

    /// How many slots there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// How many visits have had an item, at least 1.
    pub(super) fn had(&self, item: u32) -> f64 {
        f64::from(self.had.get(item as usize).copied().unwrap_or(0).max(1))
    }

    /// How many visits there have been.
    pub(super) fn begun(&self) -> f64 {
        self.begun as f64
    }

    /// How many pairs of a visit and an item that it had there have been.
    pub(super) fn pairs(&self) -> f64 {
        self.pairs as f64
    }

    fn begin(&mut self, number: u32) -> u32 {
        self.begun += 1;
        let slot = self.free.pop().unwrap_or(self.slots.len() as u32);
        if slot as usize == self.slots.len() {
            self.slots.push(Visit::default());
        }
        let visit = &mut self.slots[slot as usize];
        visit.items.clear();
        (visit.number, visit.distinct, visit.leads) = (number, 0, 0);
        self.slot_of.insert(number, slot);
        slot
    }

    /// Forgets the oldest item of a visit that has too many.
    fn cut(&mut self, slot: u32) {
        let items = &mut self.slots[slot as usize].items;
        if items.len() > KEPT {
            let oldest = items.remove(0);
            let leads = &mut self.by_item[oldest as usize];
            if let Some(place) = leads.iter().rposition(|other| *other == slot) {
                leads.remove(place);
                self.leave(slot);
            }
        }
    }

    /// One item less leads to a visit.
    fn leave(&mut self, slot: u32) {
        let visit = &mut self.slots[slot as usize];
        visit.leads -= 1;
        if visit.leads == 0 {
            self.slot_of.remove(&visit.number);
            self.free.push(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::click;
    use super::*;

    fn numbers(visits: &Visits, item: u32) -> Vec<u32> {
        visits.of(item).map(|(_, visit)| visit.number).collect()
    }

    #[test]
    fn the_newest_visits_of_an_item_are_kept_and_those_that_no_item_leads_to_are_forgotten() {
        let mut visits = Visits::new(2, None);
        for (visit, item) in [(1, 5), (2, 5), (2, 6), (3, 5), (3, 5)] {
            visits.observe(&click(visit, item, 0));
        }
        assert_eq!(numbers(&visits, 5), [2, 3]);
        assert_eq!((visits.len(), visits.slot_of.len(), visits.begun(), visits.had(5)), (3, 2, 3.0, 3.0));
        visits.observe(&click(4, 5, 0));
        assert_eq!((numbers(&visits, 5), numbers(&visits, 6)), (vec![3, 4], vec![2]));
        assert_eq!((visits.len(), visits.pairs()), (3, 5.0), "the slot of the first is used again");
    }

    #[test]
    fn of_a_long_visit_the_newest_items_are_kept() {
        let mut visits = Visits::new(2, None);
        for item in 0..KEPT as u32 + 3 {
            visits.observe(&click(1, item, 0));
        }
        assert!(numbers(&visits, 2).is_empty());
        assert_eq!(numbers(&visits, 3), [1]);
        visits.observe(&click(1, 3, 0));
        let items = &visits.at(0).items;
        assert_eq!((items.len(), items[0], items[KEPT - 1]), (KEPT, 4, 3));
    }

    #[test]
    fn a_visit_that_grows_too_long_counts_nowhere() {
        let mut visits = Visits::new(9, Some(2));
        for (visit, item) in [(1, 5), (2, 5), (1, 6)] {
            visits.observe(&click(visit, item, 0));
        }
        assert_eq!((numbers(&visits, 5), visits.pairs()), (vec![1, 2], 3.0));
        visits.observe(&click(1, 7, 0));
        assert_eq!((numbers(&visits, 5), visits.pairs()), (vec![2], 1.0));
        for (visit, item) in [(1, 8), (2, 8)] {
            visits.observe(&click(visit, item, 0));
        }
        assert_eq!((numbers(&visits, 5), numbers(&visits, 8)), (vec![2], vec![2]));
        assert_eq!((visits.pairs(), visits.had(5), visits.had[6], visits.had[7]), (2.0, 1.0, 0, 0));
    }
}
