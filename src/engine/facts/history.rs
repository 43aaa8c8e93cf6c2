//! Events of one user: the newest one by one, and counts by pane behind them.
//!
//! The rule of reading, which does not depend on how far coarsening happens to have gone: at time
//! `t` the newest K events up to `t` (and all of the same instant as the oldest of these)
//! are exact to the millisecond, older ones are exact to a pane. More than K events are kept one by
//! one, so that the rule holds for questions about the recent past too.

use xxhash_rust::xxh3::xxh3_64;

use crate::engine::events::event::{EventType, EventTypes, MAX_TIMESTAMP, Timestamp};
use crate::engine::facts::numbers::{InUse, Renumbered};
use crate::engine::windows::panes::{PaneCount, PaneCounts};
use crate::engine::windows::sliding::WindowSet;

/// The key under which coarse counts hold each event once, whatever its categories.
pub const ANY_CATEGORY: u32 = u32::MAX;

/// An event of a user, packed into 16 bytes: there are a dozen for each of a million users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawEvent {
    /// Event time in the upper 48 bits, which is until the year 10889; the session in 11; type in the lower 5.
    when: u64,
    /// The partition's number of the item.
    pub item: u32,
    /// The partition's number of the set of categories that the event came with, or if there were none, that its item
    /// had in the catalog.
    pub event_categories: u32,
}

const KIND_BITS: u32 = 5;
const SESSION_BITS: u32 = 11;
const BITS_BELOW_TIME: u32 = KIND_BITS + SESSION_BITS;
const _: () = assert!(EventTypes::MAX == 1 << KIND_BITS);
const _: () = assert!(MAX_TIMESTAMP.0 >> (u64::BITS - BITS_BELOW_TIME) == 0);

impl RawEvent {
    /// The greatest [`Self::session`].
    pub const MAX_SESSION: u16 = (1 << SESSION_BITS) - 1;

    /// An event at a time from 1970 on, of no session.
    #[inline]
    pub fn new(ts: Timestamp, kind: EventType, item: u32, event_categories: u32) -> Self {
        let kind = u64::from(kind.0) & ((1 << KIND_BITS) - 1);
        Self { when: (ts.0.max(0) as u64) << BITS_BELOW_TIME | kind, item, event_categories }
    }

    /// The same event in a session of that [`Self::session`].
    #[inline]
    pub fn in_session(self, session: u16) -> Self {
        let session = u64::from(session & Self::MAX_SESSION) << KIND_BITS;
        let others = !(u64::from(Self::MAX_SESSION) << KIND_BITS);
        Self { when: self.when & others | session, ..self }
    }

    /// What stands for a session's id, from 1 to [`Self::MAX_SESSION`]: one of 2,047 values, so that of as many sessions
    /// of a user one is taken for the one before it.
    pub fn session_of(session_id: &str) -> u16 {
        (xxh3_64(session_id.as_bytes()) % u64::from(Self::MAX_SESSION)) as u16 + 1
    }

    /// When it happened.
    #[inline]
    pub fn ts(self) -> Timestamp {
        Timestamp((self.when >> BITS_BELOW_TIME) as i64)
    }

    /// Its type.
    #[inline]
    pub fn kind(self) -> EventType {
        EventType((self.when & ((1 << KIND_BITS) - 1)) as u8)
    }

    /// What stands for the id of its session; 0 if it has none.
    #[inline]
    pub fn session(self) -> u16 {
        (self.when >> KIND_BITS) as u16 & Self::MAX_SESSION
    }

    /// Notes what it names as in use.
    #[inline]
    pub(in crate::engine::facts) fn note(self, used: &mut InUse) {
        used.event(self.item, self.event_categories);
    }

    /// Takes over the new numbers of what it names.
    #[inline]
    pub(in crate::engine::facts) fn renumber(&mut self, numbers: &Renumbered) {
        (self.item, self.event_categories) = (numbers.item(self.item), numbers.set(self.event_categories));
    }
}

/// Events of one user.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Ascending by time.
    raw: Vec<RawEvent>,
    coarse: Option<Box<Coarse>>,
}

#[derive(Clone, Debug, Default)]
struct Coarse {
    /// Events before it are counted by pane, later ones are kept raw.
    bound: Timestamp,
    counts: PaneCounts,
}

