//! Sequential rules: what came up to some steps after the item, within visits, the sooner the more.
//!
//! `SR` of Ludewig and Jannach, "Evaluation of session-based recommendation algorithms" (User Modeling and User-Adapted
//! Interaction 28, 2018), with the weight 1/d for d steps, up to 10 of them; the list is that of the newest item. By
//! CHAMELEON's tables (Moreira et al., 2019) the best of the cheap ones on news.

use super::super::contender::{Contender, Observed, Question};
use super::asked::newest;
use super::params::{BaselineError, Params};
use super::rows::Rows;
use super::scores::Scores;
use super::trails::Trails;

/// How rules are counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How many steps apart two events may be. `steps=`, 10 unless told.
    pub steps: usize,
    /// In how many ms weights halve; `None` keeps them, as published. `age=`, none unless told.
    pub age: Option<i64>,
    /// How many rules are kept of an item. `most=`, 500 unless told.
    pub most: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { steps: 10, age: None, most: 500 }
    }
}

impl Settings {
    pub(super) fn of(params: &mut Params<'_>) -> Result<Self, BaselineError> {
        let default = Self::default();
        Ok(Self {
            steps: params.count("steps", default.steps)?,
            age: params.half_life("age", default.age)?,
            most: params.count("most", default.most)?,
        })
    }
}

/// Rules from item to item.
pub struct Rules {
    name: String,
    trails: Trails,
    rules: Rows,
    pub(super) scores: Scores,
}

impl Rules {
    /// None yet.
    pub fn new(name: &str, settings: Settings) -> Self {
        Self {
            name: name.to_owned(),
            trails: Trails::new(settings.steps),
            rules: Rows::new(settings.age, settings.most),
            scores: Scores::default(),
        }
    }
}

impl Contender for Rules {
    fn name(&self) -> &str {
        &self.name
    }

    fn observe(&mut self, event: &Observed) {
        if event.positive {
            self.trails.follow(event, |earlier| {
                if earlier.item != event.item {
                    self.rules.add(earlier.item, event.item, 1.0 / earlier.steps as f64, event.ts);
                }
            });
        }
    }

    fn list(&mut self, question: &Question<'_>, list: &mut Vec<u32>) {
        self.scores.start();
        for item in newest(question, 1) {
            for (next, weight) in self.rules.from(*item, question.ts) {
                self.scores.add(next, weight);
            }
        }
        self.scores.best(question, list);
    }
}
