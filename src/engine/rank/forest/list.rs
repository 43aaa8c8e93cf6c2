//! The numbers of the candidates of a list.
//!
//! Signal by signal, as most of them are told by comparing all candidates in one; only those that are asked for.
//! Each number is rounded to a float: what is written down for training is what is looked at later, to the last bit.

use super::signal::{Named, Signal};
use crate::engine::config::MAX_WINDOWS;
use crate::engine::events::event::Timestamp;
use crate::engine::index::pools::Pools;
use crate::engine::index::signals::ln_1p;
use crate::engine::rank::features::columns::Row;
use crate::engine::rank::interest::Interests;
use crate::engine::rank::question::{Known, Query};
use crate::engine::rank::related::rows::RelatedTo;

/// What a forest is told of who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Asker {
    /// What the user did, as far as single events are kept.
    events: u32,
    /// How long ago the last of it was, in ms.
    idle: Option<i64>,
    /// How much of it was in the visit that goes on.
    visit_events: u32,
}

/// The candidates of a list, best first, and what is known of them.
pub struct List<'a> {
    /// The pools that they are of.
    pub pools: &'a Pools,
    /// The instant that is asked about.
    pub as_of: Timestamp,
    /// What the user is interested in.
    pub interests: &'a Interests,
    /// What is related to the items that the user was last on, the newest first.
    pub related: &'a [RelatedTo],
    /// Who asks.
    pub asker: Asker,
    /// The candidates.
    pub rows: &'a [u32],
    /// The features of the linear score of each.
    pub features: &'a [Row],
    /// The linear score of each.
    pub linear: &'a [f64],
}

/// Room for the work on a list.
#[derive(Debug, Default)]
pub struct Room {
    column: Vec<f64>,
    sorted: Vec<f64>,
    /// By candidate: what each interest window adds to its interest, and behind them the newest events.
    interest: Vec<[f64; MAX_WINDOWS + 1]>,
}

impl Asker {
    /// Who asks a question.
    pub fn of(user: &Known<'_>, query: &Query<'_>) -> Self {
        let mut asker = Self::default();
        let mut newest = None;
        for part in user.parts() {
            let passive = part.user.state.config().passive_event_types;
            let acted = part.profile.exact().filter(|event| !passive.contains(event.kind()));
            asker.events += acted.count() as u32;
            let Some(visit) = part.profile.newest_visit(passive) else { continue };
            let last = visit.acted().next_back().map(|event| event.ts());
            if last > newest {
                newest = last;
                let goes_on = visit.goes_on_at(query.as_of);
                asker.visit_events = if goes_on { visit.acted().count() as u32 } else { 0 };
            }
        }
        asker.idle = newest.map(|newest: Timestamp| query.as_of.0.saturating_sub(newest.0).max(0));
        if !query.context.is_empty() {
            asker.events += query.context.len() as u32;
            asker.visit_events += query.context.len() as u32;
            asker.idle = Some(0);
        }
        asker
    }
}

