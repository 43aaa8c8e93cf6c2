//! What is related to one item.

use hashbrown::HashMap;

use super::{RelatedItems, Values};
use crate::engine::events::event::Timestamp;
use crate::engine::facts::history::RawEvent;
use crate::engine::facts::visits::Visit;
use crate::engine::index::partitions::Partitions;
use crate::engine::index::pools::Pools;
use crate::engine::rank::model::Model;

/// What counts for something that is so many steps after an item in a visit.
const NEXT: [f64; 2] = [1.0, 0.5];

/// A count of 1.
pub(super) const UNIT: f64 = 1e6;

impl RelatedItems {
    /// What is related to a row's item at the instant of the pools: the most related rows, as many as are candidates of the
    /// model. Each partition is looked at for the time of its share of the visits.
    pub fn of(pools: &Pools, partitions: &(impl Partitions + ?Sized), row: u32) -> Self {
        let settings = &pools.model.related;
        let mut sums = Sums::new(&pools.model, pools.as_of);
        // Users are spread evenly, so that each partition's newest visits are nearly the newest of all.
        let limit = settings.visits.div_ceil(partitions.len().max(1));
        for partition in 0..partitions.len() {
            partitions.with(partition, &mut |state| {
                let Some(map) = pools.maps.get(partition).filter(|map| map.is_of_this_state(state)) else {
                    return;
                };
                let Some(item) = state.items().get(pools.layout.id(row)) else { return };
                let row_of = |item| map.row(&pools.layout, state, item);
                state.visits_to(item, pools.as_of, limit, &mut |visit| sums.add(&visit, row_of));
            });
        }
        let mut rows = sums.shares(settings.evidence, |row| settings.expected * pools.part_of_all(row));
        rows.retain(|(_, values)| values.iter().any(|value| *value > 0.0));
        let most = |values: &Values| values.iter().copied().fold(0.0, f64::max);
        let rank = |row: u32| pools.layout.rank(row);
        rows.sort_unstable_by(|a, b| {
            most(&b.1).total_cmp(&most(&a.1)).then_with(|| rank(a.0).cmp(&rank(b.0)))
        });
        rows.truncate(pools.model.candidates.related);
        Self { rows }
    }
}

/// What others did, by row.
struct Sums<'a> {
    model: &'a Model,
    t: Timestamp,
    /// In whole parts of [`UNIT`], by relation: a sum does not depend on who came first.
    by_row: HashMap<u32, [i64; 2], foldhash::fast::FixedState>,
    totals: [i64; 2],
}

impl<'a> Sums<'a> {
    fn new(model: &'a Model, t: Timestamp) -> Self {
        Self { model, t, by_row: HashMap::default(), totals: [0; 2] }
    }

    /// Counts what somebody did in the visit before and after an item. Of several looks at the item the newest counts.
    fn add(&mut self, visit: &Visit<'_>, row_of: impl Fn(u32) -> Option<u32>) {
        let here = visit.event();
        if visit.after().any(|event| event.item == here.item) {
            return;
        }
        let age = self.t.0.saturating_sub(here.ts().0);
        let faded =
            self.model.related.half_life.map_or(1.0, |half_life| (-(age as f64) / half_life as f64).exp2());
        let furthest = self.model.related.steps;
        let after = steps(here, visit.after(), furthest).map(|(apart, event)| (apart, true, event));
        let before = steps(here, visit.before(), furthest).map(|(apart, event)| (apart, false, event));
        for (apart, is_after, event) in after.chain(before) {
            if event.item == here.item || !self.model.likes(event.kind()) {
                continue;
            }
            let weight = faded * self.model.event_weights[usize::from(event.kind().0)];
            let next = if is_after { NEXT.get(apart - 1).copied().unwrap_or(0.0) } else { 0.0 };
            let counts = [next, 1.0 / apart as f64].map(|count| (count * weight * UNIT).round() as i64);
            self.totals.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
            if let Some(row) = row_of(event.item) {
                self.by_row
                    .entry(row)
                    .or_default()
                    .iter_mut()
                    .zip(counts)
                    .for_each(|(sum, count)| *sum += count);
            }
        }
    }

    /// What each row has of all that others did, less what it is expected to have whatever they did before.
    fn shares(self, evidence: f64, expected: impl Fn(u32) -> f64) -> Vec<(u32, Values)> {
        let totals = self.totals.map(|total| total as f64 / UNIT);
        let share = |row: u32, sums: [i64; 2]| {
            let mut shares = Values::default();
            let expected = expected(row);
            for ((share, sum), total) in shares.iter_mut().zip(sums).zip(totals) {
                *share = ((sum as f64 / UNIT - expected * total) / (total + evidence)).max(0.0);
            }
            shares
        };
        self.by_row.into_iter().map(|(row, sums)| (row, share(row, sums))).collect()
    }
}

/// Events, each with how many steps it lies apart: an instant is a step, as nobody knows in which order things happened in it.
/// What happened in the same instant has no order to what it is compared with, and is left out.
fn steps(
    here: RawEvent,
    events: impl Iterator<Item = RawEvent>,
    furthest: usize,
) -> impl Iterator<Item = (usize, RawEvent)> {
    let counted = events.scan((0, here.ts()), move |(apart, at), event| {
        *apart += usize::from(event.ts() != *at);
        *at = event.ts();
        (*apart <= furthest).then_some((*apart, event))
    });
    counted.filter(|(apart, _)| *apart > 0)
}
