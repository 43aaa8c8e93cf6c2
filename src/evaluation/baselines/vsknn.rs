//! VS-kNN: S-kNN in which the newest items count most.
//!
//! Ludewig and Jannach, "Evaluation of session-based recommendation algorithms" (User Modeling and User-Adapted
//! Interaction 28, 2018), in the form in which Serenade computes it, VMIS-kNN: Kersbergen, Sprangers and Schelter,
//! "Serenade - Low-Latency Session-Based Recommendation in e-Commerce at Scale" (SIGMOD 2022), `src/vmisknn` of its
//! repository:
//!
//! - of the last items of the visit, each once at its newest place, the newest counts L/u, the one before (L-1)/u and
//!   so on, L of them and u different ones; a visit is as near as the sum over the items that it has;
//! - what a neighbour has is scored by how near it is, times 1 - 0.1 d, d = 1 where it has the newest item, 2 where it
//!   has the one before and not the newest, ..., times the item's idf, ln(pairs of a visit and an item / visits that
//!   have it).
//!
//! Beside that, a neighbour may count less the older it is, which Serenade does not do and news needs.

use super::super::contender::{Contender, Observed, Question};
use super::asked::{newest, remains};
use super::neighbours::{Neighbours, Wanted, wanted};
use super::params::{BaselineError, Params};
use super::scores::Scores;
use super::visits::{Visit, Visits};

/// How neighbours are chosen. The defaults are those that Serenade is shipped with.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How many of the most recent visits that share an item are looked at. `m=`, 500 unless told.
    pub m: usize,
    /// How many of them, the nearest, are neighbours. `k=`, 50 unless told.
    pub k: usize,
    /// How many of the visit's newest events are gone by. `last=`, 2 unless told.
    pub last: usize,
    /// The weight of the idf; 0 counts all items alike. `idf=`, 1 unless told.
    pub idf: f64,
    /// Visits of more items are no neighbours. Serenade takes the 99.5th percentile of its training data. `longest=`,
    /// no bound unless told.
    pub longest: Option<usize>,
    /// In how many ms a neighbour counts half; `None` counts all alike. `age=`, none unless told.
    pub age: Option<i64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { m: 500, k: 50, last: 2, idf: 1.0, longest: None, age: None }
    }
}

impl Settings {
    pub(super) fn of(params: &mut Params<'_>) -> Result<Self, BaselineError> {
        let default = Self::default();
        let longest = params.count("longest", usize::MAX)?;
        Ok(Self {
            m: params.count("m", default.m)?,
            k: params.count("k", default.k)?,
            last: params.count("last", default.last)?,
            idf: params.number("idf", default.idf)?,
            longest: Some(longest).filter(|longest| *longest < usize::MAX),
            age: params.half_life("age", default.age)?,
        })
    }
}

/// Visits and what they share.
pub struct Vsknn {
    name: String,
    settings: Settings,
    visits: Visits,
    neighbours: Neighbours,
    wanted: Vec<Wanted>,
    pub(super) scores: Scores,
}

impl Vsknn {
    /// No visits yet.
    pub fn new(name: &str, settings: Settings) -> Self {
        Self {
            name: name.to_owned(),
            visits: Visits::new(settings.m, settings.longest),
            settings,
            neighbours: Neighbours::default(),
            wanted: Vec::new(),
            scores: Scores::default(),
        }
    }

    /// How much more an item says that few visits have.
    fn idf(&self, item: u32) -> f64 {
        if self.settings.idf == 0.0 {
            return 1.0;
        }
        self.settings.idf * (self.visits.pairs() / self.visits.had(item)).ln()
    }
}

impl Contender for Vsknn {
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
        let items = newest(question, self.settings.last);
        wanted(items, |back| (items.len() - back) as f64, &mut self.wanted);
        let different = self.wanted.len() as f64;
        let likeness =
            |sum: f64, visit: &Visit| sum / different * remains(question.ts - visit.ts, self.settings.age);
        let most = (self.settings.m, self.settings.k);
        // Taken out, as the visits and what items are worth are read meanwhile.
        let mut neighbours = std::mem::take(&mut self.neighbours);
        for near in neighbours.nearest(&self.visits, &self.wanted, question.visit, most, likeness) {
            // Where Serenade's weight would become negative it is 0.
            let step = (1.0 - 0.1 * (near.back + 1) as f64).max(0.0);
            for item in &self.visits.at(near.slot).items {
                self.scores.add(*item, step * self.idf(*item) * near.likeness);
            }
        }
        self.neighbours = neighbours;
        self.scores.best(question, list);
    }
}