impl List<'_> {
    /// Fills in the numbers of the candidates: one candidate after the other, each with one for each signal.
    pub fn fill(&self, signals: &[Named], room: &mut Room, values: &mut Vec<f32>) {
        values.clear();
        values.resize(self.rows.len() * signals.len(), 0.0);
        room.interest.clear();
        for (index, named) in signals.iter().enumerate() {
            self.column(named.signal, room);
            let cells = values.iter_mut().skip(index).step_by(signals.len());
            cells.zip(&room.column).for_each(|(cell, value)| *cell = *value as f32);
        }
    }

    /// Fills in the numbers of one signal.
    fn column(&self, signal: Signal, room: &mut Room) {
        let Room { column, sorted, interest } = room;
        column.clear();
        let rows = self.rows.iter().copied();
        match signal {
            Signal::Linear => column.extend_from_slice(self.linear),
            Signal::LinearRank => {
                column.extend_from_slice(self.linear);
                ranks(column, sorted);
            }
            Signal::LinearBehind => {
                let best = most(self.linear.iter().copied());
                column.extend(self.linear.iter().map(|score| best - score));
            }
            Signal::Feature(index) => column.extend(self.features.iter().map(|row| row[index])),
            Signal::FeatureShare(index) => {
                column.extend(self.features.iter().map(|row| row[index]));
                shares(column);
            }
            Signal::FeatureRank(index) => {
                column.extend(self.features.iter().map(|row| row[index]));
                ranks(column, sorted);
            }
            Signal::Interest(window) => {
                self.interest(interest);
                column.extend(interest.iter().map(|parts| parts[window]));
            }
            Signal::InterestRecent => {
                self.interest(interest);
                column.extend(interest.iter().map(|parts| parts[MAX_WINDOWS]));
            }
            Signal::Last(relation) => column.extend(rows.map(|row| {
                let values = self.related.first().and_then(|last| last.values(row));
                values.map_or(0.0, |values| values[relation])
            })),
            Signal::SharedCategories => {
                let layout = &self.pools.layout;
                let last = self.related.first().map_or(&[][..], |last| layout.categories(last.row));
                let shared = |row| layout.categories(row).iter().filter(|own| last.contains(own)).count();
                column.extend(rows.map(|row| shared(row) as f64));
            }
            Signal::Count(window) => column.extend(rows.map(|row| ln_1p(self.count(row, window)))),
            Signal::CountShare(window) => {
                column.extend(rows.map(|row| f64::from(self.count(row, window))));
                shares(column);
            }
            Signal::CountMedian(window) => {
                column.extend(rows.map(|row| ln_1p(self.count(row, window))));
                let median = median(column.iter().copied(), sorted);
                column.iter_mut().for_each(|value| *value -= median);
            }
            Signal::CountRank(window) => {
                column.extend(rows.map(|row| f64::from(self.count(row, window))));
                ranks(column, sorted);
            }
            Signal::CountPart(window) => {
                let all = self.pools.counts.totals()[window].max(1) as f64;
                column.extend(rows.map(|row| f64::from(self.count(row, window)) / all));
            }
            Signal::Momentum(window) => {
                let windows = &self.pools.windows;
                let times = windows.length(window + 1) as f64 / windows.length(window).max(1) as f64;
                let rate = |row| f64::from(self.count(row, window)) * times;
                column.extend(rows.map(|row| rate(row).ln_1p() - ln_1p(self.count(row, window + 1))));
            }
            Signal::Age => column.extend(rows.map(|row| self.age(row).unwrap_or(-1.0))),
            Signal::AgeMedian => {
                let median = median(rows.clone().filter_map(|row| self.age(row)), sorted);
                column.extend(rows.map(|row| self.age(row).map_or(0.0, |age| age - median)));
            }
            Signal::UserEvents => column.resize(self.rows.len(), ln_1p(self.asker.events)),
            Signal::UserIdle => {
                let idle = self.asker.idle.map_or(-1.0, |idle| (idle as f64 / 1000.0).ln_1p());
                column.resize(self.rows.len(), idle);
            }
            Signal::VisitEvents => column.resize(self.rows.len(), f64::from(self.asker.visit_events)),
            Signal::ListLength => column.resize(self.rows.len(), self.rows.len() as f64),
        }
    }

    fn count(&self, row: u32, window: usize) -> u32 {
        self.pools.counts.get(row).and_then(|counts| counts.get(window)).copied().unwrap_or(0)
    }

    fn age(&self, row: u32) -> Option<f64> {
        let created = self.pools.layout.item(row)?.created_at()?;
        Some((self.as_of.0.saturating_sub(created.0).max(0) as f64 / 60_000.0).ln_1p())
    }

    /// Fills in the interests by window, unless they are there.
    fn interest(&self, interest: &mut Vec<[f64; MAX_WINDOWS + 1]>) {
        if !interest.is_empty() {
            return;
        }
        let (layout, model) = (&*self.pools.layout, &self.pools.model);
        interest.extend(self.rows.iter().map(|row| {
            let mut sums = [0.0; MAX_WINDOWS + 1];
            let categories = layout.categories(*row);
            for category in categories {
                let parts = self.interests.parts(*category, categories.len(), model, layout);
                sums.iter_mut().zip(parts.windows).for_each(|(sum, part)| *sum += part);
                sums[MAX_WINDOWS] += parts.newest;
            }
            sums
        }));
    }
}

fn most(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(f64::NEG_INFINITY, f64::max)
}

/// Each as a share of the greatest, if that is above 0.
fn shares(column: &mut [f64]) {
    let most = most(column.iter().copied());
    column.iter_mut().for_each(|value| *value = if most > 0.0 { *value / most } else { 0.0 });
}

/// ln(1 + how many are greater), for each.
fn ranks(column: &mut [f64], sorted: &mut Vec<f64>) {
    sorted.clear();
    sorted.extend_from_slice(column);
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    for value in column {
        let greater = sorted.partition_point(|other| *other > *value);
        *value = ln_1p(greater as u32);
    }
}

/// The value in the middle, the greater one of two; 0 of none.
fn median(values: impl Iterator<Item = f64>, sorted: &mut Vec<f64>) -> f64 {
    sorted.clear();
    sorted.extend(values);
    let middle = sorted.len() / 2;
    match sorted.is_empty() {
        true => 0.0,
        false => *sorted.select_nth_unstable_by(middle, f64::total_cmp).1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compared_with_a_list_is_told_of_equals_alike() {
        let mut values = [3.0, 1.0, 3.0, 0.0];
        ranks(&mut values, &mut Vec::new());
        assert_eq!(values, [0.0, ln_1p(2), 0.0, ln_1p(3)]);
        let mut values = [4.0, 1.0];
        shares(&mut values);
        assert_eq!(values, [1.0, 0.25]);
        let mut nothing = [0.0, -1.0];
        shares(&mut nothing);
        assert_eq!(nothing, [0.0, 0.0]);
        let middle = |values: &[f64]| median(values.iter().copied(), &mut Vec::new());
        assert_eq!((middle(&[]), middle(&[5.0, 1.0, 2.0]), middle(&[1.0, 2.0])), (0.0, 2.0, 2.0));
    }
}
