//! VSTAN: a VS-kNN that weighs by distance wherever there is one.
//!
//! STAN is Garg, Gupta, Malhotra, Vig and Shroff, "Sequence and time aware neighborhood for session-based
//! recommendations" (SIGIR 2019); VSTAN adds what VS-kNN knows: Ludewig, Mauro, Latifi and Jannach, "Empirical analysis
//! of session-based recommendation algorithms" (User Modeling and User-Adapted Interaction 31, 2021), in their framework
//! session-rec `algorithms/knn/vstan.py`. With the items of the visit at 1 to L, a neighbour n and now t:
//!
//! - item: `w(i) = exp((pos(i) - L) / spw)`
//! - nearness: `sum of w over what both have / (sqrt(sum of w^2) sqrt(|n|))`, times `exp(-(t - t_n) / snh days)`
//! - an item c of n: nearness times `exp(-|pos_n(c) - pos_n(i)| / inh)`, i the last item of n that the visit has, times
//!   `exp((pos(j) - L) / ipw)`, j the last item of the visit that n has, times `1 + idf ln(visits / visits with c)`.

use super::super::contender::{Contender, Observed, Question};
use super::asked::newest;
use super::neighbours::{Neighbours, Wanted, wanted};
use super::params::{BaselineError, Params};
use super::scores::Scores;
use super::visits::{KEPT, Visit, Visits};
use crate::engine::time::DAY;

/// How neighbours are chosen. The defaults are those that session-rec has tuned for RetailRocket.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How many of the most recent visits that share an item are looked at. `m=`, 2500 unless told.
    pub m: usize,
    /// How many of them, the nearest, are neighbours. `k=`, 1000 unless told.
    pub k: usize,
    /// `l_spw`: how fast an item counts less the longer ago the visit had it, in items. `spw=`, 3.62 unless told.
    pub spw: f64,
    /// `l_snh`: how fast a neighbour counts less the older it is, in days. `snh=`, 100 unless told.
    pub snh: f64,
    /// `l_inh`: how fast what a neighbour has counts less the further it is from what both have, in items. `inh=`,
    /// 0.4525 unless told.
    pub inh: f64,
    /// `l_ipw`: how fast a neighbour counts less the longer ago the visit had what both have, in items. `ipw=`, 3.62
    /// unless told.
    pub ipw: f64,
    /// `l_idf`: the weight of the idf. `idf=`, 1 unless told.
    pub idf: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { m: 2500, k: 1000, spw: 3.62, snh: 100.0, inh: 0.4525, ipw: 3.62, idf: 1.0 }
    }
}

impl Settings {
    pub(super) fn of(params: &mut Params<'_>) -> Result<Self, BaselineError> {
        let default = Self::default();
        Ok(Self {
            m: params.count("m", default.m)?,
            k: params.count("k", default.k)?,
            spw: params.width("spw", default.spw)?,
            snh: params.width("snh", default.snh)?,
            inh: params.width("inh", default.inh)?,
            ipw: params.width("ipw", default.ipw)?,
            idf: params.number("idf", default.idf)?,
        })
    }
}

/// Visits and what they share.
pub struct Vstan {
    name: String,
    settings: Settings,
    visits: Visits,
    neighbours: Neighbours,
    wanted: Vec<Wanted>,
    /// `exp(-d / inh)` for each distance d within a visit.
    apart: Vec<f64>,
    pub(super) scores: Scores,
}

impl Vstan {
    /// No visits yet.
    pub fn new(name: &str, settings: Settings) -> Self {
        Self {
            name: name.to_owned(),
            visits: Visits::new(settings.m, None),
            neighbours: Neighbours::default(),
            wanted: Vec::new(),
            apart: (0..=KEPT).map(|distance| (-(distance as f64) / settings.inh).exp()).collect(),
            scores: Scores::default(),
            settings,
        }
    }

    /// How much more an item says that few visits have.
    fn idf(&self, item: u32) -> f64 {
        1.0 + self.settings.idf * (self.visits.begun() / self.visits.had(item)).ln()
    }
}

impl Contender for Vstan {
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
        let Settings { m, k, spw, snh, ipw, .. } = self.settings;
        wanted(newest(question, KEPT), |back| (-(back as f64) / spw).exp(), &mut self.wanted);
        let length = self.wanted.iter().map(|wanted| wanted.weight * wanted.weight).sum::<f64>().sqrt();
        let likeness = |sum: f64, visit: &Visit| {
            let age = (question.ts - visit.ts).max(0) as f64 / DAY as f64;
            sum / (length * (visit.items.len() as f64).sqrt()) * (-age / snh).exp()
        };
        // Taken out, as the visits and what items are worth are read meanwhile.
        let mut neighbours = std::mem::take(&mut self.neighbours);
        for near in neighbours.nearest(&self.visits, &self.wanted, question.visit, (m, k), likeness) {
            let items = &self.visits.at(near.slot).items;
            let is_shared = |item: &u32| self.wanted.iter().any(|wanted| wanted.item == *item);
            let Some(last) = items.iter().rposition(is_shared) else { continue };
            let worth = near.likeness * (-(near.back as f64) / ipw).exp();
            for (place, item) in items.iter().enumerate() {
                self.scores.add(*item, worth * self.apart[place.abs_diff(last)] * self.idf(*item));
            }
        }
        self.neighbours = neighbours;
        self.scores.best(question, list);
    }
}
