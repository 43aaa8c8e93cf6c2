//! The static half of the configuration: what decides which facts state keeps, and how many.
//!
//! What decides facts can't be changed under a state, so a snapshot says what it was made under
//! ([`crate::engine::fingerprint`]). What only weighs facts is in
//! [`crate::engine::rank::model::Model`] and can change at any time.

use crate::engine::events::event::{EventType, EventTypeSet, EventTypes};
pub use crate::engine::time::{DAY, HOUR, MINUTE, SECOND, window_name};

/// The most windows of a kind.
pub const MAX_WINDOWS: usize = 8;
/// The longest window.
pub const MAX_WINDOW: i64 = 90 * DAY;

/// Which facts state keeps, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamConfig {
    /// The event types.
    pub event_types: EventTypes,
    /// Those that say what a user was shown and not what the user did: they push nothing out of what is kept of that.
    pub passive_event_types: EventTypeSet,
    /// The type that an item of an anonymous session counts as; one of `event_types`.
    pub context_event_type: EventType,
    /// Lengths of the interest windows in ms, ascending.
    pub interest_windows: Vec<i64>,
    /// Lengths of the popularity windows in ms, ascending.
    pub popularity_windows: Vec<i64>,
    /// How many of a user's newest events are exact to the millisecond: so many of what the user did, and so many of
    /// what the user was shown.
    pub recent_events_per_user: usize,
    /// How far behind the greatest event time the watermark stands, in ms.
    pub max_out_of_orderness: i64,
    /// How far ahead of the log's timestamp an event time may be, in ms, before it is clamped.
    pub max_clock_skew: i64,
    /// For how long, in ms of event time, an `event_id` is remembered at the least.
    pub dedup_horizon: i64,
    /// How far behind the watermark a request's `as_of` may be, in ms.
    pub as_of_horizon: i64,
    /// Bounds of one partition's state.
    pub limits: StateLimits,
}

/// How much one partition's state may hold. A snapshot that holds more is cut down when it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateLimits {
    /// Users. At the limit the user that has been idle for longest, of a sample, is forgotten.
    pub users: usize,
    /// Items that events name. At the limit those that nothing refers to are given back; events on further items are
    /// dropped, but for those of the catalog.
    pub items: usize,
    /// Categories, and sets of them, of which half for those of the catalog. At the limit those that nothing refers to
    /// are given back; what events say of further ones is dropped. No option, as nobody has so many.
    pub categories: usize,
    /// Coarse counts of what one user did, and of what the user was shown. At the limit the oldest are dropped.
    pub coarse_counts_per_user: usize,
    /// Items that one user has acted on by events of one type, besides those that are kept one by one. At the limit
    /// those of longest ago are forgotten.
    pub acted_items: usize,
    /// The same for [`Self::lasting_event_types`].
    pub lasting_items: usize,
    /// The types of events that are remembered for longer.
    pub lasting_event_types: EventTypeSet,
    /// Events that popularity keeps raw. At the limit `as_of` reaches less far back.
    pub recent_events: usize,
    /// Remembered event ids. At the limit the older half is forgotten early.
    pub event_ids: usize,
    /// For each item, how many of the newest events on it up to any instant are found by their item. At the limit the
    /// oldest are forgotten. 0: none.
    pub postings_per_item: usize,
    /// The same of all items together. At the limit the oldest of one item after the other are forgotten.
    pub postings: usize,
}

/// The types that are passive unless something else is said, where a stream has them.
pub const PASSIVE: [&str; 1] = ["impression"];
/// The types that are remembered for longer unless something else is said, where a stream has them.
pub const LASTING: [&str; 3] = ["purchase", "dislike", "hide"];

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            event_types: EventTypes::default(),
            passive_event_types: EventTypeSet::of(&EventTypes::default(), PASSIVE),
            context_event_type: EventType(1), // click
            interest_windows: vec![HOUR, 24 * HOUR, 7 * DAY, 30 * DAY],
            popularity_windows: vec![5 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, 24 * HOUR, 7 * DAY],
            recent_events_per_user: 64,
            max_out_of_orderness: 30 * SECOND,
            max_clock_skew: 5 * MINUTE,
            dedup_horizon: HOUR,
            as_of_horizon: 15 * MINUTE,
            limits: StateLimits::default(),
        }
    }
}

impl Default for StateLimits {
    fn default() -> Self {
        Self {
            users: 10_000_000,
            items: 2_000_000,
            categories: 1 << 20,
            coarse_counts_per_user: 8192,
            acted_items: 4096,
            lasting_items: 8192,
            lasting_event_types: EventTypeSet::of(&EventTypes::default(), LASTING),
            recent_events: 1 << 18,
            event_ids: 1 << 22,
            postings_per_item: 256,
            postings: 1 << 24,
        }
    }
}

impl StateLimits {
    /// Limits that nothing comes near.
    pub const NONE: Self = Self {
        users: usize::MAX,
        items: usize::MAX,
        categories: usize::MAX,
        coarse_counts_per_user: usize::MAX,
        acted_items: usize::MAX,
        lasting_items: usize::MAX,
        lasting_event_types: EventTypeSet::NONE,
        recent_events: usize::MAX,
        event_ids: usize::MAX,
        postings_per_item: usize::MAX,
        postings: usize::MAX,
    };

    /// All items that may be known: those that events name, and those of the catalog, of which there are as many at
    /// most.
    pub fn all_items(&self) -> usize {
        self.items.saturating_mul(2)
    }

    /// The limit of [`Self::acted_items`] that holds for a type.
    pub fn acted_items_of(&self, kind: EventType) -> usize {
        if self.lasting_event_types.contains(kind) { self.lasting_items } else { self.acted_items }
    }
}

impl StreamConfig {
    /// Whether events of a type say what a user was shown.
    #[inline]
    pub fn is_passive(&self, kind: EventType) -> bool {
        self.passive_event_types.contains(kind)
    }

    /// The allowed lateness: the longest window, in ms. An older event can change no answer.
    #[inline]
    pub fn allowed_lateness(&self) -> i64 {
        self.interest_windows.iter().chain(&self.popularity_windows).copied().max().unwrap_or(0)
    }
}
