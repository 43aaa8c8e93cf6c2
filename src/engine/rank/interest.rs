//! A user's interest in each category, from the facts of the profile and the weights of a model.
//!
//! `A_w(c)` is the sum of the weights of the user's events in window w on items of category c, `N_w`
//! the sum of the absolute weights of all events in w. The interest in c is the sum over windows of
//! `window_weight[w] * A_w(c) / (N_w + evidence)`; in an item, the mean over its categories.
//!
//! Weights are counted in whole millionths, so that a sum does not depend on the order of events.
//!
//! What counts ([`covered`]), what it weighs ([`micro_weight`]) and what that is divided by ([`certainty`])
//! is said here, for requests and for those who are told what a request made of it ([`super::explain`]).

use crate::engine::config::MAX_WINDOWS;
use crate::engine::events::event::{EventType, EventTypes, Timestamp};
use crate::engine::facts::history::{ANY_CATEGORY, RawEvent};
use crate::engine::facts::profile::ProfileAt;
use crate::engine::facts::state::PartitionState;
use crate::engine::index::layout::Layout;
use crate::engine::index::partition_map::PartitionMap;
use crate::engine::rank::model::Model;

/// A weight of 1.
const UNIT: f64 = 1e6;

/// Weights by window.
type WindowWeights = [i64; MAX_WINDOWS];

/// A partition as a layout sees it.
#[derive(Clone, Copy)]
pub struct Located<'a> {
    /// The facts.
    pub state: &'a PartitionState,
    /// The layout.
    pub layout: &'a Layout,
    /// From the partition's numbers to the layout's.
    pub map: &'a PartitionMap,
}

impl Located<'_> {
    /// Calls back with each of an event's categories that the layout knows: those of the item in
    /// the catalog, or those that it had when the event came, where the catalog has none.
    pub fn categories(&self, event: RawEvent, mut with: impl FnMut(u32)) {
        let row = self.map.row(self.layout, self.state, event.item);
        if let Some(row) = row.filter(|_| self.layout.is_of_catalog()) {
            let categories = self.layout.categories(row);
            if !categories.is_empty() {
                categories.iter().copied().for_each(with);
                return;
            }
        }
        for own in self.state.categories().members(event.event_categories) {
            if let Some(category) = self.map.category(self.layout, self.state, *own) {
                with(category);
            }
        }
    }
}

/// Interests by category of a layout; reused from one request to the next.
#[derive(Debug, Default)]
pub struct Interests {
    weights: Vec<WindowWeights>,
    scores: Vec<f64>,
    touched: Vec<u32>,
    totals: WindowWeights,
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

impl Interests {
    /// Starts anew for a layout.
    pub fn reset(&mut self, layout: &Layout) {
        for category in self.touched.drain(..) {
            self.weights[category as usize] = WindowWeights::default();
            self.scores[category as usize] = 0.0;
        }
        self.totals = WindowWeights::default();
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
    }

    /// Counts an item of an anonymous session as an event of that type, now.
    pub fn count_now(&mut self, categories: &[u32], kind: u8, model: &Model) {
        let weight = micro_weight(model, kind);
        self.totals[0] += weight.abs();
        for category in categories {
            self.add(*category, 0, weight);
        }
    }

