//! A user's interest in each category, from the facts of the profile and the weights of a model.
//!
//! `A_w(c)` is the sum of the weights of the user's events in window w on items of category c, `N_w`
//! the sum of the absolute weights of all events in w. The newest events count once more, as if in a window of their own
//! (`newest.rs`). The interest in c is the sum over windows of `window_weight[w] * A_w(c) / (N_w + evidence)`, times how
//! rare it is; in an item, the sum over its n categories, divided by `n ^ dilution` (`parts.rs`).
//!
//! Weights are counted in whole millionths, so that a sum does not depend on the order of events. What a category adds to
//! an item's interest is a multiple of 2^-44, so that what is told of it adds up to the last bit.
//!
//! What counts (`covered.rs`) and what it weighs (`weights.rs`) is said for requests and for those who are told what a
//! request made of it ([`super::explain`]).

mod covered;
mod newest;
mod parts;
mod weights;

use crate::engine::config::MAX_WINDOWS;
use crate::engine::events::event::{EventTypes, Timestamp};
use crate::engine::facts::profile::ProfileAt;
use crate::engine::index::layout::Layout;
use crate::engine::rank::model::Model;
pub use covered::{Covered, Located, On, covered};
use newest::Newest;
use parts::{Dilution, Rarity, exact};
use weights::millionths;
pub use weights::{certainty, micro_weight, whole};

/// Where the newest events stand, behind the windows.
const NEWEST: usize = MAX_WINDOWS;

/// Weights by window, and those of the newest events.
type WindowWeights = [i64; MAX_WINDOWS + 1];

/// Interests by category of a layout; reused from one request to the next.
#[derive(Debug, Default)]
pub struct Interests {
    weights: Vec<WindowWeights>,
    scores: Vec<f64>,
    touched: Vec<u32>,
    totals: WindowWeights,
    newest: Newest,
    /// What a weight of 1 in a window is worth, whatever the category.
    shares: [f64; MAX_WINDOWS + 1],
    dilution: Dilution,
    /// The interest by set of categories, 0 but for [`Self::touched_sets`].
    by_set: Vec<f64>,
    /// The sets that a touched category is in, if they are few.
    touched_sets: Vec<u32>,
    /// Whether they are few.
    few_sets: bool,
    /// The least and the greatest of [`Self::by_set`].
    range: (f64, f64),
}

/// Items share their sets of categories, so that each set is looked at once and not each
/// candidate, unless the user's categories are in more sets than a request has candidates.
const MOST_SETS: usize = 1000;

/// What a category adds to the interest in an item, by window.
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    /// Window by window, as many as there are.
    pub windows: [f64; MAX_WINDOWS],
    /// Because of the newest events.
    pub newest: f64,
    /// How many of these count for it.
    pub newest_events: u64,
    /// What they weigh, each the less the more have followed it.
    pub newest_weight: f64,
}

impl Interests {
    /// Starts anew for a layout.
    pub fn reset(&mut self, layout: &Layout) {
        for category in self.touched.drain(..) {
            self.weights[category as usize] = WindowWeights::default();
            self.scores[category as usize] = 0.0;
        }
        self.totals = WindowWeights::default();
        self.newest.clear();
        for set in self.touched_sets.drain(..) {
            self.by_set[set as usize] = 0.0;
        }
        if self.by_set.len() < layout.category_sets_len() {
            self.by_set.resize(layout.category_sets_len(), 0.0);
        }
        if self.weights.len() < layout.categories_len() {
            self.weights.resize(layout.categories_len(), WindowWeights::default());
            self.scores.resize(layout.categories_len(), 0.0);
        }
    }

    /// Counts a user's facts at `t`.
    pub fn count(&mut self, user: Located<'_>, profile: &ProfileAt<'_>, model: &Model, t: Timestamp) {
        // Once a request: to round is a call, and there are many events.
        let mut weights = [0; EventTypes::MAX];
        weights.iter_mut().zip(&model.event_weights).for_each(|(weight, of)| *weight = millionths(*of));
        for Covered { first, kind, count, on } in covered(user.state, profile, t) {
            let weight = weights.get(usize::from(kind.0)).map_or(0, |weight| weight * i64::from(count));
            // Most events of most people are impressions, which weigh nothing.
            if weight == 0 {
                continue;
            }
            match on {
                On::Event(event) => {
                    self.totals[first] += weight.abs();
                    user.categories(event, |category| self.add(category, first, weight));
                }
                On::Any => self.totals[first] += weight.abs(),
                On::Category(category) => {
                    if let Some(category) = user.map.category(user.layout, user.state, category) {
                        self.add(category, first, weight);
                    }
                }
            }
        }
        if model.recent.weight > 0.0 {
            self.newest.add(user, profile, &weights, &model.recent, t);
        }
    }

    /// Counts an item of an anonymous session as an event of that type, now.
    pub fn count_now(&mut self, categories: &[u32], kind: u8, model: &Model) {
        let weight = micro_weight(model, kind);
        self.totals[0] += weight.abs();
        for category in categories {
            self.add(*category, 0, weight);
        }
        if model.recent.weight > 0.0 {
            self.newest.add_now(categories, weight);
        }
    }

