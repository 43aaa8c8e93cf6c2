//! S-kNN: what the visits have that share most items with this one.
//!
//! As in Jannach and Ludewig, "When recurrent neural networks meet the neighborhood for session-based recommendation"
//! (RecSys 2017): the cosine of two sets of items, the most recent visits only; an item's score is the sum of how alike
//! the neighbours are that have it.

use super::super::contender::{Contender, Observed, Question};
use super::asked::newest;
use super::neighbours::{Neighbours, Wanted, wanted};
use super::params::{BaselineError, Params};
use super::scores::Scores;
use super::visits::{KEPT, Visit, Visits};

/// How neighbours are chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How many of the most recent visits that share an item are looked at. `m=`, 1000 unless told.
    pub m: usize,
    /// How many of them, the nearest, are neighbours. `k=`, 500 unless told.
    pub k: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { m: 1000, k: 500 }
    }
}

impl Settings {
    pub(super) fn of(params: &mut Params<'_>) -> Result<Self, BaselineError> {
        let default = Self::default();
        Ok(Self { m: params.count("m", default.m)?, k: params.count("k", default.k)? })
    }
}

/// Visits and what they share.
pub struct Sknn {
    name: String,
    settings: Settings,
    visits: Visits,
    neighbours: Neighbours,
    wanted: Vec<Wanted>,
    pub(super) scores: Scores,
}

impl Sknn {
    /// No visits yet.
    pub fn new(name: &str, settings: Settings) -> Self {
        Self {
            name: name.to_owned(),
            visits: Visits::new(settings.m, None),
            settings,
            neighbours: Neighbours::default(),
            wanted: Vec::new(),
            scores: Scores::default(),
        }
    }
}

impl Contender for Sknn {
    fn name(&self) -> &str {
        &self.name
    }

    fn observe(&mut self, event: &Observed) {
        if event.positive {
            self.visits.observe(event);
        }
    }

    fn list(&mut self, question: &Question<'_>, list: &mut Vec<u32>) {
        self.scores.start();
        wanted(newest(question, KEPT), |_| 1.0, &mut self.wanted);
        let size = self.wanted.len() as f64;
        let likeness = |shared: f64, visit: &Visit| shared / (size * visit.items.len() as f64).sqrt();
        let most = (self.settings.m, self.settings.k);
        let nearest = self.neighbours.nearest(&self.visits, &self.wanted, question.visit, most, likeness);
        for near in nearest {
            for item in &self.visits.at(near.slot).items {
                self.scores.add(*item, near.likeness);
            }
        }
        self.scores.best(question, list);
    }
}
