//! The baselines once more, for tests: each list is computed from all that has ever happened, as the formulas say it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::contender::Observed;
use super::{rules, sknn, transitions, vsknn, vstan};
use crate::engine::time::DAY;

pub(super) type Scored = BTreeMap<u32, f64>;

/// All that has happened, and what is asked.
pub(super) struct Case<'a> {
    pub(super) history: &'a [Observed],
    pub(super) own: u32,
    pub(super) items: &'a [u32],
    pub(super) ts: i64,
}

struct Visit {
    number: u32,
    newest: usize,
    ts: i64,
    items: Vec<u32>,
}

struct Near {
    visit: Visit,
    likeness: f64,
    back: usize,
}

impl Case<'_> {
    fn visit(&self, number: u32) -> Visit {
        let mut visit = Visit { number, newest: 0, ts: 0, items: Vec::new() };
        for (place, event) in self.history.iter().enumerate().filter(|(_, event)| event.visit == number) {
            (visit.newest, visit.ts) = (place, event.ts);
            visit.items.retain(|item| *item != event.item);
            visit.items.push(event.item);
        }
        visit
    }

    fn numbers(&self) -> BTreeSet<u32> {
        self.history.iter().map(|event| event.visit).collect()
    }

    /// The visits that came to have an item last.
    fn newest(&self, item: u32, m: usize) -> Vec<u32> {
        let mut found: Vec<u32> = Vec::new();
        for event in self.history.iter().filter(|event| event.item == item) {
            if !found.contains(&event.visit) {
                found.push(event.visit);
            }
        }
        found.split_off(found.len().saturating_sub(m))
    }

    /// The items of the visit that goes on, each once, newest first, with how far from the end.
    fn wanted(&self, last: usize) -> Vec<(u32, usize)> {
        let mut found: Vec<(u32, usize)> = Vec::new();
        for (back, item) in self.items.iter().rev().take(last).enumerate() {
            if !found.iter().any(|(other, _)| other == item) {
                found.push((*item, back));
            }
        }
        found
    }

    fn nearest(
        &self,
        wanted: &[(u32, f64, usize)],
        (m, k, longest): (usize, usize, usize),
        likeness: impl Fn(f64, &Visit) -> f64,
    ) -> Vec<Near> {
        let leads: Vec<Vec<u32>> = wanted.iter().map(|(item, ..)| self.newest(*item, m)).collect();
        let mut found = Vec::new();
        for number in self.numbers().into_iter().filter(|number| *number != self.own) {
            let shared: Vec<_> =
                wanted.iter().zip(&leads).filter(|(_, leads)| leads.contains(&number)).collect();
            let visit = self.visit(number);
            if let Some(((_, _, back), _)) = shared.first()
                && visit.items.len() <= longest
            {
                let sum =
                    shared.iter().map(|((_, weight, _), _)| weight).fold(0.0, |sum, weight| sum + weight);
                found.push(Near { likeness: sum, back: *back, visit });
            }
        }
        found.sort_by_key(|near| std::cmp::Reverse(near.visit.newest));
        found.truncate(m);
        found.iter_mut().for_each(|near| near.likeness = likeness(near.likeness, &near.visit));
        found.sort_by(|a, b| b.likeness.total_cmp(&a.likeness));
        found.truncate(k);
        found
    }

    /// The pairs of a visit and an item that it had, of visits that are not too long.
    fn pairs(&self, longest: usize) -> Vec<(u32, u32)> {
        let visits = self.numbers().into_iter().map(|number| self.visit(number));
        let visits = visits.filter(|visit| visit.items.len() <= longest);
        visits.flat_map(|visit| visit.items.into_iter().map(move |item| (visit.number, item))).collect()
    }

    pub(super) fn sknn(&self, settings: &sknn::Settings) -> Scored {
        let wanted: Vec<_> =
            self.wanted(usize::MAX).into_iter().map(|(item, back)| (item, 1.0, back)).collect();
        let size = wanted.len() as f64;
        let likeness = |shared: f64, visit: &Visit| shared / (size * visit.items.len() as f64).sqrt();
        let mut scores = Scored::new();
        for near in self.nearest(&wanted, (settings.m, settings.k, usize::MAX), likeness) {
            near.visit.items.iter().for_each(|item| *scores.entry(*item).or_default() += near.likeness);
        }
        scores
    }

    pub(super) fn vsknn(&self, settings: &vsknn::Settings) -> Scored {
        let length = self.items.len().min(settings.last);
        let wanted: Vec<_> = self
            .wanted(settings.last)
            .into_iter()
            .map(|(item, back)| (item, (length - back) as f64, back))
            .collect();
        let longest = settings.longest.unwrap_or(usize::MAX);
        let (different, pairs) = (wanted.len() as f64, self.pairs(longest));
        let likeness = |sum: f64, visit: &Visit| {
            let age = (self.ts - visit.ts) as f64;
            sum / different * settings.age.map_or(1.0, |half| 0.5_f64.powf(age / half as f64))
        };
        let idf = |item: u32| {
            let had = pairs.iter().filter(|(_, other)| *other == item).count() as f64;
            if settings.idf == 0.0 { 1.0 } else { settings.idf * (pairs.len() as f64 / had).ln() }
        };
        let mut scores = Scored::new();
        for near in self.nearest(&wanted, (settings.m, settings.k, longest), likeness) {
            let step = (1.0 - 0.1 * (near.back + 1) as f64).max(0.0);
            for item in &near.visit.items {
                *scores.entry(*item).or_default() += step * idf(*item) * near.likeness;
            }
        }
        scores
    }

    pub(super) fn vstan(&self, settings: &vstan::Settings) -> Scored {
        let weight = |back: usize| (-(back as f64) / settings.spw).exp();
        let wanted: Vec<_> =
            self.wanted(usize::MAX).into_iter().map(|(item, back)| (item, weight(back), back)).collect();
        let length = wanted.iter().map(|(_, weight, _)| weight * weight).sum::<f64>().sqrt();
        let likeness = |sum: f64, visit: &Visit| {
            let days = (self.ts - visit.ts) as f64 / DAY as f64;
            sum / (length * (visit.items.len() as f64).sqrt()) * (-days / settings.snh).exp()
        };
        let (visits, pairs) = (self.numbers().len() as f64, self.pairs(usize::MAX));
        let mut scores = Scored::new();
        for near in self.nearest(&wanted, (settings.m, settings.k, usize::MAX), likeness) {
            let items = &near.visit.items;
            let last = items.iter().rposition(|item| self.items.contains(item)).expect("a shared item");
            for (place, item) in items.iter().enumerate() {
                let had = pairs.iter().filter(|(_, other)| other == item).count() as f64;
                *scores.entry(*item).or_default() += near.likeness
                    * (-(place.abs_diff(last) as f64) / settings.inh).exp()
                    * (-(near.back as f64) / settings.ipw).exp()
                    * (1.0 + settings.idf * (visits / had).ln());
            }
        }
        scores
    }

    /// Each two events of a visit with different items, at most so many steps apart.
    fn steps(&self, at_most: usize) -> Vec<(&Observed, &Observed, usize)> {
        let mut found = Vec::new();
        for number in self.numbers() {
            let events: Vec<&Observed> = self.history.iter().filter(|event| event.visit == number).collect();
            for (place, later) in events.iter().enumerate() {
                for (before, earlier) in events[..place].iter().enumerate() {
                    if place - before <= at_most && earlier.item != later.item {
                        found.push((*earlier, *later, place - before));
                    }
                }
            }
        }
        found
    }

    fn halves(&self, age: i64, half: Option<i64>) -> f64 {
        half.map_or(1.0, |half| 0.5_f64.powf(age as f64 / half as f64))
    }

    pub(super) fn transitions(&self, settings: &transitions::Settings) -> Scored {
        let mut scores = Scored::new();
        for (place, item) in self.items.iter().rev().take(settings.last).enumerate() {
            for (earlier, later, _) in self.steps(1).iter().filter(|(earlier, ..)| earlier.item == *item) {
                *scores.entry(later.item).or_default() += 0.5_f64.powi(place as i32)
                    * self.halves(later.ts - earlier.ts, settings.gap)
                    * self.halves(self.ts - later.ts, settings.age);
            }
        }
        scores
    }

    pub(super) fn rules(&self, settings: &rules::Settings) -> Scored {
        let mut scores = Scored::new();
        let last = self.items.last();
        for (earlier, later, steps) in self.steps(settings.steps) {
            if Some(&earlier.item) == last {
                *scores.entry(later.item).or_default() +=
                    self.halves(self.ts - later.ts, settings.age) / steps as f64;
            }
        }
        scores
    }
}
