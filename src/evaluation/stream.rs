//! A recorded stream in memory: events in the order of their times, with users, items and visits as numbers.

use std::borrow::Cow;
use std::sync::Arc;

use compact_str::CompactString;
use hashbrown::{HashMap, HashSet};
use xxhash_rust::xxh3::Xxh3Default;

use super::contender::{Observed, VISIT_GAP};
use crate::engine::config::StreamConfig;
use crate::engine::events::event::{Event, EventTypeSet, Timestamp};
use crate::engine::events::item::Item;

/// The categories that an event came with.
type Categories = Vec<Cow<'static, str>>;

/// A recorded stream, and the items that lists are made of.
#[derive(Debug)]
pub struct Stream {
    config: Arc<StreamConfig>,
    events: Vec<Observed>,
    /// Which of the sets of categories each event came with. Empty where none came with any.
    labels: Vec<u32>,
    label_sets: Vec<Categories>,
    /// The number that each event came with. Empty where none came with any.
    values: Vec<Option<f64>>,
    users: Vec<CompactString>,
    items: Names,
    visits: u32,
    /// The names of the first visits: those that events have named.
    named: Vec<CompactString>,
    /// By number; none of an item that only events name.
    catalog: Vec<Option<Item>>,
    /// By number: from when, in ms since the epoch, and before when it may be listed.
    live: Vec<(i64, i64)>,
    repeated: u64,
    /// How many events come before those of the test.
    trained: usize,
}

impl Stream {
    /// Which facts are kept of it.
    pub fn config(&self) -> &Arc<StreamConfig> {
        &self.config
    }

    /// What happened, in the order of times; what is of the same ms in the order in which it was read.
    pub fn events(&self) -> &[Observed] {
        &self.events
    }

    /// The events before those of the test, and those: what is to be learnt, and what is to be asked about.
    pub fn split(&self) -> (&[Observed], &[Observed]) {
        self.events.split_at(self.trained)
    }

    /// How many events were left out as they repeat the `event_id` of another one of their user.
    pub fn repeated(&self) -> u64 {
        self.repeated
    }

    /// How many users there are.
    pub fn users(&self) -> usize {
        self.users.len()
    }

    /// How many items have a number.
    pub fn items(&self) -> usize {
        self.items.names.len()
    }

    /// How many visits have a number.
    pub fn visits(&self) -> u32 {
        self.visits
    }

    /// The items that may ever be listed.
    pub fn catalog(&self) -> impl Iterator<Item = &Item> {
        self.catalog.iter().flatten()
    }

    /// The id of a user; empty for a number that is none.
    pub fn user_id(&self, user: u32) -> &str {
        self.users.get(user as usize).map_or("", |id| id)
    }

    /// The id of an item; empty for a number that is none.
    pub fn item_id(&self, item: u32) -> &str {
        self.items.names.get(item as usize).map_or("", |id| id)
    }

    /// The number of an item.
    pub fn item(&self, item_id: &str) -> Option<u32> {
        self.items.numbers.get(item_id).copied()
    }

    /// Whether an item may ever be listed.
    pub fn is_listed(&self, item: u32) -> bool {
        self.catalog.get(item as usize).is_some_and(Option::is_some)
    }

    /// Whether an item may be listed at an instant, whoever asks.
    pub fn is_live(&self, item: u32, ts: i64) -> bool {
        self.live.get(item as usize).is_some_and(|(from, until)| (*from..*until).contains(&ts))
    }

    /// How many items may be listed at some instant from the first to the last of these.
    pub fn live_within(&self, first: i64, last: i64) -> usize {
        self.live.iter().filter(|(from, until)| from < until && *from <= last && first < *until).count()
    }

    /// An event as the engine takes it.
    pub fn event(&self, place: usize) -> Option<Event<'_>> {
        let event = self.events.get(place)?;
        let set = self.labels.get(place).and_then(|set| self.label_sets.get(*set as usize));
        Some(Event {
            event_id: None,
            user_id: self.user_id(event.user),
            item_id: self.item_id(event.item),
            kind: event.kind,
            ts: Timestamp(event.ts),
            value: self.values.get(place).copied().flatten(),
            session_id: self.named.get(event.visit as usize).map(CompactString::as_str),
            surface: None,
            recommendation_id: None,
            categories: set.map_or(&[], Vec::as_slice),
        })
    }
}

