//! What others turned to whose visits have most in common with what the user is on.
//!
//! Looked at are the newest visits with each of the user's last items. A visit is as near as what it has of these items
//! says, each `fade` times as much as the one after it, divided by the root of how much was done in it; and it counts for
//! the newest of them that it has. What was done in it counts `near` times as much for each step away from the last thing
//! that both have. That is VSTAN with its two weights by position as one, without idf and with all neighbours in place of
//! the nearest k (Ludewig, Mauro, Latifi and Jannach, Empirical analysis of session-based recommendation algorithms, 2021;
//! its STAN is of Garg, Gupta, Malhotra, Vig and Shroff, 2019).
//!
//! The user's own visit is no neighbour of itself. So a known user has what a stranger has whose session is of the same
//! items.
//!
//! An item's value is its part of all that neighbours did on other items than the user's own, with the model's evidence
//! added to the denominator.
//!
//! Where few were on the same items, their visits have few others, and what comes next is often among none of them: `beyond`
//! lets in what is visited together with the best of what neighbours had.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::item::UNIT;
use super::rows::RelatedTo;
use super::{RelatedItems, Relation};
use crate::engine::events::event::Timestamp;
use crate::engine::facts::history::RawEvent;
use crate::engine::facts::state::PartitionState;
use crate::engine::facts::visits::Visit;
use crate::engine::index::partitions::Partitions;
use crate::engine::index::pools::Pools;
use crate::engine::rank::model::Model;

/// Of how many of the best items of neighbours it is asked what goes with them.
const LEADING: usize = 20;

type ByRow<T> = HashMap<u32, T, foldhash::fast::FixedState>;

/// Adds what neighbours of a user turned to, of nobody's for an empty id, each visit for the newest of the user's items that
/// it has.
pub(super) fn add(
    pools: &Pools,
    partitions: &(impl Partitions + ?Sized),
    user_id: &str,
    related: &mut [RelatedTo],
) {
    let mut neighbours = Neighbours::new(&pools.model, pools.as_of, related);
    let limit = pools.model.related.visits.div_ceil(partitions.len().max(1));
    for partition in 0..partitions.len() {
        partitions.with(partition, &mut |state| {
            let Some(map) = pools.maps.get(partition).filter(|map| map.is_of_this_state(state)) else {
                return;
            };
            let own = |to: &RelatedTo| state.items().get(pools.layout.id(to.row));
            let session: Vec<Option<u32>> = related.iter().map(own).collect();
            let row_of = |item| map.row(&pools.layout, state, item);
            // A visit that has several of the items is found by each of them.
            let mut met = HashSet::<*const RawEvent, foldhash::fast::FixedState>::default();
            met.extend(own_visit(state, user_id, pools.as_of).map(|visit| visit.events.as_ptr()));
            for item in session.iter().flatten() {
                state.visits_to(*item, pools.as_of, limit, &mut |visit| {
                    if met.insert(visit.events.as_ptr()) {
                        neighbours.count(&visit, &session, row_of);
                    }
                });
            }
        });
    }
    let mut values = neighbours.shares();
    if pools.model.related.beyond > 0.0 {
        go_beyond(pools, partitions, related, &mut values);
    }
    for (to, values) in related.iter_mut().zip(values) {
        let mut values: Vec<(u32, f64)> = values.into_iter().collect();
        best_first(pools, &mut values);
        values.truncate(pools.model.candidates.related);
        to.items = Arc::new(with_neighbours(&to.items, values));
    }
}

/// The visit that a user is on, or was on last.
fn own_visit<'a>(state: &'a PartitionState, user_id: &str, t: Timestamp) -> Option<Visit<'a>> {
    let config = state.config();
    let profile = state.user(user_id)?.at(t, config.recent_events_per_user, state.interest_windows());
    profile.ok()?.newest_visit(config.passive_event_types)
}

/// The greatest values first, of equal ones that of the first item by its id.
fn best_first(pools: &Pools, values: &mut [(u32, f64)]) {
    let rank = |row: u32| pools.layout.rank(row);
    values.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then_with(|| rank(a.0).cmp(&rank(b.0))));
}

/// What is related to an item, and what neighbours turned to who were on it.
fn with_neighbours(items: &RelatedItems, values: Vec<(u32, f64)>) -> RelatedItems {
    let mut rows = items.rows.clone();
    let known: ByRow<usize> = rows.iter().zip(0..).map(|((row, _), index)| (*row, index)).collect();
    for (row, value) in values {
        match known.get(&row) {
            Some(index) => rows[*index].1[Relation::Neighbours as usize] = value,
            None => rows.push((row, [0.0, 0.0, value, 0.0])),
        }
    }
    RelatedItems { rows }
}

