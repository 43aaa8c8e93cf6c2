//! A user's profile in words and numbers: each interest with the events that it rests on.
//!
//! Read by people and by `Explain`, so it speaks of names and keeps counts by type, where
//! [`crate::engine::rank::interest`], which answers requests, speaks of numbers and keeps sums alone. What counts,
//! what it weighs and what that is divided by is said there.

use std::collections::BTreeMap;

use crate::engine::events::catalog::Catalog;
use crate::engine::events::event::{EventType, Timestamp};
use crate::engine::facts::history::RawEvent;
use crate::engine::facts::profile::ProfileAt;
use crate::engine::facts::state::PartitionState;
use crate::engine::index::pools::Pools;
use crate::engine::rank::interest::{Covered, On, certainty, covered, micro_weight, whole};
use crate::engine::rank::model::Model;
use crate::engine::rank::pipeline::{Query, TooOld, UserContext, known_at};

/// What a user did in one window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WindowReport {
    /// The window's length in ms.
    pub window: i64,
    /// Events in the window.
    pub events: u64,
    /// The sum of their absolute weights.
    pub total_weight: f64,
    /// Strongest interest first, then by name: as many as were asked for.
    pub categories: Vec<CategoryReport>,
    /// How many categories there are.
    pub categories_len: usize,
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