/// Ids as numbers, in the order in which they came.
#[derive(Debug, Default)]
struct Names {
    names: Vec<CompactString>,
    numbers: HashMap<CompactString, u32>,
}

impl Names {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.names.len() as u32;
        self.names.push(name.into());
        self.numbers.insert(name.into(), number);
        number
    }
}

/// A stream that is being read, in any order.
#[derive(Debug)]
pub struct Builder {
    config: Arc<StreamConfig>,
    positive: EventTypeSet,
    users: Names,
    items: Names,
    /// By user and the visit's own id.
    visits: HashMap<(u32, CompactString), u32>,
    read: Vec<Read>,
    label_sets: Vec<Categories>,
    label_numbers: HashMap<Categories, u32>,
    catalog: HashMap<u32, Item>,
    /// Hashes of users with event ids.
    ids: HashSet<u64>,
    repeated: u64,
    /// Whether what comes now is of the test.
    test: bool,
}

/// An event whose visit is known if it has named it.
#[derive(Clone, Copy, Debug)]
struct Read {
    event: Observed,
    labels: u32,
    value: Option<f64>,
    test: bool,
}

/// The visit of an event that has named none.
const UNNAMED: u32 = u32::MAX;

impl Builder {
    /// A stream without an event. `positive` are the types that say that a user likes an item.
    pub fn new(config: Arc<StreamConfig>, positive: EventTypeSet) -> Self {
        Self {
            config,
            positive,
            users: Names::default(),
            items: Names::default(),
            visits: HashMap::new(),
            read: Vec::new(),
            label_sets: vec![Vec::new()],
            label_numbers: HashMap::from([(Vec::new(), 0)]),
            catalog: HashMap::new(),
            ids: HashSet::new(),
            repeated: 0,
            test: false,
        }
    }

    /// Which facts are to be kept.
    pub fn config(&self) -> &Arc<StreamConfig> {
        &self.config
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.read.len()
    }

    /// Whether there is no event.
    pub fn is_empty(&self) -> bool {
        self.read.is_empty()
    }

    /// What comes from now on is of the test: it is behind all else, whatever its times, and brings no items.
    pub fn begin_test(&mut self) {
        self.test = true;
    }

    /// Adds an event, unless it repeats the `event_id` of another one of its user.
    pub fn event(&mut self, event: &Event<'_>) {
        if let Some(event_id) = event.event_id {
            let mut hash = Xxh3Default::new();
            hash.update(event.user_id.as_bytes());
            hash.update(&[0]);
            hash.update(event_id.as_bytes());
            if !self.ids.insert(hash.digest()) {
                self.repeated += 1;
                return;
            }
        }
        let (user, item) = (self.users.number(event.user_id), self.items.number(event.item_id));
        let visit = event.session_id.map_or(UNNAMED, |session| {
            let next = self.visits.len() as u32;
            *self.visits.entry((user, session.into())).or_insert(next)
        });
        let labels = self.labels(event.categories);
        let positive = self.positive.contains(event.kind);
        let observed = Observed { user, visit, item, kind: event.kind, positive, ts: event.ts.0 };
        self.read.push(Read { event: observed, labels, value: event.value, test: self.test });
    }

    /// Adds an item that may be listed, or puts it in place of the one of its id.
    pub fn item(&mut self, item: Item) {
        let number = self.items.number(&item.item_id);
        self.catalog.insert(number, item);
    }

    /// Takes out the item of an id, if it is there.
    pub fn without_item(&mut self, item_id: &str) {
        if let Some(number) = self.items.numbers.get(item_id) {
            self.catalog.remove(number);
        }
    }