    /// Turns what was counted into interests. Until then [`Self::of`] says 0.
    pub fn finish(&mut self, model: &Model, layout: &Layout) {
        let mut total = 0;
        let mut shares = [0.0; MAX_WINDOWS];
        for (window, weight) in model.interest_windows.iter().enumerate() {
            total += self.totals[window];
            shares[window] = weight / certainty(model, total);
        }
        for category in &self.touched {
            let mut sum = 0;
            let mut score = 0.0;
            for (window, share) in shares.iter().take(model.interest_windows.len()).enumerate() {
                sum += self.weights[*category as usize][window];
                score += share * whole(sum);
            }
            self.scores[*category as usize] = score;
        }
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

    /// The interest in an item of these categories, in [-1, 1].
    #[inline]
    pub fn of(&self, categories: &[u32]) -> f64 {
        match categories {
            [] => 0.0,
            [only] => self.scores[*only as usize],
            several => {
                let sum: f64 = several.iter().map(|category| self.scores[*category as usize]).sum();
                sum / several.len() as f64
            }
        }
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

/// A fact of a user that counts at an instant.
pub struct Covered {
    /// The shortest window that covers it; all longer ones do too.
    pub first: usize,
    /// The type of the events.
    pub kind: EventType,
    /// How many events.
    pub count: u32,
    /// What they are on.
    pub on: On,
}

/// What events count for.
pub enum On {
    /// One that is known by itself: for the user's total, and for each of its categories.
    Event(RawEvent),
    /// Counts by pane: for the user's total.
    Any,
    /// Counts by pane: for a category, by the partition's number.
    Category(u32),
}

/// What counts of a user at `t`.
pub fn covered<'a>(
    state: &'a PartitionState,
    profile: &ProfileAt<'a>,
    t: Timestamp,
) -> impl Iterator<Item = Covered> + use<'a> {
    let windows = state.interest_windows();
    let events = profile.covered(windows, t).map(|(event, first)| Covered {
        first,
        kind: event.kind(),
        count: 1,
        on: On::Event(event),
    });
    let counts = profile.coarse().filter_map(move |entry| {
        let on = if entry.key == ANY_CATEGORY { On::Any } else { On::Category(entry.key) };
        let first = windows.covering_by_pane(entry.start, t)?;
        Some(Covered { first, kind: entry.kind, count: entry.count, on })
    });
    events.chain(counts)
}

/// What a weight in a category is divided by: what all events in the window weigh, in millionths and without
/// their signs, and so much evidence that one event is no certainty.
#[inline]
pub fn certainty(model: &Model, total: i64) -> f64 {
    whole(total) + model.evidence
}

/// A weight of millionths.
#[inline]
pub fn whole(millionths: i64) -> f64 {
    millionths as f64 / UNIT
}

/// The weight of an event type in millionths.
#[inline]
pub fn micro_weight(model: &Model, kind: u8) -> i64 {
    model.event_weights.get(usize::from(kind)).map_or(0, |weight| millionths(*weight))
}

#[inline]
fn millionths(weight: f64) -> i64 {
    (weight * UNIT).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::events::catalog::Catalog;
    use crate::engine::events::item::{Item, ItemChange};
    use crate::engine::rank::model::tests::weighing;

    fn layout() -> Layout {
        let mut catalog = Catalog::default();
        for (id, categories) in [("i0", &["a"][..]), ("i1", &["b", "c"][..])] {
            catalog.apply(ItemChange::Put(Item::new(id, categories.iter().copied())), 10);
        }
        Layout::build(&catalog, &[][..])
    }

    fn model() -> Model {
        weighing(&[1.0, -2.0], &[0.75, 0.25])
    }

    fn interests(events: &[(u32, u8)]) -> Interests {
        let mut interests = Interests::default();
        interests.reset(&layout());
        for (category, kind) in events {
            interests.count_now(&[*category], *kind, &model());
        }
        interests.finish(&model(), &layout());
        interests
    }

    #[test]
    fn one_event_is_no_certainty() {
        assert_eq!(interests(&[(0, 0)]).of(&[0]), 0.5);
        assert_eq!(interests(&[(0, 0); 3]).of(&[0]), 0.75);
    }

    #[test]
    fn the_interest_in_an_item_is_the_mean_over_its_categories_and_none_without() {
        let interests = interests(&[(1, 0), (1, 0), (2, 1)]);
        // 2 / (4 + 1) and -2 / (4 + 1)
        assert_eq!((interests.of(&[1]), interests.of(&[2])), (0.4, -0.4));
        assert_eq!((interests.of(&[1, 2]), interests.of(&[])), (0.0, 0.0));
    }

    #[test]
    fn a_category_whose_weights_cancel_out_on_the_way_is_strong_once_and_forgotten_by_a_reset() {
        let mut interests = interests(&[(0, 0), (0, 0), (0, 1), (0, 0), (1, 0)]);
        let mut strongest = Vec::new();
        interests.strongest(5, &layout(), &mut strongest);
        assert_eq!(strongest, [0, 1], "equal interests are in the order of names");
        interests.reset(&layout());
        assert_eq!((interests.of(&[0]), interests.of(&[1])), (0.0, 0.0));
        interests.finish(&model(), &layout());
        interests.strongest(5, &layout(), &mut strongest);
        assert!(strongest.is_empty());
    }
}
