//! A user's profile in words and numbers: each interest with the events that it rests on.
//!
//! Read by people and by `Explain`, so it speaks of names and keeps counts by type, where
//! [`crate::engine::rank::interest`], which answers requests, speaks of numbers and keeps sums alone. What counts,
//! what it weighs and what that is divided by is said there.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::engine::events::catalog::Catalog;
use crate::engine::events::event::{EventType, Timestamp};
use crate::engine::facts::history::RawEvent;
use crate::engine::facts::profile::ProfileAt;
use crate::engine::facts::state::PartitionState;
use crate::engine::index::pools::Pools;
use crate::engine::rank::interest::{Covered, On, Parts, certainty, covered, micro_weight, whole};
use crate::engine::rank::model::Model;
use crate::engine::rank::pipeline::Scratch;
use crate::engine::rank::question::{Query, TooOld, UserContext, known_at};

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

/// A part of the interest in an item: those of all its categories and windows add up to it, in any order and to the last
/// bit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InterestPart {
    /// The category.
    pub category: String,
    /// The length of the window in ms. None: it comes from the newest events, which count once more.
    pub window: Option<i64>,
    /// The events on the category.
    pub events: u64,
    /// The sum of their weights; of the newest ones, as far as they count.
    pub weight: f64,
    /// What it adds.
    pub interest: f64,
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
/// session, by those categories of the item that the layout of the pools has. `windows` are the stream's lengths;
/// `scratch` is what the row was [explained](crate::engine::rank::pipeline::explain) with.
///
/// # Errors
/// The question is for an instant that state can't answer for any more.
pub fn evidence(
    pools: &Pools,
    user: &[UserContext<'_>],
    query: &Query<'_>,
    row: u32,
    windows: &[i64],
    scratch: &Scratch,
) -> Result<Vec<InterestPart>, TooOld> {
    let (layout, t) = (&*pools.layout, query.as_of);
    let own: Vec<&str> =
        layout.categories(row).iter().map(|category| layout.category_name(*category)).collect();
    let mut facts = Facts { only: Some(&own), ..Facts::new(windows.len()) };
    for item_id in query.context {
        let row = layout.row(item_id);
        let categories = row.map_or(&[][..], |row| layout.categories(row));
        facts.count_any(0, query.context_kind, 1);
        for category in categories {
            facts.count(layout.category_name(*category), 0, query.context_kind, 1);
        }
    }
    let user = known_at(pools, user, t)?;
    for part in user.parts() {
        let Some(located) = part.located(pools) else { continue };
        facts.add(part.user.state, &part.profile, t, |event, add| {
            located.categories(event, |category| add(layout.category_name(category)));
        });
    }
    let reports = facts.reports(windows, &pools.model, usize::MAX);
    let categories = layout.categories(row).iter().map(|category| {
        let parts = scratch.interests().parts(*category, own.len(), &pools.model, layout);
        (layout.category_name(*category), parts)
    });
    Ok(in_parts(&reports, &categories.collect::<Vec<_>>()))
}

fn in_parts(windows: &[WindowReport], categories: &[(&str, Parts)]) -> Vec<InterestPart> {
    let mut all = Vec::new();
    for (report, window) in windows.iter().zip(0..) {
        for (category, parts) in categories {
            let known = report.categories.iter().find(|known| known.category == *category);
            all.extend(known.map(|known| InterestPart {
                category: known.category.clone(),
                window: Some(report.window),
                events: known.events.values().sum(),
                weight: known.weight,
                interest: parts.windows.get(window).copied().unwrap_or_default(),
            }));
        }
    }
    let newest = categories.iter().filter(|(_, parts)| parts.newest_events > 0);
    all.extend(newest.map(|(category, parts)| InterestPart {
        category: (*category).to_owned(),
        window: None,
        events: parts.newest_events,
        weight: parts.newest_weight,
        interest: parts.newest,
    }));
    all
}

/// What a user did. Categories have numbers here, in the order in which they come up: there may be thousands, and
/// only those that are told are spelled.
struct Facts<'a> {
    /// All events, by the shortest window that covers them.
    all: Vec<ByType>,
    numbers: HashMap<&'a str, u32, foldhash::fast::RandomState>,
    names: Vec<&'a str>,
    counts: Vec<Count>,
    /// The categories that matter, if not all do.
    only: Option<&'a [&'a str]>,
}

/// Events on a category.
#[derive(Clone, Copy)]
struct Count {
    category: u32,
    /// The shortest window that covers them.
    first: usize,
    kind: EventType,
    events: u64,
}

