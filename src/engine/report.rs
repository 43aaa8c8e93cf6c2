//! A user's profile in words and numbers: each interest with the events that it rests on.
//!
//! Read by people and by `Explain`, so it speaks of names where [`super::interest`], which answers
//! requests, speaks of places; both weigh the same facts by the same formula.

use std::collections::BTreeMap;

use super::catalog::Catalog;
use super::event::{EventType, Timestamp};
use super::interest::micro_weight;
use super::model::Model;
use super::profile::{ANY_CATEGORY, ProfileAt, RawEvent};
use super::state::PartitionState;

/// What a user did in one window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WindowReport {
    /// The window's length in ms.
    pub window: i64,
    /// Events in the window.
    pub events: u64,
    /// The sum of their absolute weights.
    pub total_weight: f64,
    /// Strongest interest first, then by name.
    pub categories: Vec<CategoryReport>,
}

/// A user's interest in one category in one window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CategoryReport {
    /// Its name.
    pub category: String,
    /// The sum of the weights of the events on it.
    pub weight: f64,
    /// `weight / (total_weight + evidence)`.
    pub interest: f64,
    /// The events, by type.
    pub events: BTreeMap<EventType, u64>,
}

/// An event that is still known one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventReport<'a> {
    /// When.
    pub ts: Timestamp,
    /// What.
    pub item_id: &'a str,
    /// How.
    pub kind: EventType,
}

type ByType = BTreeMap<EventType, u64>;

/// The user's windows at `t`, shortest first.
pub fn windows(
    state: &PartitionState,
    profile: &ProfileAt<'_>,
    catalog: &Catalog,
    model: &Model,
    t: Timestamp,
) -> Vec<WindowReport> {
    let ladder = state.interest_ladder();
    let mut all: Vec<ByType> = vec![ByType::new(); ladder.len()];
    let mut by_category: Vec<BTreeMap<&str, ByType>> = vec![BTreeMap::new(); ladder.len()];
    for (event, first) in profile.covered(ladder, t) {
        *all[first].entry(event.kind()).or_default() += 1;
        for category in categories(state, catalog, event) {
            *by_category[first].entry(category).or_default().entry(event.kind()).or_default() += 1;
        }
    }
    for entry in profile.coarse() {
        let Some(first) = ladder.covering_by_pane(entry.start, t) else { continue };
        let counts = match entry.key {
            ANY_CATEGORY => &mut all[first],
            category => by_category[first].entry(state.categories().name(category)).or_default(),
        };
        *counts.entry(entry.kind).or_default() += u64::from(entry.count);
    }
    let mut reports = Vec::with_capacity(ladder.len());
    for window in 0..ladder.len() {
        if window > 0 {
            let (shorter, longer) = all.split_at_mut(window);
            merge(&mut longer[0], &shorter[window - 1]);
            let (shorter, longer) = by_category.split_at_mut(window);
            for (category, counts) in &shorter[window - 1] {
                merge(longer[0].entry(category).or_default(), counts);
            }
        }
        reports.push(report(ladder.window(window), &all[window], &by_category[window], model));
    }
    reports
}

/// The events that are known one by one and count exactly, newest first, then by item and type.
pub fn recent<'a>(state: &'a PartitionState, profile: &ProfileAt<'_>) -> Vec<EventReport<'a>> {
    let known = profile.exact.iter().map(|event| EventReport {
        ts: event.ts(),
        item_id: state.items().name(event.item),
        kind: event.kind(),
    });
    let mut events: Vec<EventReport<'a>> = known.collect();
    events.sort_by(|a, b| {
        b.ts.cmp(&a.ts).then_with(|| a.item_id.cmp(b.item_id)).then_with(|| a.kind.cmp(&b.kind))
    });
    events
}

fn categories<'a>(state: &'a PartitionState, catalog: &'a Catalog, event: RawEvent) -> Vec<&'a str> {
    match catalog.get(state.items().name(event.item)) {
        Some(item) => item.categories.iter().map(String::as_str).collect(),
        None => {
            let own = state.categories().members(event.own).iter();
            own.map(|category| state.categories().name(*category)).collect()
        }
    }
}

fn merge(into: &mut ByType, from: &ByType) {
    for (kind, count) in from {
        *into.entry(*kind).or_default() += count;
    }
}

fn report(window: i64, all: &ByType, by_category: &BTreeMap<&str, ByType>, model: &Model) -> WindowReport {
    let weighed = |counts: &ByType, weight: fn(i64) -> i64| {
        let sum: i64 =
            counts.iter().map(|(kind, count)| weight(micro_weight(model, kind.0)) * *count as i64).sum();
        sum as f64 / 1e6
    };
    let total_weight = weighed(all, i64::abs);
    let category = |(name, counts): (&&str, &ByType)| {
        let weight = weighed(counts, |weight| weight);
        CategoryReport {
            category: (*name).to_owned(),
            weight,
            interest: weight / (total_weight + model.evidence),
            events: counts.clone(),
        }
    };
    let mut categories: Vec<CategoryReport> = by_category.iter().map(category).collect();
    categories.sort_by(|a, b| b.interest.total_cmp(&a.interest).then_with(|| a.category.cmp(&b.category)));
    WindowReport { window, events: all.values().sum(), total_weight, categories }
}