/// Adds what is visited together with the best of what neighbours had, for each of the user's items as far as its neighbours
/// had it.
fn go_beyond(
    pools: &Pools,
    partitions: &(impl Partitions + ?Sized),
    related: &[RelatedTo],
    values: &mut [ByRow<f64>],
) {
    let mut sums = ByRow::<f64>::default();
    for (to, values) in related.iter().zip(&*values) {
        for (row, value) in values {
            *sums.entry(*row).or_default() += to.share * value;
        }
    }
    let mut leading: Vec<(u32, f64)> =
        sums.into_iter().filter(|(row, _)| related.iter().all(|to| to.row != *row)).collect();
    best_first(pools, &mut leading);
    leading.truncate(LEADING);
    let had: Vec<Vec<f64>> = values
        .iter()
        .map(|values| leading.iter().map(|(row, _)| values.get(row).copied().unwrap_or_default()).collect())
        .collect();
    for (index, (row, _)) in leading.iter().enumerate() {
        let items = pools.related.get(*row, || RelatedItems::of(pools, partitions, *row));
        for (values, had) in values.iter_mut().zip(&had).filter(|(_, had)| had[index] > 0.0) {
            let counts = pools.model.related.beyond * had[index];
            for (row, together) in &items.rows {
                let together = together[Relation::Covisits as usize];
                if together > 0.0 {
                    *values.entry(*row).or_default() += counts * together;
                }
            }
        }
    }
}

/// What neighbours did, by the newest of the user's items that they have.
struct Neighbours<'a> {
    model: &'a Model,
    t: Timestamp,
    /// What each of the user's items says of how near a visit is that has it, the newest first.
    shares: Vec<f64>,
    /// What counts of something so many steps away from the last thing that both have.
    near: Vec<f64>,
    /// In whole parts of [`UNIT`]: a sum does not depend on who came first.
    by_row: Vec<ByRow<i64>>,
    total: i64,
    /// Room for a visit: what was liked in it, each with how many instants came before it.
    liked: Vec<(usize, RawEvent)>,
}

impl<'a> Neighbours<'a> {
    fn new(model: &'a Model, t: Timestamp, related: &[RelatedTo]) -> Self {
        let settings = &model.related;
        let near =
            (0..=settings.steps).scan(1.0, |power, _| Some(std::mem::replace(power, *power * settings.near)));
        Self {
            model,
            t,
            shares: settings.shares().take(related.len()).collect(),
            near: near.collect(),
            by_row: vec![ByRow::default(); related.len()],
            total: 0,
            liked: Vec::new(),
        }
    }

    fn count(&mut self, visit: &Visit<'_>, session: &[Option<u32>], row_of: impl Fn(u32) -> Option<u32>) {
        self.liked.clear();
        let (mut instant, mut at) = (0, None);
        for event in visit.acted() {
            instant += usize::from(at.is_some_and(|at| at != event.ts()));
            at = Some(event.ts());
            if self.model.likes(event.kind()) {
                self.liked.push((instant, event));
            }
        }
        let place = |item: u32| session.iter().position(|own| *own == Some(item));
        let (mut newest, mut last, mut has) = (usize::MAX, 0, vec![false; session.len()]);
        for (instant, event) in &self.liked {
            if let Some(place) = place(event.item) {
                (newest, last) = (newest.min(place), *instant);
                has[place] = true;
            }
        }
        let (Some(by_row), Some(at)) = (self.by_row.get_mut(newest), at) else { return };
        let shared: f64 = self.shares.iter().zip(&has).filter(|(_, has)| **has).map(|(share, _)| share).sum();
        let age = self.t.0.saturating_sub(at.0);
        let half_life = self.model.related.half_life;
        let faded = half_life.map_or(1.0, |half_life| (-(age as f64) / half_life as f64).exp2());
        let likeness = faded * shared / (self.liked.len() as f64).sqrt();
        for (instant, event) in &self.liked {
            let Some(near) = self.near.get(instant.abs_diff(last)) else { continue };
            let weight = self.model.event_weights[usize::from(event.kind().0)];
            let count = likeness * near * weight * UNIT;
            if place(event.item).is_none() {
                self.total += (count * self.shares[newest]).round() as i64;
            }
            if let Some(row) = row_of(event.item) {
                *by_row.entry(row).or_default() += count.round() as i64;
            }
        }
    }

    /// What each row has of all that neighbours did, by the newest of the user's items that they have.
    fn shares(self) -> Vec<ByRow<f64>> {
        let all = self.total as f64 / UNIT + self.model.related.evidence;
        let share = |(row, sum): (u32, i64)| (row, sum as f64 / UNIT / all);
        self.by_row
            .into_iter()
            .map(|sums| sums.into_iter().filter(|(_, sum)| *sum > 0).map(share).collect())
            .collect()
    }
}