/// What came together of a category.
#[derive(Clone, Copy, Default)]
struct Sum {
    events: u64,
    weight: i64,
}

impl<'a> Facts<'a> {
    fn new(windows: usize) -> Self {
        Self {
            all: vec![ByType::new(); windows],
            numbers: HashMap::default(),
            names: Vec::new(),
            counts: Vec::new(),
            only: None,
        }
    }

    fn count_any(&mut self, first: usize, kind: EventType, events: u64) {
        if let Some(all) = self.all.get_mut(first) {
            *all.entry(kind).or_default() += events;
        }
    }

    fn count(&mut self, category: &'a str, first: usize, kind: EventType, events: u64) {
        if self.only.is_some_and(|only| !only.contains(&category)) {
            return;
        }
        let names = &mut self.names;
        let category = *self.numbers.entry(category).or_insert_with(|| {
            names.push(category);
            (names.len() - 1) as u32
        });
        self.counts.push(Count { category, first, kind, events });
    }

    fn add(
        &mut self,
        state: &'a PartitionState,
        profile: &ProfileAt<'_>,
        t: Timestamp,
        categories: impl Fn(RawEvent, &mut dyn FnMut(&'a str)),
    ) {
        for Covered { first, kind, count, on } in covered(state, profile, t) {
            let events = u64::from(count);
            match on {
                On::Event(event) => {
                    self.count_any(first, kind, events);
                    categories(event, &mut |name| self.count(name, first, kind, events));
                }
                On::Any => self.count_any(first, kind, events),
                On::Category(category) => {
                    self.count(state.categories().name(category), first, kind, events);
                }
            }
        }
    }

    /// Longer windows hold what shorter ones do.
    fn reports(mut self, windows: &[i64], model: &Model, most: usize) -> Vec<WindowReport> {
        self.counts.sort_by_key(|count| count.first);
        let mut sums = vec![Sum::default(); self.names.len()];
        let mut all = ByType::new();
        let mut covered = 0;
        let mut told = (Vec::new(), 0);
        let mut reports = Vec::with_capacity(windows.len());
        for (window, length) in windows.iter().enumerate() {
            for (kind, events) in &self.all[window] {
                *all.entry(*kind).or_default() += events;
            }
            let before = covered;
            while let Some(count) = self.counts.get(covered).filter(|count| count.first == window) {
                let sum = &mut sums[count.category as usize];
                sum.events += count.events;
                sum.weight += micro_weight(model, count.kind.0) * count.events as i64;
                covered += 1;
            }
            let total: i64 =
                all.iter().map(|(kind, events)| micro_weight(model, kind.0).abs() * *events as i64).sum();
            // Of most people a longer window holds nothing more.
            if covered > before {
                told = self.strongest(&sums, most);
            }
            let (categories, categories_len) = &told;
            reports.push(WindowReport {
                window: *length,
                events: all.values().sum(),
                total_weight: whole(total),
                categories: self.categories(
                    categories,
                    &sums,
                    &self.counts[..covered],
                    certainty(total, model.evidence),
                ),
                categories_len: *categories_len,
            });
        }
        reports
    }

    /// The categories of the greatest weights, of equal ones the first by name, and how many there are in all.
    fn strongest(&self, sums: &[Sum], most: usize) -> (Vec<u32>, usize) {
        let with_events = (0..).zip(sums).filter(|(_, sum)| sum.events > 0);
        let mut strongest: Vec<u32> = with_events.map(|(category, _)| category).collect();
        let order = |a: &u32, b: &u32| {
            let (a, b) = (*a as usize, *b as usize);
            sums[b].weight.cmp(&sums[a].weight).then_with(|| self.names[a].cmp(self.names[b]))
        };
        let len = strongest.len();
        if most < len {
            strongest.select_nth_unstable_by(most, order);
            strongest.truncate(most);
        }
        strongest.sort_unstable_by(order);
        (strongest, len)
    }

    /// Categories in words, with their events of `counts`.
    fn categories(
        &self,
        told: &[u32],
        sums: &[Sum],
        counts: &[Count],
        certainty: f64,
    ) -> Vec<CategoryReport> {
        let mut places = vec![None; self.names.len()];
        let mut reports = Vec::with_capacity(told.len());
        for category in told.iter().map(|category| *category as usize) {
            places[category] = Some(reports.len());
            let weight = whole(sums[category].weight);
            reports.push(CategoryReport {
                category: self.names[category].to_owned(),
                weight,
                interest: weight / certainty,
                events: ByType::new(),
            });
        }
        for count in counts {
            if let Some(place) = places[count.category as usize] {
                *reports[place].events.entry(count.kind).or_default() += count.events;
            }
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
