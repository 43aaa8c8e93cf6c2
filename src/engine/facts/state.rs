//! The state of one partition: everything that its records have told so far, and nothing else.
//!
//! `state(o) = fold(apply, empty, log[0..o))`. [`PartitionState::apply`] sees the event, the log's
//! timestamp, the static stream config and the catalog; never a clock, another partition or a model.

use std::sync::Arc;

use crate::engine::config::StreamConfig;
use crate::engine::events::catalog::Catalog;
use crate::engine::events::event::{Event, Timestamp};
use crate::engine::facts::categories::Categories;
use crate::engine::facts::dedup::Dedup;
use crate::engine::facts::history::{Coarsening, RawEvent};
use crate::engine::facts::intern::Interner;
use crate::engine::facts::items::Items;
use crate::engine::facts::numbers::Compactions;
use crate::engine::facts::popularity::{Changes, Popularity, RecentEvent};
use crate::engine::facts::postings::{Posting, Postings};
use crate::engine::facts::profile::Profile;
use crate::engine::facts::users::Users;
use crate::engine::windows::sliding::WindowSet;

/// A slot of the users, and an item's postings, are looked at for what is expired with every so many events.
const EVENTS_A_SWEEP: u64 = 4;

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It counts.
    Applied,
    /// Its id was seen before: nothing changed.
    Duplicate,
    /// It is older than the allowed lateness: nothing changed.
    Late,
    /// Its item is new and there is no room for more: nothing but time and the memory of its id moved on.
    ItemLimit,
}

/// Things that happened to state and that someone should be able to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Events that count.
    pub applied: u64,
    /// See [`Outcome::Duplicate`].
    pub duplicates: u64,
    /// See [`Outcome::Late`].
    pub late: u64,
    /// See [`Outcome::ItemLimit`].
    pub item_limit: u64,
    /// Events that claimed to be later than the log's clock by more than the allowed skew.
    pub clamped: u64,
    /// Users forgotten because no window covers their events any more.
    pub users_expired: u64,
    /// Users forgotten to make room for others.
    pub users_evicted: u64,
    /// Coarse counts forgotten to keep a user within bounds.
    pub counts_dropped: u64,
}

/// One partition's facts.
#[derive(Debug)]
pub struct PartitionState {
    config: Arc<StreamConfig>,
    pub(super) interest: WindowSet,
    pub(super) popular: WindowSet,
    pub(in crate::engine) newest: Option<Timestamp>,
    pub(in crate::engine) users: Users,
    pub(in crate::engine) items: Items,
    pub(in crate::engine) categories: Categories,
    pub(in crate::engine) popularity: Popularity,
    pub(in crate::engine) dedup: Dedup,
    pub(super) postings: Postings,
    pub(in crate::engine) counters: Counters,
    pub(super) compactions: Compactions,
    /// Not a fact of its own: whether any event has ever named its session.
    pub(super) names_sessions: bool,
    /// Not a fact: the catalog may have its item when somebody asks again.
    nothing_known: bool,
    /// Tells states that number items and categories each in their own way apart, where one takes
    /// the place of another; not a fact, so whoever holds states sets it.
    pub generation: u64,
}

impl PartitionState {
    /// The state before the first record.
    pub fn new(config: Arc<StreamConfig>) -> Self {
        Self {
            interest: WindowSet::new(&config.interest_windows),
            popular: WindowSet::new(&config.popularity_windows),
            newest: None,
            users: Users::default(),
            items: Items::default(),
            categories: Categories::new(config.limits.categories),
            config,
            popularity: Popularity::default(),
            dedup: Dedup::default(),
            postings: Postings::default(),
            counters: Counters::default(),
            compactions: Compactions::default(),
            names_sessions: false,
            nothing_known: false,
            generation: 0,
        }
    }

    /// Takes an event in. `log_timestamp` is the log's own, in ms since the epoch.
    ///
    /// In this order: an event time that is later than the log's is set to that; a late event is dropped; an
    /// event id of the user that was seen before is dropped; room is made if its item or its categories may find none;
    /// the event is counted; the watermark moves.
    ///
    /// That is [`Self::admit`], [`Self::give_back`] if [`Self::lacks_room_for`] it, and [`Self::take_in`].
    pub fn apply(&mut self, event: &Event<'_>, log_timestamp: Option<i64>, catalog: &Catalog) -> Outcome {
        match self.admit(event, log_timestamp) {
            Ok(ts) => {
                if self.lacks_room_for(event) {
                    self.give_back(self.in_use());
                }
                self.take_in(event, ts, catalog)
            }
            Err(outcome) => outcome,
        }
    }

