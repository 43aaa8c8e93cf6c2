//! What is known of a user of a stream as it is replayed: visits, and what was had.

use super::contender::{BEFORE, Observed};

/// What a user has done so far.
#[derive(Clone, Debug, Default)]
pub struct Person {
    /// The visit of the last event.
    visit: Option<u32>,
    /// The items of the last events, oldest first.
    items: Vec<u32>,
    /// Where among them the visit of the last event begins.
    begin: usize,
    had: Vec<u32>,
    events: u32,
    last: i64,
}

impl Person {
    /// The items that the user has had, each once.
    pub fn had(&self) -> &[u32] {
        &self.had
    }

    /// How many events there were.
    pub fn events(&self) -> u32 {
        self.events
    }

    /// When the last one was, in ms since the epoch; none before the first.
    pub fn last(&self) -> Option<i64> {
        (self.events > 0).then_some(self.last)
    }

    /// The items of a visit, and at most [`BEFORE`] of those before it, both oldest first. A visit that is not that of
    /// the last event begins.
    pub fn visit(&self, visit: u32) -> (&[u32], &[u32]) {
        let begin = if self.visit == Some(visit) { self.begin } else { self.items.len() };
        (&self.items[begin..], &self.items[begin.saturating_sub(BEFORE)..begin])
    }

    /// Something that the user did, after all else so far.
    pub fn observe(&mut self, event: &Observed) {
        if self.visit != Some(event.visit) {
            if self.items.len() > 2 * BEFORE {
                self.items.drain(..self.items.len() - BEFORE);
            }
            (self.visit, self.begin) = (Some(event.visit), self.items.len());
        }
        self.items.push(event.item);
        if !self.had.contains(&event.item) {
            self.had.push(event.item);
        }
        self.events += 1;
        self.last = event.ts;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::events::event::EventType;

    #[test]
    fn a_visit_begins_with_nothing_and_what_was_before_it_is_bounded() {
        let mut person = Person::default();
        let mut did = |visit, item| {
            let kind = EventType(0);
            person.observe(&Observed { user: 0, visit, item, kind, positive: true, ts: i64::from(item) });
            let (so_far, before) = person.visit(visit);
            (so_far.to_vec(), before.to_vec())
        };
        assert_eq!(did(0, 7), (vec![7], vec![]));
        assert_eq!(did(0, 8), (vec![7, 8], vec![]));
        assert_eq!(did(1, 7), (vec![7], vec![7, 8]));
        for item in 100..400 {
            assert_eq!(did(item, item).0, [item]);
        }
        assert_eq!(did(1000, 9).1, (300..400).collect::<Vec<u32>>());
        assert_eq!(
            person.visit(1001),
            (&[][..], &[&(301..400).collect::<Vec<u32>>()[..], &[9]].concat()[..])
        );
        assert_eq!((person.events(), person.last(), person.had().len()), (304, Some(9), 303));
    }
}
