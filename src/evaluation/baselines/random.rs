//! Items drawn at random.

use super::super::contender::{Contender, Observed, Question};
use super::super::random;

/// Draws from all items that may be listed, anew for each question.
pub(super) struct Random {
    name: String,
    items: usize,
    seed: u64,
}

impl Random {
    pub fn new(name: String, items: usize, seed: u64) -> Self {
        Self { name, items, seed }
    }
}

impl Contender for Random {
    fn name(&self) -> &str {
        &self.name
    }

    fn observe(&mut self, _event: &Observed) {}

    fn list(&mut self, question: &Question<'_>, list: &mut Vec<u32>) {
        list.clear();
        let who = [self.seed, u64::from(question.user), question.ts as u64, question.so_far.len() as u64];
        let mut random = random::Random::of(&who);
        // Where few items may be listed it gives up in time: what is left is not drawn but looked through.
        for _ in 0..50 * question.n {
            let item = random.below(self.items) as u32;
            if list.len() < question.n && question.listable.may_list(item) && !list.contains(&item) {
                list.push(item);
            }
            if list.len() == question.n {
                return;
            }
        }
        let from = random.below(self.items);
        for item in (from..self.items).chain(0..from).map(|item| item as u32) {
            if list.len() == question.n {
                return;
            }
            if question.listable.may_list(item) && !list.contains(&item) {
                list.push(item);
            }
        }
    }
}