    /// Turns what was counted into interests. Until then [`Self::of`] says 0.
    pub fn finish(&mut self, model: &Model, layout: &Layout) {
        self.count_newest(model);
        self.dilution.set(model.dilution);
        let mut total = 0;
        self.shares = [0.0; MAX_WINDOWS + 1];
        for (window, weight) in model.interest_windows.iter().enumerate() {
            total += self.totals[window];
            self.shares[window] = weight / certainty(total, model.evidence);
        }
        let recent = &model.recent;
        self.shares[NEWEST] = recent.weight / certainty(self.totals[NEWEST], recent.evidence);
        let rarity = Rarity::new(model, layout);
        for index in 0..self.touched.len() {
            let category = self.touched[index];
            let mut score = 0.0;
            self.sums(category, model.interest_windows.len(), |_, sum| score = sum);
            self.scores[category as usize] = score * rarity.of(category);
        }
        self.finish_sets(layout);
    }

    /// The newest events have weights of their own.
    fn count_newest(&mut self, model: &Model) {
        if model.recent.weight == 0.0 {
            return;
        }
        let mut newest = std::mem::take(&mut self.newest);
        newest.weigh(&model.recent, |categories, weight| {
            self.totals[NEWEST] += weight.abs();
            categories.iter().for_each(|category| self.add(*category, NEWEST, weight));
        });
        self.newest = newest;
    }

    /// Calls back with what the windows come to of a category, as if all were as rare: the shortest, the two shortest, and
    /// so on, and last all of them with the newest events.
    #[inline]
    fn sums(&self, category: u32, windows: usize, mut with: impl FnMut(usize, f64)) {
        let (weights, mut weight, mut sum) = (&self.weights[category as usize], 0, 0.0);
        for (window, share) in self.shares.iter().enumerate().take(windows) {
            weight += weights[window];
            sum += share * whole(weight);
            with(window, sum);
        }
        with(NEWEST, sum + self.shares[NEWEST] * whole(weights[NEWEST]));
    }

    fn finish_sets(&mut self, layout: &Layout) {
        self.few_sets = true;
        for category in &self.touched {
            for sets in layout.sets_of(*category) {
                self.few_sets &= self.touched_sets.len() + sets.len() <= MOST_SETS;
                if !self.few_sets {
                    self.touched_sets.clear();
                    return;
                }
                // Most are in one set: not worth a call to copy it.
                sets.iter().for_each(|set| self.touched_sets.push(*set));
            }
        }
        // All other sets have none.
        let (mut least, mut greatest) = (0.0, 0.0);
        for index in 0..self.touched_sets.len() {
            let set = self.touched_sets[index];
            // It is listed for each of its categories that was touched.
            if self.by_set[set as usize] != 0.0 {
                continue;
            }
            let interest = self.of(layout.members(set));
            self.by_set[set as usize] = interest;
            if interest < least {
                least = interest;
            }
            if interest > greatest {
                greatest = interest;
            }
        }
        self.range = (least, greatest);
    }

    /// The least and the greatest interest in any item; without bounds if that is not known.
    pub fn range(&self) -> (f64, f64) {
        if self.few_sets { self.range } else { (f64::NEG_INFINITY, f64::INFINITY) }
    }

    /// The interest in an item by its set of categories. None: the user's categories are in so many of them
    /// that the candidates had better be asked for one by one.
    pub fn by_set(&self) -> Option<&[f64]> {
        self.few_sets.then_some(&self.by_set)
    }

    /// The interest in an item of these categories.
    #[inline]
    pub fn of(&self, categories: &[u32]) -> f64 {
        let share = self.dilution.of(categories.len());
        categories.iter().fold(0.0, |sum, category| sum + exact(self.scores[*category as usize] * share))
    }

    /// What one category adds to the interest in an item that has so many: added up in any order, those of all its
    /// categories are what [`Self::of`] says.
    pub fn parts(&self, category: u32, categories: usize, model: &Model, layout: &Layout) -> Parts {
        let (rarity, share) = (Rarity::new(model, layout).of(category), self.dilution.of(categories));
        let mut parts =
            Parts { windows: [0.0; MAX_WINDOWS], newest: 0.0, newest_events: 0, newest_weight: 0.0 };
        let mut before = 0.0;
        self.sums(category, model.interest_windows.len(), |window, sum| {
            let up_to = exact(sum * rarity * share);
            let part = up_to - before;
            before = up_to;
            match parts.windows.get_mut(window) {
                Some(slot) => *slot = part,
                None => parts.newest = part,
            }
        });
        parts.newest_events = self.newest.of(category);
        parts.newest_weight = whole(self.weights[category as usize][NEWEST]);
        parts
    }

    /// Fills in the categories of positive interest, strongest first, ties in the order of names, at most `limit`.
    pub fn strongest(&self, limit: usize, layout: &Layout, out: &mut Vec<u32>) {
        out.clear();
        let order = |a: u32, b: u32| {
            let (a_score, b_score) = (self.scores[a as usize], self.scores[b as usize]);
            b_score.total_cmp(&a_score).then_with(|| layout.compare_categories(a, b))
        };
        // Few are asked for, so that most are compared with the last one of them and not with each other.
        for category in self.touched.iter().copied().filter(|category| self.scores[*category as usize] > 0.0)
        {
            if out.len() >= limit && out.last().is_none_or(|last| order(category, *last).is_ge()) {
                continue;
            }
            // One that is listed twice is found.
            if let Err(at) = out.binary_search_by(|other| order(*other, category)) {
                out.truncate(limit - 1);
                out.insert(at, category);
            }
        }
    }

    #[inline]
    fn add(&mut self, category: u32, first: usize, weight: i64) {
        if weight == 0 {
            return;
        }
        let weights = &mut self.weights[category as usize];
        // A category whose weights happen to cancel out is listed twice: it is computed twice.
        if weights.iter().all(|weight| *weight == 0) {
            self.touched.push(category);
        }
        weights[first] += weight;
    }
}

#[cfg(test)]
mod tests;