impl Coarse {
    /// No question about an earlier instant is answered, as [`History::at`] wants K events that are
    /// kept one by one. Unlike the time of the K-th of these it never goes back when a late event
    /// arrives, so a pane that was good enough stays so.
    #[inline]
    fn floor(&self) -> Timestamp {
        self.bound.minus(1)
    }
}

/// What coarsening needs to know.
pub struct Coarsening<'a> {
    /// K: how many of the newest events are exact.
    pub keep: usize,
    /// The interest windows.
    pub windows: &'a WindowSet,
    /// The most coarse counts of a user.
    pub limit: usize,
    /// Fills in the partition's numbers of an event's categories as they are now.
    pub categories: &'a mut dyn FnMut(RawEvent, &mut Vec<u32>),
}

/// Events up to an instant.
#[derive(Clone, Copy, Debug)]
pub struct HistoryAt<'a> {
    /// The events that are exact, oldest first.
    pub exact: &'a [RawEvent],
    /// Older events that are still kept one by one but count by pane.
    pub paned: &'a [RawEvent],
    /// All that are kept one by one, those that no window reaches any more too.
    pub kept: &'a [RawEvent],
    coarse: Option<&'a Coarse>,
}

impl History {
    /// Adds an event. Those that are counted by pane from now on are appended to `coarsened`. Returns how many
    /// coarse counts had to be forgotten to stay within the limit.
    pub fn record(
        &mut self,
        event: RawEvent,
        how: &mut Coarsening<'_>,
        coarsened: &mut Vec<RawEvent>,
    ) -> usize {
        // Room first: it moves the bound, maybe past this event.
        let forgotten = if self.raw.len() >= 2 * how.keep { self.make_room(how, coarsened) } else { 0 };
        if self.coarse.as_ref().is_some_and(|coarse| event.ts() < coarse.bound) {
            coarsened.push(event);
            return forgotten + self.coarsen(&[event], how);
        }
        if self.raw.len() == self.raw.capacity() {
            self.raw.reserve_exact(2.max(self.raw.len() / 4));
        }
        let index = match self.raw.last() {
            Some(newest) if newest.ts() > event.ts() => {
                self.raw.partition_point(|old| old.ts() <= event.ts())
            }
            _ => self.raw.len(),
        };
        self.raw.insert(index, event);
        forgotten
    }

