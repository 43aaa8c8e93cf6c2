//! Items drawn at random.

use xxhash_rust::xxh3::xxh3_64;

use super::super::contender::{Contender, Observed, Question};
use super::super::random;
use super::super::stream::Stream;

/// Draws from all items that may be listed, anew for each question. It goes by ids, as numbers are those of the order
/// in which a stream was read.
pub(super) struct Random<'a> {
    name: String,
    stream: &'a Stream,
    /// In the order of their ids.
    items: Vec<u32>,
    seed: u64,
}

impl<'a> Random<'a> {
    pub fn new(name: String, stream: &'a Stream, seed: u64) -> Self {
        let items = (0..stream.items() as u32).filter(|item| stream.is_listed(*item));
        let mut items: Vec<u32> = items.collect();
        items.sort_unstable_by_key(|item| stream.item_id(*item));
        Self { name, stream, items, seed }
    }
}

impl Contender for Random<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn observe(&mut self, _event: &Observed) {}

    fn list(&mut self, question: &Question<'_>, list: &mut Vec<u32>) {
        list.clear();
        let user = xxh3_64(self.stream.user_id(question.user).as_bytes());
        let who = [self.seed, user, question.ts as u64, question.so_far.len() as u64];
        let mut random = random::Random::of(&who);
        // Where few items may be listed it gives up in time: what is left is not drawn but looked through.
        for _ in 0..50 * question.n {
            let Some(item) = self.items.get(random.below(self.items.len())).copied() else { return };
            if list.len() < question.n && question.listable.may_list(item) && !list.contains(&item) {
                list.push(item);
            }
            if list.len() == question.n {
                return;
            }
        }
        let from = random.below(self.items.len());
        for item in self.items[from..].iter().chain(&self.items[..from]).copied() {
            if list.len() == question.n {
                return;
            }
            if question.listable.may_list(item) && !list.contains(&item) {
                list.push(item);
            }
        }
    }
}
