//! The session split of the session-recommendation literature: a train file, and sessions that came after it.
//!
//! Contenders learn the train events and then nothing more. Of each test session they are asked for the next item at
//! each position but the first, told the items before. All items of the train file are ranked but the one that the
//! session had last, which may come again later and not next; items that it had before that may be listed. Only the
//! very next item counts, also where the list has those after it.
//!
//! So does Serenade's evaluator (bolcom/serenade, `src/bin/evaluator.rs`, `src/metrics/mrr.rs` and `hitrate.rs`, and
//! `predict` in `src/vmisknn/mod.rs`), with lists of 20. Items that the train file does not have are missed and count
//! all the same, and so is a next item that is the last one again.
//!
//! Nobody is told who asks: a session is a stranger's, and all that is known are its items.

use super::super::contender::{Contender, Listable, NOBODY, Observed, Question};
use super::super::ranks::Ranks;

/// As many items as a list has in the literature.
pub const LENGTH: usize = 20;

/// What may be listed: what was there to be learnt, but the item that is being looked at.
struct Others<'a> {
    known: &'a [bool],
    last: u32,
}

impl Listable for Others<'_> {
    fn may_list(&self, item: u32) -> bool {
        item != self.last && self.known.get(item as usize).copied().unwrap_or(false)
    }
}

/// Has contenders learn `train`, both in the order of their times, and asks them for what comes next in `test`.
/// `progress` is told of each event that is done.
pub fn evaluate(
    train: &[Observed],
    test: &[Observed],
    contenders: &mut [Box<dyn Contender + '_>],
    length: usize,
    progress: &dyn Fn(u64),
) -> Ranks {
    let items = train.iter().chain(test).map(|event| event.item as usize + 1).max().unwrap_or(0);
    let (mut known, mut first) = (vec![false; items], vec![None; items]);
    for event in train {
        contenders.iter_mut().for_each(|contender| contender.observe(event));
        known[event.item as usize] = true;
        first[event.item as usize].get_or_insert(event.ts);
        progress(1);
    }
    let mut ranks = Ranks::of(contenders, items);
    for session in by_visit(test) {
        let items: Vec<u32> = session.iter().map(|event| event.item).collect();
        for (place, event) in session.iter().enumerate().skip(1) {
            let question = Question {
                user: NOBODY,
                visit: event.visit,
                so_far: &items[..place],
                before: &[],
                ts: event.ts,
                n: length,
                listable: &Others { known: &known, last: items[place - 1] },
            };
            let known = (session[place - 1].ts, first[event.item as usize]);
            ranks.ask(contenders, &question, event, known);
        }
        progress(session.len() as u64);
    }
    ranks
}

/// The events of each visit, in the order in which visits begin.
pub(super) fn by_visit(events: &[Observed]) -> Vec<Vec<Observed>> {
    let mut place_of = hashbrown::HashMap::new();
    let mut visits: Vec<Vec<Observed>> = Vec::new();
    for event in events {
        let place = *place_of.entry(event.visit).or_insert(visits.len());
        if place == visits.len() {
            visits.push(Vec::new());
        }
        visits[place].push(*event);
    }
    visits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::events::event::EventType;

    /// Lists all it may, lowest first, and remembers what it is told.
    #[derive(Default)]
    struct Lowest {
        learnt: usize,
    }

    impl Contender for Lowest {
        fn name(&self) -> &str {
            "lowest"
        }

        fn observe(&mut self, _: &Observed) {
            self.learnt += 1;
        }

        fn list(&mut self, question: &Question<'_>, list: &mut Vec<u32>) {
            assert_eq!(self.learnt, 4, "only the train file is learnt");
            list.extend((0..9).filter(|item| question.listable.may_list(*item)).take(question.n));
        }
    }

    fn events(of: &[(u32, u32)]) -> Vec<Observed> {
        let event = |(ts, (visit, item)): (usize, &(u32, u32))| Observed {
            user: *visit,
            visit: *visit,
            item: *item,
            kind: EventType(0),
            positive: true,
            ts: ts as i64,
        };
        of.iter().enumerate().map(event).collect()
    }

    #[test]
    fn each_position_but_the_first_is_asked_for_the_very_next_item() {
        let train = events(&[(1, 0), (1, 1), (2, 2), (2, 4)]);
        // The other session begins in between. Item 3 is unknown, and the last 1 of the first comes twice.
        let test = events(&[(7, 0), (8, 4), (7, 1), (7, 1), (8, 3), (7, 2), (8, 0)]);
        let mut contenders: Vec<Box<dyn Contender>> = vec![Box::new(Lowest::default())];
        let ranks = evaluate(&train, &test, &mut contenders, 2, &|_| ());
        let positions: Vec<(u32, u32)> =
            ranks.asked.iter().map(|asked| (asked.visit, asked.position)).collect();
        assert_eq!(positions, [(7, 2), (7, 3), (7, 4), (8, 2), (8, 3)]);
        // After 0: [1, 2]. After 1: [0, 2], twice. After 4: [0, 1]. After 3: [0, 1].
        assert_eq!(ranks.of, [[1, 0, 2, 0, 1]]);
        assert_eq!(ranks.names, ["lowest"]);
    }
}
