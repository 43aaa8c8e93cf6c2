//! A person's newest events, which count once more than by their windows: each the less the more events have followed
//! it. What somebody turned to last says most about what comes next.
//!
//! The distance of an event is how many newer ones there are of those that weigh something: events of one instant have
//! the same one, in whatever order they came. Only events that are exact count (see
//! [`history`](crate::engine::facts::history)), so that it does not matter how far those behind them have been counted
//! by pane. The items of an anonymous session are newer than all events, in their own order.

use super::covered::Located;
use crate::engine::events::event::Timestamp;
use crate::engine::facts::history::RawEvent;
use crate::engine::facts::profile::ProfileAt;
use crate::engine::rank::model::Recent;

/// What counts for less of its weight than this does not count.
const LEAST: f64 = 1e-3;

/// Events of a person, of whom each partition may know some; reused from one request to the next.
#[derive(Debug, Default)]
pub(super) struct Newest {
    events: Vec<Event>,
    /// Their categories, one event's after another's.
    categories: Vec<u32>,
    /// Room for the events that one partition knows.
    known: Vec<(Timestamp, i64, RawEvent)>,
}

#[derive(Clone, Copy, Debug)]
struct Event {
    /// When, and of the items of a session, which.
    at: (Timestamp, usize),
    /// In millionths: what it weighs, and from [`Newest::weigh`] on what counts of that.
    weight: i64,
    /// Where its categories are.
    categories: (usize, usize),
}

impl Newest {
    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.events.clear();
        self.categories.clear();
    }

    /// Takes in what a partition knows of the user at `t`. `weights` are those of event types.
    pub fn add(
        &mut self,
        user: Located<'_>,
        profile: &ProfileAt<'_>,
        weights: &[i64],
        recent: &Recent,
        t: Timestamp,
    ) {
        let mut known = std::mem::take(&mut self.known);
        let windows = user.state.interest_windows();
        let weighing = profile.exact().filter_map(|event| {
            let weight = weights.get(usize::from(event.kind().0)).copied().filter(|weight| *weight != 0)?;
            windows.covering(event.ts(), t)?;
            Some((event.ts(), weight, event))
        });
        known.extend(weighing);
        known.sort_unstable_by_key(|(ts, ..)| std::cmp::Reverse(*ts));
        // Those of other partitions can only make their distances greater.
        for (distance, (ts, weight, event)) in distances(known.iter().copied(), |(ts, ..)| *ts) {
            if counts_for(distance, recent) < LEAST {
                break;
            }
            let from = self.categories.len();
            user.categories(event, |category| self.categories.push(category));
            let categories = (from, self.categories.len());
            self.events.push(Event { at: (ts, 0), weight, categories });
        }
        known.clear();
        self.known = known;
    }

    /// Takes in the next item of an anonymous session.
    pub fn add_now(&mut self, categories: &[u32], weight: i64) {
        if weight == 0 {
            return;
        }
        let from = self.categories.len();
        self.categories.extend_from_slice(categories);
        let (place, categories) = (self.events.len(), (from, self.categories.len()));
        self.events.push(Event { at: (Timestamp(i64::MAX), place), weight, categories });
    }

    /// Makes of what each weighs what counts of it. Calls back with the categories of each and that, in millionths.
    pub fn weigh(&mut self, recent: &Recent, mut with: impl FnMut(&[u32], i64)) {
        self.events.sort_unstable_by_key(|event| std::cmp::Reverse(event.at));
        let (mut distance, mut before) = (0, None);
        for (place, event) in self.events.iter_mut().enumerate() {
            if before != Some(event.at) {
                (distance, before) = (place, Some(event.at));
            }
            let share = counts_for(distance, recent);
            let share = if share < LEAST { 0.0 } else { share };
            event.weight = (event.weight as f64 * share).round() as i64;
            let (from, to) = event.categories;
            with(&self.categories[from..to], event.weight);
        }
    }

    /// How many of them count for a category.
    pub fn of(&self, category: u32) -> u64 {
        let is_of = |event: &&Event| {
            let (from, to) = event.categories;
            event.weight != 0 && self.categories[from..to].contains(&category)
        };
        self.events.iter().filter(is_of).count() as u64
    }
}

/// What counts of the weight of an event that so many are newer than.
fn counts_for(distance: usize, recent: &Recent) -> f64 {
    (-(distance as f64) / recent.distance).exp()
}

/// Items that are sorted, each with how many of them have come before all that are like it.
fn distances<T, K: PartialEq>(
    sorted: impl Iterator<Item = T>,
    key: impl Fn(&T) -> K,
) -> impl Iterator<Item = (usize, T)> {
    let mut first = None;
    sorted.enumerate().map(move |(place, item)| {
        let this = key(&item);
        let distance = match &first {
            Some((distance, known)) if *known == this => *distance,
            _ => place,
        };
        first = Some((distance, this));
        (distance, item)
    })
}