    fn labels(&mut self, categories: &[Cow<'_, str>]) -> u32 {
        if categories.is_empty() {
            return 0;
        }
        let owned: Categories = categories.iter().map(|name| Cow::Owned(name.clone().into_owned())).collect();
        let next = self.label_sets.len() as u32;
        *self.label_numbers.entry(owned).or_insert_with_key(|owned| {
            self.label_sets.push(owned.clone());
            next
        })
    }

    /// The stream. Without a single item those are listed that events name, each from its first event on, with the
    /// categories of that.
    pub fn finish(mut self) -> Stream {
        self.read.sort_by_key(|read| (read.test, read.event.ts));
        let trained = self.read.partition_point(|read| !read.test);
        let visits = self.number_visits();
        if self.catalog.is_empty() {
            self.take_items_from_events();
        }
        let labelled = self.label_sets.len() > 1;
        let labels = if labelled { self.read.iter().map(|read| read.labels).collect() } else { Vec::new() };
        let valued = self.read.iter().any(|read| read.value.is_some());
        let values = if valued { self.read.iter().map(|read| read.value).collect() } else { Vec::new() };
        let mut named = vec![CompactString::default(); self.visits.len()];
        for ((_, name), visit) in self.visits {
            named[visit as usize] = name;
        }
        let mut catalog: Vec<Option<Item>> = Vec::new();
        catalog.resize_with(self.items.names.len(), || None);
        for (number, item) in self.catalog {
            catalog[number as usize] = Some(item);
        }
        let live = catalog.iter().map(|item| item.as_ref().map_or((i64::MAX, i64::MIN), span)).collect();
        Stream {
            config: self.config,
            events: self.read.into_iter().map(|read| read.event).collect(),
            labels,
            label_sets: self.label_sets,
            values,
            users: self.users.names,
            items: self.items,
            visits,
            named,
            catalog,
            live,
            repeated: self.repeated,
            trained,
        }
    }

    /// Numbers the visits that have no id of their own, by the gaps in the user's events.
    fn number_visits(&mut self) -> u32 {
        let mut next = self.visits.len() as u32;
        let mut last = vec![(i64::MIN, UNNAMED); self.users.names.len()];
        for Read { event, .. } in self.read.iter_mut().filter(|read| read.event.visit == UNNAMED) {
            let (at, visit) = &mut last[event.user as usize];
            if *visit == UNNAMED || event.ts - *at > VISIT_GAP {
                *visit = next;
                next += 1;
            }
            (*at, event.visit) = (event.ts, *visit);
        }
        next
    }

    fn take_items_from_events(&mut self) {
        for Read { event, labels, .. } in self.read.iter().filter(|read| !read.test) {
            self.catalog.entry(event.item).or_insert_with(|| {
                let mut item = Item::new(
                    self.items.names[event.item as usize].as_str(),
                    self.label_sets[*labels as usize].iter().map(Cow::as_ref),
                );
                item.created_at = Some(Timestamp(event.ts));
                item
            });
        }
    }
}

/// From when and before when an item may be listed.
fn span(item: &Item) -> (i64, i64) {
    if !item.available {
        return (i64::MAX, i64::MIN);
    }
    let (from, until) = (item.created_at, item.expires_at);
    (from.map_or(i64::MIN, |from| from.0), until.map_or(i64::MAX, |until| until.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::events::catalog::Catalog;
    use crate::engine::events::event::EventDraft;
    use crate::engine::facts::state::PartitionState;

    fn stream(rows: &[(&str, &str, i64, Option<&str>)], items: &[Item]) -> Stream {
        let config = Arc::new(StreamConfig::default());
        let mut builder = Builder::new(Arc::clone(&config), EventTypeSet::of(&config.event_types, ["click"]));
        for (user, item, ts, session) in rows {
            let draft = EventDraft {
                user_id: Some((*user).into()),
                item_id: Some((*item).into()),
                kind: Some("click".into()),
                ts: Some(*ts),
                session_id: session.map(Into::into),
                value: session.map(|_| *ts as f64),
                event_id: Some(format!("{item}-{ts}").into()),
                categories: vec![format!("of {item}").into()],
                ..EventDraft::default()
            };
            builder.event(&draft.check(&config.event_types).expect("a valid event"));
        }
        items.iter().for_each(|item| builder.item(item.clone()));
        builder.finish()
    }

    #[test]
    fn events_come_by_time_and_their_visits_by_name_or_by_gap() {
        let gap = VISIT_GAP;
        let told = stream(
            &[
                ("u", "b", 2 * gap + 2, None),
                ("u", "a", 1, None),
                ("v", "a", 5, Some("s")),
                ("u", "c", gap + 1, None),
                ("v", "c", 10 * gap, Some("s")),
                ("w", "a", 6, Some("s")),
                ("u", "a", 1, None),
            ],
            &[],
        );
        let seen: Vec<_> =
            told.events().iter().map(|event| (told.user_id(event.user), told.item_id(event.item))).collect();
        assert_eq!(seen, [("u", "a"), ("v", "a"), ("w", "a"), ("u", "c"), ("u", "b"), ("v", "c")]);
        let visits: Vec<u32> = told.events().iter().map(|event| event.visit).collect();
        assert_eq!(visits[0], visits[3], "half an hour apart are of one visit, and not a ms more");
        assert_ne!(visits[3], visits[4]);
        assert_eq!(visits[1], visits[5], "a visit that has a name lasts as long as it likes");
        assert_ne!(visits[1], visits[2], "another user's visit of that name is another one");
        assert_eq!((told.visits(), told.repeated(), told.users()), (4, 1, 3));
        let event = |place| told.event(place).expect("an event");
        assert_eq!(event(0).categories, ["of a"]);
        let known: Vec<_> = (0..6).map(|place| (event(place).session_id, event(place).value)).collect();
        assert_eq!(known[..3], [(None, None), (Some("s"), Some(5.0)), (Some("s"), Some(6.0))]);
        assert_eq!(known[3..], [(None, None), (None, None), (Some("s"), Some(10.0 * gap as f64))]);
    }

    #[test]
    fn the_engine_takes_the_same_events_for_a_visit() {
        let gap = VISIT_GAP;
        // Of people who name their visits, one after the other, and of people who do not.
        let sessions = [None, Some(["s", "t", "u"])];
        let steps = [0, 1, gap, gap + 1, 5, 0, 2 * gap, gap, 3 * gap, 1];
        let mut rows = Vec::new();
        for (user, sessions) in [("unnamed", sessions[0]), ("named", sessions[1])] {
            let mut ts = 1_700_000_000_000;
            for (place, step) in steps.into_iter().enumerate() {
                ts += step;
                rows.push((user, ["a", "b", "c"][place % 3], ts, sessions.map(|ids| ids[place / 4])));
            }
        }
        let told = stream(&rows, &[]);
        let mut state = PartitionState::new(Arc::clone(told.config()));
        let (mut of, mut lengths) = (HashMap::new(), Vec::new());
        for (place, event) in told.events().iter().enumerate() {
            *of.entry(event.visit).or_insert(0) += 1;
            state.apply(&told.event(place).expect("an event"), None, &Catalog::default());
            let profile = state.user(told.user_id(event.user)).expect("somebody");
            let keep = state.config().recent_events_per_user;
            let at = profile.at(Timestamp(event.ts), keep, state.interest_windows()).expect("now");
            let visit = at.newest_visit(state.config().passive_event_types).expect("a visit");
            assert_eq!(visit.acted().count(), of[&event.visit], "event {place}, {event:?}");
            lengths.push(visit.acted().count());
        }
        assert_eq!((told.visits(), lengths.iter().max()), (3 + 4, Some(&4)));
    }

    #[test]
    fn items_are_those_of_the_catalog_or_else_those_of_events_from_their_first_on() {
        let told = stream(&[("u", "a", 7, None), ("u", "b", 9, None), ("v", "a", 12, None)], &[]);
        let [a, b] = ["a", "b"].map(|id| told.item(id).expect("an item"));
        assert!(!told.is_live(a, 6) && told.is_live(a, 7) && !told.is_live(b, 8));
        assert_eq!(told.catalog().find(|item| item.item_id == "b").expect("it").categories, ["of b"]);
        let mut gone = Item::new("b", ["x"]);
        gone.expires_at = Some(Timestamp(9));
        let mut hidden = Item::new("h", ["x"]);
        hidden.available = false;
        let told = stream(&[("u", "a", 7, None)], &[gone, hidden]);
        let [a, b, h] = ["a", "b", "h"].map(|id| told.item(id).expect("an item"));
        assert!(!told.is_live(a, 8), "the catalog does not have it");
        assert!(told.is_live(b, 8) && !told.is_live(b, 9) && !told.is_live(h, 8));
        assert_eq!((told.live_within(0, 5), told.live_within(9, 10)), (1, 0));
    }
}