    /// The events up to `t`. An event that is out of the reach of every window is left out, as the
    /// user may have been forgotten since then, or may be about to be.
    ///
    /// # Errors
    /// The oldest `t` that can be answered.
    pub fn at(&self, t: Timestamp, keep: usize, windows: &WindowSet) -> Result<HistoryAt<'_>, Timestamp> {
        // For nearly all who ask it is all events and none of them is gone: two looks rather than two searches
        // through memory that nothing has touched lately.
        let all = self.raw.last().is_none_or(|newest| newest.ts() <= t);
        let until = if all { self.raw.len() } else { self.raw.partition_point(|event| event.ts() <= t) };
        let coarse = self.coarse.as_deref();
        if let Some(coarse) = coarse
            && until < keep
        {
            let floor = self.floor(keep, coarse);
            if t < floor {
                return Err(floor);
            }
        }
        let (known, _) = self.raw.split_at(until);
        let oldest = until.checked_sub(keep).and_then(|index| known.get(index)).map(|event| event.ts());
        let split = oldest.map_or(0, |oldest| known.partition_point(|event| event.ts() < oldest));
        let is_gone = |event: &RawEvent| event.ts().plus(windows.reach()) <= t;
        let gone = if known.first().is_some_and(is_gone) { known.partition_point(is_gone) } else { 0 };
        let (paned, exact) = known.split_at(split.max(gone));
        let (_, paned) = paned.split_at(gone.min(split));
        Ok(HistoryAt { exact, paned, kept: known, coarse })
    }

    /// The time of the newest event.
    #[inline]
    pub fn newest(&self) -> Option<Timestamp> {
        self.raw.last().map(|event| event.ts())
    }

    /// Everything that is kept, for a snapshot: raw events, the bound and the coarse counts.
    pub fn to_snapshot(&self, windows: &WindowSet) -> (&[RawEvent], Option<(Timestamp, PaneCounts)>) {
        let coarse = self.coarse.as_ref();
        (&self.raw, coarse.map(|coarse| (coarse.bound, coarse.counts.compacted(windows, coarse.floor()))))
    }

    /// What [`Self::to_snapshot`] came from.
    pub fn from_snapshot(mut raw: Vec<RawEvent>, coarse: Option<(Timestamp, PaneCounts)>) -> Self {
        raw.sort_by_key(|event| event.ts());
        Self { raw, coarse: coarse.map(|(bound, counts)| Box::new(Coarse { bound, counts })) }
    }

    /// The events that are kept one by one, oldest first.
    #[inline]
    pub fn raw(&self) -> &[RawEvent] {
        &self.raw
    }

    /// Gives the events that are kept one by one their sessions.
    pub(in crate::engine::facts) fn set_sessions(&mut self, sessions: &[u16]) {
        for (event, session) in self.raw.iter_mut().zip(sessions) {
            *event = event.in_session(*session);
        }
    }

    /// How many events are kept one by one.
    #[inline]
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty() && self.coarse.is_none()
    }

    /// Whether some are counted by pane.
    #[inline]
    pub fn is_coarse(&self) -> bool {
        self.coarse.is_some()
    }

    /// Takes the events of some types apart from all others. None: it has none of them.
    pub fn split_off(&mut self, apart: impl Fn(EventType) -> bool) -> Option<Self> {
        let counted = |coarse: &Coarse| coarse.counts.iter().any(|count| apart(count.kind));
        if !self.raw.iter().any(|event| apart(event.kind())) && !self.coarse.as_deref().is_some_and(counted) {
            return None;
        }
        let part = |wanted: bool| {
            let is_part = |kind: EventType| apart(kind) == wanted;
            let raw = self.raw.iter().copied().filter(|event| is_part(event.kind())).collect();
            let counts = |coarse: &Coarse| {
                let counts = coarse.counts.iter().filter(|count| is_part(count.kind));
                PaneCounts::from_counts(counts.copied().collect())
            };
            let coarse = self.coarse.as_ref();
            let coarse =
                coarse.map(|coarse| Box::new(Coarse { bound: coarse.bound, counts: counts(coarse) }));
            Self { raw, coarse }
        };
        let (others, these) = (part(false), part(true));
        *self = others;
        Some(these)
    }

    /// Forgets the oldest coarse counts beyond `limit`. Returns how many were forgotten.
    pub fn bound_counts(&mut self, windows: &WindowSet, limit: usize) -> usize {
        self.coarse.as_mut().map_or(0, |coarse| {
            let floor = coarse.floor();
            coarse.counts.bound(windows, floor, limit)
        })
    }

    /// Forgets the events on items from number `from` on that are kept one by one. With fewer than
    /// `keep` left nothing coarse can be told exactly any more, so it goes too. Returns how many
    /// coarse counts were forgotten.
    pub fn forget_items(&mut self, from: u32, keep: usize) -> usize {
        self.raw.retain(|event| event.item < from);
        let useless = self.coarse.take_if(|_| self.raw.len() < keep);
        useless.map_or(0, |coarse| coarse.counts.iter().len())
    }

    /// Notes what is in use: by events that are kept one by one, and by counts that some window may cover.
    pub(in crate::engine::facts) fn note(&self, windows: &WindowSet, used: &mut InUse) {
        self.raw.iter().for_each(|event| event.note(used));
        if let Some(coarse) = &self.coarse {
            coarse.counts.keys_in_reach(windows, coarse.floor()).for_each(|category| used.category(category));
        }
    }

    /// Takes over the new numbers of what [`Self::note`] noted.
    pub(in crate::engine::facts) fn renumber(&mut self, windows: &WindowSet, numbers: &Renumbered) {
        self.raw.iter_mut().for_each(|event| event.renumber(numbers));
        if let Some(coarse) = &mut self.coarse {
            let floor = coarse.floor();
            coarse.counts.renumber(windows, floor, |category| numbers.category(category));
        }
    }

    /// The oldest instant that can be told exactly once something is coarse. Fewer than K are kept one by one if some
    /// were of types that are kept apart by now.
    fn floor(&self, keep: usize, coarse: &Coarse) -> Timestamp {
        self.raw.get(keep.saturating_sub(1)).map_or(coarse.floor(), |event| event.ts())
    }

    fn make_room(&mut self, how: &mut Coarsening<'_>, coarsened: &mut Vec<RawEvent>) -> usize {
        let surplus = self.raw.len() - (how.keep + how.keep / 2).min(self.raw.len());
        let Some(cut) = self.raw.get(surplus).map(|event| event.ts()) else { return 0 };
        let mut old = self.raw.partition_point(|event| event.ts() < cut);
        let mut bound = cut;
        // More events of one instant than can be told apart: the bound on memory wins.
        if old == 0 && self.raw.len() >= 4 * how.keep {
            (old, bound) = (surplus, cut.plus(1));
        }
        if old == 0 {
            return 0;
        }
        let from = coarsened.len();
        coarsened.extend(self.raw.drain(..old));
        self.coarse.get_or_insert_default().bound = bound;
        self.coarsen(&coarsened[from..], how)
    }

    fn coarsen(&mut self, events: &[RawEvent], how: &mut Coarsening<'_>) -> usize {
        let Some(coarse) = self.coarse.as_mut() else { return 0 };
        let floor = coarse.floor();
        let mut categories = Vec::new();
        for event in events {
            categories.clear();
            (how.categories)(*event, &mut categories);
            categories.push(ANY_CATEGORY);
            for category in &categories {
                coarse.counts.add(how.windows, floor, event.ts(), *category, event.kind(), 1);
            }
        }
        coarse.counts.bound(how.windows, floor, how.limit)
    }
}