    /// The first step of [`Self::apply`]: the time that the event counts for.
    ///
    /// # Errors
    /// It is late, or its id was seen before: that was all.
    pub fn admit(&mut self, event: &Event<'_>, log_timestamp: Option<i64>) -> Result<Timestamp, Outcome> {
        let config = Arc::clone(&self.config);
        let ts = self.clamp(event.ts, log_timestamp, config.max_clock_skew);
        if self.watermark().is_some_and(|watermark| ts < watermark.minus(config.allowed_lateness())) {
            self.counters.late += 1;
            return Err(Outcome::Late);
        }
        let watermark = self.newest.map_or(ts, |newest| newest.max(ts)).minus(config.max_out_of_orderness);
        let (horizon, limit) = (config.dedup_horizon, config.limits.event_ids);
        let seen = |id| !self.dedup.insert((event.user_id, id), watermark, horizon, limit);
        if event.event_id.is_some_and(seen) {
            self.counters.duplicates += 1;
            return Err(Outcome::Duplicate);
        }
        Ok(ts)
    }

    /// The last step of [`Self::apply`], for an event that was admitted at that time.
    pub fn take_in(&mut self, event: &Event<'_>, ts: Timestamp, catalog: &Catalog) -> Outcome {
        let config = Arc::clone(&self.config);
        let item = self.items.intern(event.item_id, config.limits.items).or_else(|| {
            // The catalog has a limit of its own: as many of its items find room, whatever else events have named.
            catalog
                .get(event.item_id)
                .and_then(|_| self.items.intern(event.item_id, config.limits.all_items()))
        });
        let Some(item) = item else {
            self.counters.item_limit += 1;
            // Time goes on, or what is out of reach by then would hold its room for ever.
            self.advance(ts, &config);
            return Outcome::ItemLimit;
        };
        let own = self.categories.intern_set(event.categories);
        self.items.describe(item, ts, own, &self.categories);
        // What the item was like then: it may be gone when somebody asks.
        let set = match own {
            0 => self.items.catalog_categories(item, catalog, &mut self.categories),
            own => Some(own),
        };
        self.nothing_known = set.is_none();
        let set = set.unwrap_or(0);
        let mut raw = RawEvent::new(ts, event.kind, item, set);
        let is_passive = config.is_passive(event.kind);
        if let Some(session_id) = event.session_id.filter(|_| !is_passive) {
            raw = raw.in_session(RawEvent::session_of(session_id));
            self.names_sessions = true;
        }
        let slot = self.record(event.user_id, raw, catalog, &config);
        if !is_passive {
            self.postings.add(item, Posting::new(ts, slot), self.postings_bounds());
        }
        self.popularity.add(&self.popular, RecentEvent { ts, item, kind: event.kind });
        self.counters.applied += 1;
        self.advance(ts, &config);
        self.bound_popularity(config.limits.recent_events);
        if self.counters.applied.is_multiple_of(EVENTS_A_SWEEP) {
            let reach = self.interest.reach();
            let floor = self.popularity.floor();
            self.counters.users_expired += u64::from(self.users.sweep(|newest| newest.plus(reach) <= floor));
            self.postings.sweep(self.postings_bounds());
        }
        Outcome::Applied
    }

    /// The greatest event time; 1970 before the first event.
    pub fn newest(&self) -> Timestamp {
        self.newest.unwrap_or_default()
    }

    /// The greatest event time less the allowed out-of-orderness; none before the first event.
    pub fn watermark(&self) -> Option<Timestamp> {
        self.newest.map(|newest| newest.minus(self.config.max_out_of_orderness))
    }

    /// The earliest instant that can be answered exactly.
    pub fn floor(&self) -> Timestamp {
        self.popularity.floor()
    }

    /// The static config that decides what is kept.
    pub fn config(&self) -> &Arc<StreamConfig> {
        &self.config
    }

    /// The interest windows.
    pub fn interest_windows(&self) -> &WindowSet {
        &self.interest
    }

    /// The popularity windows.
    pub fn popularity_windows(&self) -> &WindowSet {
        &self.popular
    }

    /// A user's facts.
    pub fn user(&self, user_id: &str) -> Option<&Profile> {
        self.users.get(user_id)
    }

    /// The users that are known, in no order.
    pub fn user_ids(&self) -> impl Iterator<Item = &str> {
        self.users.ids()
    }

    /// The popularity facts.
    pub fn popularity(&self) -> &Popularity {
        &self.popularity
    }

    /// What was added to the popularity facts since this was last called; see
    /// [`Popularity::take_changes`].
    pub fn take_changes(&self) -> Changes {
        self.popularity.take_changes()
    }

    /// The items that events named, by number.
    pub fn items(&self) -> &Interner {
        self.items.names()
    }

    /// What an item's events say of its categories, and when the newest said so.
    pub fn event_categories(&self, item: u32) -> (Timestamp, &[u32]) {
        let (ts, set) = self.items.event_categories(item);
        (ts, self.categories.members(set))
    }

