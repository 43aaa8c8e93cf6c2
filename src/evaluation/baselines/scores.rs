//! What items are worth in one list.

use std::cmp::Ordering;

use super::super::contender::Question;

/// The scores of one list at a time. Room for each item is kept, so that a list costs what it scores and no more.
#[derive(Default)]
pub(super) struct Scores {
    /// Of each item the list that it was scored in last, and its score there.
    of: Vec<(u32, f64)>,
    list: u32,
    scored: Vec<u32>,
    ranked: Vec<(f64, u32)>,
}

impl Scores {
    /// Begins another list.
    pub(super) fn start(&mut self) {
        self.list = self.list.wrapping_add(1);
        if self.list == 0 {
            self.of.clear();
            self.list = 1;
        }
        self.scored.clear();
    }

    /// Adds to an item's score.
    pub(super) fn add(&mut self, item: u32, score: f64) {
        let place = item as usize;
        if place >= self.of.len() {
            self.of.resize(place + 1, (0, 0.0));
        }
        let (list, sum) = &mut self.of[place];
        if *list != self.list {
            (*list, *sum) = (self.list, 0.0);
            self.scored.push(item);
        }
        *sum += score;
    }

    /// Fills in the best of those that may be listed. Of equal ones the lower number is first.
    pub(super) fn best(&mut self, question: &Question<'_>, list: &mut Vec<u32>) {
        list.clear();
        self.ranked.clear();
        self.ranked.extend(self.scored.iter().map(|item| (self.of[*item as usize].1, *item)));
        let mut rest = &mut self.ranked[..];
        // Whether an item may be listed costs more than its score, so few are asked about.
        let mut portion = question.n.saturating_mul(2);
        while list.len() < question.n && !rest.is_empty() {
            let cut = portion.min(rest.len());
            if cut < rest.len() {
                rest.select_nth_unstable_by(cut, order);
            }
            let (head, tail) = rest.split_at_mut(cut);
            head.sort_unstable_by(order);
            let good = head.iter().filter(|(score, item)| *score > 0.0 && question.listable.may_list(*item));
            list.extend(good.map(|(_, item)| *item).take(question.n - list.len()));
            rest = tail;
            portion = portion.saturating_mul(2);
        }
    }

    /// An item's score.
    #[cfg(test)]
    pub(super) fn of(&self, item: u32) -> f64 {
        self.of.get(item as usize).filter(|(list, _)| *list == self.list).map_or(0.0, |(_, score)| *score)
    }
}

fn order(a: &(f64, u32), b: &(f64, u32)) -> Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}