impl<'a> HistoryAt<'a> {
    /// No events.
    pub const NONE: Self = Self { exact: &[], paned: &[], kept: &[], coarse: None };

    /// The time of the newest event.
    #[inline]
    pub fn newest(&self) -> Option<Timestamp> {
        self.exact.last().map(|event| event.ts())
    }

    /// The coarse counts.
    pub fn coarse(self) -> impl Iterator<Item = &'a PaneCount> + use<'a> {
        self.coarse.into_iter().flat_map(|coarse| coarse.counts.iter())
    }

    /// Each event that is kept one by one, with the shortest window at `t` that covers it.
    pub fn covered(
        self,
        windows: &'a WindowSet,
        t: Timestamp,
    ) -> impl Iterator<Item = (RawEvent, usize)> + use<'a> {
        let exact = self.exact.iter().map(move |event| (*event, windows.covering(event.ts(), t)));
        let paned = self.paned.iter().map(move |event| (*event, windows.covering_by_pane(event.ts(), t)));
        exact.chain(paned).filter_map(|(event, first)| Some((event, first?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::{HOUR, MINUTE};

    const KEEP: usize = 4;
    const CLICK: EventType = EventType(1);

    fn windows() -> WindowSet {
        WindowSet::new(&[HOUR, 24 * HOUR])
    }

    /// Records clicks on item 7, which is of category 3.
    fn record(history: &mut History, limit: usize, times: impl IntoIterator<Item = i64>) -> usize {
        let windows = windows();
        let mut categories = |_: RawEvent, out: &mut Vec<u32>| out.push(3);
        let mut how = Coarsening { keep: KEEP, windows: &windows, limit, categories: &mut categories };
        let click = |ts| RawEvent::new(Timestamp(ts), CLICK, 7, 0);
        times.into_iter().map(|ts| history.record(click(ts), &mut how, &mut Vec::new())).sum()
    }

    fn history(times: impl IntoIterator<Item = i64>) -> History {
        let mut history = History::default();
        record(&mut history, 1000, times);
        history
    }

    /// How many events the shortest window counts at `t`.
    fn counted(history: &History, t: i64) -> usize {
        let (windows, t) = (windows(), Timestamp(t));
        let at = history.at(t, KEEP, &windows).expect("the instant is held");
        let coarse = at.coarse().filter(|entry| entry.key == ANY_CATEGORY);
        let coarse = coarse.filter(|entry| windows.covering_by_pane(entry.start, t) == Some(0));
        at.covered(&windows, t).filter(|(_, first)| *first == 0).count()
            + coarse.map(|entry| entry.count as usize).sum::<usize>()
    }

    #[test]
    fn an_event_of_16_bytes_holds_any_time_type_and_session() {
        assert_eq!(size_of::<RawEvent>(), 16);
        for (ts, kind, session) in [(0, 0, 0), (MAX_TIMESTAMP.0, 31, RawEvent::MAX_SESSION), (1, 2, 3)] {
            let event = RawEvent::new(Timestamp(ts), EventType(kind), 7, 8);
            assert_eq!(event.session(), 0);
            for event in [event.in_session(session), event.in_session(9).in_session(session)] {
                let told =
                    (event.ts().0, event.kind().0, event.session(), event.item, event.event_categories);
                assert_eq!(told, (ts, kind, session, 7, 8));
            }
        }
        let sessions = (0..10_000).map(|id| RawEvent::session_of(&id.to_string()));
        let different: std::collections::BTreeSet<u16> = sessions.collect();
        assert_eq!((different.first(), different.last()), (Some(&1), Some(&RawEvent::MAX_SESSION)));
        assert_eq!(RawEvent::session_of("s1"), 471, "it is in snapshots, and stays as it is for ever");
    }

    #[test]
    fn events_of_the_same_instant_as_the_oldest_exact_one_are_exact_too() {
        let history = history([1, 2, 2, 2, 3, 4, 5]);
        let at = history.at(Timestamp(5), KEEP, &windows()).expect("nothing is coarse");
        assert_eq!(at.exact.iter().map(|event| event.ts().0).collect::<Vec<_>>(), [2, 2, 2, 3, 4, 5]);
        assert_eq!(at.paned.iter().map(|event| event.ts().0).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn behind_the_exact_events_the_trailing_edge_is_a_pane() {
        // The oldest event is 10 s outside the window, its pane (a minute) is half inside.
        let start = 100 * HOUR;
        let exact = history([start + 30_000]);
        assert_eq!(counted(&exact, start + HOUR + 40_000), 0);
        let behind = history([start + 30_000].into_iter().chain((1..=4).map(|step| start + step * MINUTE)));
        assert_eq!(counted(&behind, start + HOUR + 40_000), 5);
        assert_eq!(counted(&behind, start + HOUR + 60_000), 3, "the oldest by its pane, the next exactly");
    }

    #[test]
    fn a_late_event_is_counted_and_does_not_bring_back_an_instant_whose_counts_are_too_coarse() {
        let start = 100 * HOUR;
        let mut history = history((0..199).map(|step| start + step * MINUTE));
        let before = history.at(Timestamp(0), KEEP, &windows()).expect_err("long gone");
        // The first lies in the last pane that an hour before the old floor does not cover.
        let late = [before.0 - HOUR - 30_000, before.0 - 90_000];
        record(&mut history, 1000, late);
        let floor = history.at(Timestamp(0), KEEP, &windows()).expect_err("long gone");
        assert!(floor < before, "the late event is kept raw, so that more of the past can be told");
        let all = (0..199).map(|step| start + step * MINUTE).chain(late);
        for t in (floor.0..floor.0 + 10 * MINUTE).step_by(1000) {
            let scanned =
                all.clone().filter(|ts| *ts <= t && ts.div_euclid(MINUTE) * MINUTE + MINUTE + HOUR > t);
            assert_eq!(counted(&history, t), scanned.count(), "at {t}");
        }
    }

    #[test]
    fn a_flood_at_one_instant_is_bounded() {
        let history = history(std::iter::repeat_n(100 * HOUR, 1000));
        assert!(history.raw.len() <= 4 * KEEP, "{}", history.raw.len());
        assert_eq!(counted(&history, 100 * HOUR), 1000);
    }

    #[test]
    fn at_the_limit_the_oldest_coarse_counts_are_forgotten_and_told() {
        let mut history = History::default();
        let dropped = record(&mut history, 16, (0..100).map(|step| 100 * HOUR + step * MINUTE));
        let (_, coarse) = history.to_snapshot(&windows());
        let (_, counts) = coarse.expect("100 events are more than are kept raw");
        assert!(dropped > 0 && counts.iter().len() <= 16, "{dropped} dropped, {} kept", counts.iter().len());
    }

    #[test]
    fn an_event_that_no_window_reaches_any_more_is_left_out() {
        let history = history([100 * HOUR]);
        let pane = HOUR;
        let newest = |t: i64| history.at(Timestamp(t), KEEP, &windows()).expect("nothing is coarse").newest();
        assert_eq!(newest(124 * HOUR + pane - 1), Some(Timestamp(100 * HOUR)));
        assert_eq!(newest(124 * HOUR + pane), None);
    }
}