/// The user's windows at `t`, shortest first, by the categories that the catalog has now.
/// `parts` are what each partition knows of the user, `lengths` those of the windows; of the categories of each the
/// strongest `most` are told.
pub fn windows(
    parts: &[(&PartitionState, ProfileAt<'_>)],
    catalog: &Catalog,
    model: &Model,
    t: Timestamp,
    (lengths, most): (&[i64], usize),
) -> Vec<WindowReport> {
    let mut facts = Facts::new(lengths.len());
    for (state, profile) in parts {
        facts
            .add(state, profile, t, |event, add| categories(state, catalog, event).into_iter().for_each(add));
    }
    facts.reports(lengths, model, most)
}

/// What the interest of a request in a row's item rests on, window by window: the user's events and the items of the
/// session, by those categories of the item that the layout of the pools has. `windows` are the stream's lengths.
///
/// # Errors
/// The question is for an instant that state can't answer for any more.
pub fn evidence(
    pools: &Pools,
    user: &[UserContext<'_>],
    query: &Query<'_>,
    row: u32,
    windows: &[i64],
) -> Result<Vec<WindowReport>, TooOld> {
    let (layout, t) = (&*pools.layout, query.as_of);
    let own: Vec<&str> =
        layout.categories(row).iter().map(|category| layout.category_name(*category)).collect();
    let mut facts = Facts { only: Some(&own), ..Facts::new(windows.len()) };
    for item_id in query.context {
        let row = layout.row(item_id);
        let categories = row.map_or(&[][..], |row| layout.categories(row));
        let names = categories.iter().map(|category| layout.category_name(*category));
        facts.count(0, query.context_kind, 1, names);
    }
    let user = known_at(pools, user, t)?;
    for part in user.parts() {
        let Some(located) = part.located(pools) else { continue };
        facts.add(part.user.state, &part.profile, t, |event, add| {
            located.categories(event, |category| add(layout.category_name(category)));
        });
    }
    Ok(facts.reports(windows, &pools.model, usize::MAX))
}

/// What a user did, by the shortest window that covers it.
struct Facts<'a> {
    all: Vec<ByType>,
    by_category: Vec<BTreeMap<&'a str, ByType>>,
    /// The categories that matter, if not all do.
    only: Option<&'a [&'a str]>,
}

impl<'a> Facts<'a> {
    fn new(windows: usize) -> Self {
        Self { all: vec![ByType::new(); windows], by_category: vec![BTreeMap::new(); windows], only: None }
    }

    fn matters(&self, category: &str) -> bool {
        self.only.is_none_or(|only| only.contains(&category))
    }

    fn count(
        &mut self,
        first: usize,
        kind: EventType,
        count: u64,
        categories: impl Iterator<Item = &'a str>,
    ) {
        let Some(all) = self.all.get_mut(first) else { return };
        *all.entry(kind).or_default() += count;
        for category in categories {
            if !self.matters(category) {
                continue;
            }
            *self.by_category[first].entry(category).or_default().entry(kind).or_default() += count;
        }
    }

    fn add(
        &mut self,
        state: &'a PartitionState,
        profile: &ProfileAt<'_>,
        t: Timestamp,
        categories: impl Fn(RawEvent, &mut dyn FnMut(&'a str)),
    ) {
        for Covered { first, kind, count, on } in covered(state, profile, t) {
            match on {
                On::Event(event) => {
                    let mut names = Vec::new();
                    categories(event, &mut |name| names.push(name));
                    self.count(first, kind, u64::from(count), names.into_iter());
                }
                On::Any => *self.all[first].entry(kind).or_default() += u64::from(count),
                On::Category(category) => {
                    let name = state.categories().name(category);
                    if self.matters(name) {
                        let counts = self.by_category[first].entry(name).or_default();
                        *counts.entry(kind).or_default() += u64::from(count);
                    }
                }
            }
        }
    }

    /// Adds what shorter windows hold to the longer ones.
    fn reports(mut self, windows: &[i64], model: &Model, most: usize) -> Vec<WindowReport> {
        let mut reports = Vec::with_capacity(windows.len());
        for (window, length) in windows.iter().enumerate() {
            if window > 0 {
                let (shorter, longer) = self.all.split_at_mut(window);
                merge(&mut longer[0], &shorter[window - 1]);
                let (shorter, longer) = self.by_category.split_at_mut(window);
                for (category, counts) in &shorter[window - 1] {
                    merge(longer[0].entry(category).or_default(), counts);
                }
            }
            reports.push(report(*length, &self.all[window], &self.by_category[window], model, most));
        }
        reports
    }
}

/// The events that are known one by one and count exactly, newest first, then by item and type.
pub fn recent<'a>(parts: &[(&'a PartitionState, ProfileAt<'_>)]) -> Vec<EventReport<'a>> {
    let known = parts.iter().flat_map(|(state, profile)| {
        profile.exact().map(|event| EventReport {
            ts: event.ts(),
            item_id: state.items().name(event.item),
            kind: event.kind(),
        })
    });
    let mut events: Vec<EventReport<'a>> = known.collect();
    events.sort_by(|a, b| {
        b.ts.cmp(&a.ts).then_with(|| a.item_id.cmp(b.item_id)).then_with(|| a.kind.cmp(&b.kind))
    });
    events
}

fn categories<'a>(state: &'a PartitionState, catalog: &'a Catalog, event: RawEvent) -> Vec<&'a str> {
    match catalog.get(state.items().name(event.item)) {
        Some(item) if !item.categories().is_empty() => item.categories().iter().map(|name| &**name).collect(),
        _ => {
            let own = state.categories().members(event.event_categories).iter();
            own.map(|category| state.categories().name(*category)).collect()
        }
    }
}

fn merge(into: &mut ByType, from: &ByType) {
    for (kind, count) in from {
        *into.entry(*kind).or_default() += count;
    }
}

fn report(
    window: i64,
    all: &ByType,
    by_category: &BTreeMap<&str, ByType>,
    model: &Model,
    most: usize,
) -> WindowReport {
    let weighed = |counts: &ByType, weight: fn(i64) -> i64| -> i64 {
        counts.iter().map(|(kind, count)| weight(micro_weight(model, kind.0)) * *count as i64).sum()
    };
    let total = weighed(all, i64::abs);
    // Only what is told is copied: there may be thousands, and few are asked for.
    let mut weights: Vec<(i64, &str, &ByType)> =
        by_category.iter().map(|(name, counts)| (weighed(counts, |weight| weight), *name, counts)).collect();
    let order = |a: &(i64, &str, &ByType), b: &(i64, &str, &ByType)| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1));
    let categories_len = weights.len();
    if most < categories_len {
        weights.select_nth_unstable_by(most, order);
        weights.truncate(most);
    }
    weights.sort_unstable_by(order);
    let category = |(weight, name, counts): (i64, &str, &ByType)| {
        let weight = whole(weight);
        CategoryReport {
            category: name.to_owned(),
            weight,
            interest: weight / certainty(model, total),
            events: counts.clone(),
        }
    };
    let categories = weights.into_iter().map(category).collect();
    WindowReport {
        window,
        events: all.values().sum(),
        total_weight: whole(total),
        categories,
        categories_len,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::{HOUR, MINUTE, StreamConfig};
    use crate::engine::events::event::Event;
    use crate::engine::events::item::{Item, ItemChange};
    use crate::engine::rank::model::tests::weighing;
    use std::sync::Arc;

    const START: i64 = 1_700_000_000_000;

    fn model() -> Model {
        weighing(&[1.0, -2.0, 0.0], &[0.5, 0.5])
    }

    fn state(keep: usize, catalog: &Catalog, events: &[(&str, u8, i64)]) -> PartitionState {
        let config = StreamConfig {
            interest_windows: vec![HOUR, 24 * HOUR],
            recent_events_per_user: keep,
            ..StreamConfig::default()
        };
        let mut state = PartitionState::new(Arc::new(config));
        for (item_id, kind, ts) in events {
            let event = Event {
                event_id: None,
                user_id: "u",
                item_id,
                kind: EventType(*kind),
                ts: Timestamp(START + ts),
                value: None,
                session_id: None,
                surface: None,
                recommendation_id: None,
                categories: &[],
            };
            state.apply(&event, None, catalog);
        }
        state
    }

    fn at(state: &PartitionState, t: i64) -> ProfileAt<'_> {
        let keep = state.config().recent_events_per_user;
        let user = state.user("u").expect("a user that has acted");
        user.at(Timestamp(START + t), keep, state.interest_windows()).expect("an instant that is held")
    }

    fn catalog() -> Catalog {
        let mut catalog = Catalog::default();
        for (id, categories) in [("s", &["sport"][..]), ("n", &["news", "local"][..])] {
            catalog.apply(ItemChange::Put(Item::new(id, categories.iter().copied())), 10);
        }
        catalog
    }

    #[test]
    fn longer_windows_hold_what_shorter_ones_do_and_the_strongest_interest_comes_first() {
        let catalog = catalog();
        let state = state(
            10,
            &catalog,
            &[("s", 0, 0), ("n", 0, 2 * HOUR), ("n", 1, 2 * HOUR + 1), ("s", 2, 2 * HOUR + 2)],
        );
        let t = 2 * HOUR + MINUTE;
        let windows = windows(
            &[(&state, at(&state, t))],
            &catalog,
            &model(),
            Timestamp(START + t),
            (&[HOUR, 24 * HOUR], 10),
        );
        let [hour, day] = windows.as_slice() else { panic!("two windows") };
        assert_eq!((hour.events, hour.total_weight), (3, 3.0));
        assert_eq!((day.events, day.total_weight), (4, 4.0));
        let told = |window: &WindowReport| -> Vec<(String, f64, f64)> {
            let all = window.categories.iter();
            all.map(|category| (category.category.clone(), category.weight, category.interest)).collect()
        };
        let is = |name: &str, weight: f64, interest: f64| (name.to_owned(), weight, interest);
        assert_eq!(told(hour), [is("sport", 0.0, 0.0), is("local", -1.0, -0.25), is("news", -1.0, -0.25)]);
        assert_eq!(told(day), [is("sport", 1.0, 0.2), is("local", -1.0, -0.2), is("news", -1.0, -0.2)]);
        assert_eq!(day.categories[0].events, ByType::from([(EventType(0), 1), (EventType(2), 1)]));
        let parts = [(&state, at(&state, t))];
        let two = super::windows(&parts, &catalog, &model(), Timestamp(START + t), (&[HOUR, 24 * HOUR], 2));
        assert_eq!(told(&two[1]), [is("sport", 1.0, 0.2), is("local", -1.0, -0.2)]);
        assert_eq!((two[1].categories_len, day.categories_len), (3, 3));
    }

    #[test]
    fn an_item_that_the_catalog_learns_of_later_counts_for_what_is_kept_one_by_one() {
        let state = state(10, &Catalog::default(), &[("s", 0, 0)]);
        let report = |catalog: &Catalog| {
            windows(
                &[(&state, at(&state, 1))],
                catalog,
                &model(),
                Timestamp(START + 1),
                (&[HOUR, 24 * HOUR], 10),
            )
        };
        assert!(report(&Catalog::default())[0].categories.is_empty());
        assert_eq!(report(&catalog())[0].categories[0].category, "sport");
    }

    #[test]
    fn what_is_counted_by_pane_keeps_the_categories_that_it_had() {
        let events: Vec<(&str, u8, i64)> = (0..20).map(|step| ("s", 0, step * MINUTE)).collect();
        let mut catalog = catalog();
        let state = state(2, &catalog, &events);
        catalog.apply(ItemChange::Put(Item::new("s", ["chess"])), 10);
        let t = 20 * MINUTE;
        let windows = windows(
            &[(&state, at(&state, t))],
            &catalog,
            &model(),
            Timestamp(START + t),
            (&[HOUR, 24 * HOUR], 10),
        );
        let clicks = |name: &str| -> u64 {
            let named = windows[0].categories.iter().filter(|category| category.category == name);
            named.map(|category| category.events[&EventType(0)]).sum()
        };
        assert_eq!((windows[0].events, clicks("chess") + clicks("sport")), (20, 20));
        assert!((2..=4).contains(&clicks("chess")), "{} are raw", clicks("chess"));
    }

    #[test]
    fn recent_events_are_told_newest_first_and_in_one_order_when_they_coincide() {
        let catalog = catalog();
        let state = state(10, &catalog, &[("s", 1, 5), ("s", 0, 5), ("n", 2, 5), ("s", 0, 9), ("s", 0, 3)]);
        let told: Vec<(i64, &str, u8)> = recent(&[(&state, at(&state, 8))])
            .iter()
            .map(|event| (event.ts.0 - START, event.item_id, event.kind.0))
            .collect();
        assert_eq!(told, [(5, "n", 2), (5, "s", 0), (5, "s", 1), (3, "s", 0)]);
    }
}
