//! At which rank each contender had what was clicked: what every protocol gives.

use super::contender::{Contender, Observed, Question};
use super::tally::{self, Column, NOT_ASKED};

/// One question, the same for all contenders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Who was asked for: clicks of one are no independent draws.
    pub user: u32,
    /// The visit in which it was clicked.
    pub visit: u32,
    /// Which event of its visit was to be guessed, from 1.
    pub position: u32,
    /// What was clicked.
    pub item: u32,
    /// When, in ms since the epoch.
    pub ts: i64,
}

/// The ranks of what was clicked, by contender and question.
#[derive(Clone, Debug, Default)]
pub struct Ranks {
    /// The contenders' names.
    pub names: Vec<String>,
    /// The questions in the order in which they were asked.
    pub asked: Vec<Asked>,
    /// Of each contender the rank in each list, from 1; 0 where the list did not have it.
    pub of: Vec<Vec<u32>>,
    /// The questions as reports group them.
    pub told: Vec<tally::Asked>,
    /// The same answers as reports take them.
    pub columns: Vec<Column>,
    list: Vec<u32>,
}

impl Ranks {
    /// None yet, of contenders who list some of so many items.
    pub fn of(contenders: &[Box<dyn Contender + '_>], items: usize) -> Self {
        let names: Vec<String> = contenders.iter().map(|contender| contender.name().to_owned()).collect();
        Self {
            columns: names.iter().map(|name| Column::new(name.clone(), Vec::new(), items)).collect(),
            names,
            of: vec![Vec::new(); contenders.len()],
            ..Self::default()
        }
    }

    /// Asks each contender the same, and notes at which rank it has what was clicked. `before` is when the event before it
    /// in its visit was, `first` when the first of all on the item was that contenders know of.
    pub fn ask(
        &mut self,
        contenders: &mut [Box<dyn Contender + '_>],
        question: &Question<'_>,
        event: &Observed,
        (before, first): (i64, Option<i64>),
    ) {
        let each = contenders.iter_mut().zip(&mut self.of).zip(&mut self.columns);
        for ((contender, ranks), column) in each {
            self.list.clear();
            contender.list(question, &mut self.list);
            self.list.truncate(question.n);
            let place = self.list.iter().position(|listed| *listed == event.item);
            ranks.push(place.map_or(0, |place| place as u32 + 1));
            // Of a stream that is not replayed click by click nobody knows what is popular just then.
            column.add(&self.list, event.item, &|_| f64::NAN, None);
            column.gave.push(NOT_ASKED);
        }
        let position = question.so_far.len() as u32 + 1;
        self.told.push(tally::Asked {
            place: self.told.len() as u32,
            user: event.user,
            ts: event.ts,
            earlier: position - 1,
            gap: event.ts - before,
            age: first.map_or(0, |first| event.ts - first),
            position,
        });
        let (user, visit, item, ts) = (event.user, event.visit, event.item, event.ts);
        self.asked.push(Asked { user, visit, position, item, ts });
    }

    /// The mean of 1/rank up to a rank; lists without the item count 0.
    pub fn mrr(&self, contender: usize, at: u32) -> f64 {
        self.mean(contender, at, |rank| 1.0 / f64::from(rank))
    }

    /// The share of lists that had the item up to a rank.
    pub fn hit_rate(&self, contender: usize, at: u32) -> f64 {
        self.mean(contender, at, |_| 1.0)
    }

    /// The mean of 1/log2(1 + rank) up to a rank: NDCG where one item is right.
    pub fn ndcg(&self, contender: usize, at: u32) -> f64 {
        self.mean(contender, at, |rank| 1.0 / (1.0 + f64::from(rank)).log2())
    }

    fn mean(&self, contender: usize, at: u32, worth: impl Fn(u32) -> f64) -> f64 {
        let ranks = &self.of[contender];
        let hits = ranks.iter().filter(|rank| (1..=at).contains(*rank));
        hits.map(|rank| worth(*rank)).sum::<f64>() / ranks.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_the_rank_counts_nothing() {
        let ranks = Ranks { of: vec![vec![1, 0, 4, 3], Vec::new()], ..Ranks::default() };
        assert_eq!(
            (ranks.mrr(0, 4), ranks.mrr(0, 3)),
            ((1.0 + 0.25 + 1.0 / 3.0) / 4.0, (1.0 + 1.0 / 3.0) / 4.0)
        );
        assert_eq!((ranks.hit_rate(0, 4), ranks.hit_rate(0, 1)), (0.75, 0.25));
        assert_eq!(ranks.ndcg(0, 3), (1.0 + 0.5) / 4.0);
        assert_eq!((ranks.mrr(1, 20), ranks.hit_rate(1, 20)), (0.0, 0.0));
    }
}
