//! Transitions: what came right after the item, within visits.
//!
//! A first-order Markov chain, the `mc` of Ludewig and Jannach, "Evaluation of session-based recommendation algorithms"
//! (User Modeling and User-Adapted Interaction 28, 2018), with what the third place of the OTTO challenge (Kaggle,
//! 2022) added: a next item that came later counts for less, by half for each half-life of the gap. Where a stream
//! ages, the counts themselves may halve as well.

use super::super::contender::{Contender, Observed, Question};
use super::asked::{newest, remains};
use super::params::{BaselineError, Params};
use super::rows::Rows;
use super::scores::Scores;
use super::trails::Trails;
use crate::engine::time::HOUR;

/// How transitions are counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// In which gap between two events, in ms, what they count halves; `None` counts all alike. `gap=`, 1 h unless told.
    pub gap: Option<i64>,
    /// In how many ms counts halve; `None` keeps them. `age=`, none unless told.
    pub age: Option<i64>,
    /// Of how many of the newest items the next ones are summed, each with half the weight of the one after it.
    /// `last=`, 1 unless told.
    pub last: usize,
    /// How many next items are kept of an item. `most=`, 500 unless told.
    pub most: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { gap: Some(HOUR), age: None, last: 1, most: 500 }
    }
}

impl Settings {
    pub(super) fn of(params: &mut Params<'_>) -> Result<Self, BaselineError> {
        let default = Self::default();
        Ok(Self {
            gap: params.half_life("gap", default.gap)?,
            age: params.half_life("age", default.age)?,
            last: params.count("last", default.last)?,
            most: params.count("most", default.most)?,
        })
    }
}

/// Counts of what came next.
pub struct Transitions {
    name: String,
    settings: Settings,
    trails: Trails,
    next: Rows,
    pub(super) scores: Scores,
}

impl Transitions {
    /// None yet.
    pub fn new(name: &str, settings: Settings) -> Self {
        let next = Rows::new(settings.age, settings.most);
        Self { name: name.to_owned(), settings, trails: Trails::new(1), next, scores: Scores::default() }
    }
}

impl Contender for Transitions {
    fn name(&self) -> &str {
        &self.name
    }

    fn observe(&mut self, event: &Observed) {
        if event.positive {
            self.trails.follow(event, |earlier| {
                if earlier.item != event.item {
                    let weight = remains(earlier.gap, self.settings.gap);
                    self.next.add(earlier.item, event.item, weight, event.ts);
                }
            });
        }
    }

    fn list(&mut self, question: &Question<'_>, list: &mut Vec<u32>) {
        self.scores.start();
        let mut share = 1.0;
        for item in newest(question, self.settings.last).iter().rev() {
            for (next, weight) in self.next.from(*item, question.ts) {
                self.scores.add(next, share * weight);
            }
            share *= 0.5;
        }
        self.scores.best(question, list);
    }
}