    /// Rises whenever [`Self::event_categories`] may say something else.
    pub fn event_categories_version(&self) -> u64 {
        self.items.event_categories_version()
    }

    /// The categories that events came with.
    pub fn categories(&self) -> &Categories {
        &self.categories
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether nothing told what the item of the last event that counts is about: neither the event nor the catalog,
    /// which does not have it.
    pub fn is_item_unknown(&self) -> bool {
        self.nothing_known
    }

    /// How many users there are.
    pub fn users_len(&self) -> usize {
        self.users.len()
    }

    /// How many items are remembered that users have acted on, of the events that are not kept one by one.
    pub fn acted_items_len(&self) -> usize {
        self.users.acted_items_len()
    }

    /// How many event ids are remembered.
    pub fn event_ids_len(&self) -> usize {
        self.dedup.len()
    }

    fn clamp(&mut self, ts: Timestamp, log_timestamp: Option<i64>, skew: i64) -> Timestamp {
        match log_timestamp.filter(|log| *log >= 0).map(Timestamp) {
            // Nothing is logged before it happens, so that it is the producer's clock that is ahead: a little,
            // as clocks are, or more than that. Either way it moves nobody else's windows.
            Some(log) if ts > log => {
                self.counters.clamped += u64::from(ts > log.plus(skew));
                log
            }
            _ => ts,
        }
    }

    pub(super) fn bound_popularity(&mut self, limit: usize) {
        self.popularity.bound(&self.popular, limit);
    }

    /// Adds an event to a user's facts. Returns the user's slot.
    fn record(&mut self, user_id: &str, event: RawEvent, catalog: &Catalog, config: &StreamConfig) -> u32 {
        let (slot, evicted) = self.users.slot_for(user_id, config.limits.users);
        let profile = &mut self.users.slots[slot].profile;
        let (items, categories) = (self.items.names(), &mut self.categories);
        let mut look_up = |event: RawEvent, out: &mut Vec<u32>| match catalog.get(items.name(event.item)) {
            Some(item) if !item.categories().is_empty() => {
                out.extend(item.categories().iter().filter_map(|name| categories.intern(name)));
            }
            _ => out.extend_from_slice(categories.members(event.event_categories)),
        };
        let mut how = Coarsening {
            keep: config.recent_events_per_user,
            windows: &self.interest,
            limit: config.limits.coarse_counts_per_user,
            categories: &mut look_up,
        };
        let before = profile.acted_items().len();
        // Forgotten already, but that the sweep has not come by: it must not matter when it does.
        let (reach, floor) = (self.interest.reach(), self.popularity.floor());
        if profile.newest().is_some_and(|newest| newest.plus(reach) <= floor) {
            *profile = Profile::default();
            self.counters.users_expired += 1;
        }
        self.counters.counts_dropped += profile.record(event, config, &mut how) as u64;
        let after = profile.acted_items().len();
        self.users.acted_items_changed(before, after);
        self.counters.users_evicted += u64::from(evicted);
        slot as u32
    }

    /// Moves on to the time of an event, unless it is past that.
    fn advance(&mut self, newest: Timestamp, config: &StreamConfig) {
        if self.newest.is_some_and(|known| newest <= known) {
            return;
        }
        self.newest = Some(newest);
        let watermark = newest.minus(config.max_out_of_orderness);
        self.dedup.advance(watermark, config.dedup_horizon);
        self.popularity.advance(&self.popular, watermark.minus(config.as_of_horizon));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::{DAY, HOUR, MINUTE};
    use crate::engine::events::event::EventType;
    use crate::engine::events::item::{Item, ItemChange};
    use std::borrow::Cow;

    const START: i64 = 1_700_000_000_000;

    fn event<'a>(user_id: &'a str, item_id: &'a str, ts: i64) -> Event<'a> {
        Event {
            event_id: None,
            user_id,
            item_id,
            kind: EventType(1),
            ts: Timestamp(ts),
            value: None,
            session_id: None,
            surface: None,
            recommendation_id: None,
            categories: &[],
        }
    }

    fn state(change: impl FnOnce(&mut StreamConfig)) -> PartitionState {
        let mut config = StreamConfig::default();
        change(&mut config);
        PartitionState::new(Arc::new(config))
    }

    fn apply(state: &mut PartitionState, event: &Event<'_>) -> Outcome {
        state.apply(event, None, &Catalog::default())
    }

    #[test]
    fn a_late_event_changes_nothing_but_its_counter() {
        let mut state = state(|_| ());
        apply(&mut state, &event("a", "i", START));
        let edge = START - 30_000 - 30 * DAY;
        assert_eq!(apply(&mut state, &event("b", "j", edge - 1)), Outcome::Late);
        assert_eq!((state.users_len(), state.items().len(), state.counters().late), (1, 1, 1));
        assert_eq!(apply(&mut state, &event("b", "j", edge)), Outcome::Applied);
    }

    #[test]
    fn a_retry_changes_nothing_though_it_claims_another_time() {
        let mut state = state(|_| ());
        let first = Event { event_id: Some("e"), ..event("a", "i", START) };
        assert_eq!(apply(&mut state, &first), Outcome::Applied);
        let retry = Event { ts: Timestamp(START + DAY), ..first };
        assert_eq!(apply(&mut state, &retry), Outcome::Duplicate);
        assert_eq!((state.newest(), state.counters().applied), (Timestamp(START), 1));
    }

    #[test]
    fn an_event_from_the_future_is_set_to_the_logs_clock() {
        let mut state = state(|_| ());
        let ahead = |millis| event("a", "i", START + 5 * MINUTE + millis);
        state.apply(&ahead(0), Some(START), &Catalog::default());
        assert_eq!((state.newest(), state.counters().clamped), (Timestamp(START), 0), "as clocks are");
        let mut state = self::state(|_| ());
        state.apply(&ahead(1), Some(START), &Catalog::default());
        assert_eq!((state.newest(), state.counters().clamped), (Timestamp(START), 1));
        let mut state = self::state(|_| ());
        state.apply(&ahead(1), Some(-1), &Catalog::default());
        assert_eq!(state.newest(), Timestamp(START + 5 * MINUTE + 1), "Kafka's -1 is no clock");
    }

    #[test]
    fn an_event_on_one_item_too_many_is_refused_and_time_goes_on() {
        let mut state = state(|config| config.limits.items = 1);
        apply(&mut state, &event("a", "i", START));
        assert_eq!(apply(&mut state, &event("b", "j", START + HOUR)), Outcome::ItemLimit);
        assert_eq!((state.users_len(), state.newest()), (1, Timestamp(START + HOUR)));
        assert_eq!(apply(&mut state, &event("b", "i", START + HOUR)), Outcome::Applied);
    }

    #[test]
    fn an_item_of_the_catalog_finds_room_whatever_else_events_have_named() {
        let mut state = state(|config| config.limits.items = 1);
        let mut catalog = Catalog::default();
        apply(&mut state, &event("a", "phantom", START));
        assert_eq!(state.apply(&event("b", "real", START), None, &catalog), Outcome::ItemLimit);
        catalog.apply(ItemChange::Put(Item::new("real", ["c"])), 10);
        assert_eq!(state.apply(&event("b", "real", START), None, &catalog), Outcome::Applied);
    }

    #[test]
    fn an_event_id_of_one_user_says_nothing_of_anothers() {
        let mut state = state(|_| ());
        for user in ["hostile", "good"] {
            let order = Event { event_id: Some("order-1"), ..event(user, "i", START) };
            assert_eq!(apply(&mut state, &order), Outcome::Applied);
            assert_eq!(apply(&mut state, &order), Outcome::Duplicate);
        }
    }

    #[test]
    fn the_newest_event_with_categories_speaks_for_an_item_in_whatever_order_it_comes() {
        let told = |order: [usize; 4]| {
            let mut state = state(|_| ());
            let said = [("early", START), ("b", START + 1), ("a", START + 1), ("", START + 2)];
            for index in order {
                let (category, ts) = said[index];
                let categories = [Cow::from(category)];
                let categories = if category.is_empty() { &[][..] } else { &categories };
                apply(&mut state, &Event { categories, ..event("u", "i", ts) });
            }
            let names = state
                .event_categories(0)
                .1
                .iter()
                .map(|category| state.categories().name(*category).to_owned());
            names.collect::<Vec<_>>()
        };
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]] {
            assert_eq!(told(order), ["b"], "{order:?}");
        }
    }

    #[test]
    fn whoever_comes_back_after_everything_is_out_of_reach_is_new_though_no_sweep_has_come_by() {
        let mut state = state(|_| ());
        apply(&mut state, &event("idle", "i", START));
        // Fewer events than it takes for a sweep.
        apply(&mut state, &event("busy", "i", START + 32 * DAY));
        assert_eq!((state.users_len(), state.counters().users_expired), (2, 0));
        apply(&mut state, &event("idle", "j", START + 32 * DAY));
        let profile = state.user("idle").expect("it is back");
        assert_eq!((profile.acted().len(), state.counters().users_expired), (1, 1));
    }

    #[test]
    fn users_that_no_window_reaches_are_forgotten_while_others_act() {
        let mut state = state(|_| ());
        for user in 0..10 {
            apply(&mut state, &event(&format!("idle{user}"), "i", START));
        }
        for step in 0..200 {
            apply(&mut state, &event("busy", "i", START + 32 * DAY + step));
        }
        assert_eq!((state.users_len(), state.counters().users_expired), (1, 10));
    }
}
