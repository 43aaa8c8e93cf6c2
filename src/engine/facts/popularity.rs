//! How often each item was acted on: recent events one by one, older ones by pane.
//!
//! Popularity windows always slide by their pane (see [`crate::engine::windows::sliding`]); the recent events are
//! there so that a question about the recent past leaves out exactly what came later.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::engine::config::MAX_WINDOWS;
use crate::engine::events::event::{EventType, Timestamp};
use crate::engine::facts::numbers::{InUse, Renumbered};
use crate::engine::windows::panes::PaneCounts;
use crate::engine::windows::sliding::WindowSet;

/// Counts by window, shortest first.
pub type WindowCounts = [u32; MAX_WINDOWS];

/// One item's counts are compacted for every so many events that are coarsened.
const EVENTS_A_SWEEP: usize = 8;

/// An event as popularity keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentEvent {
    /// When.
    pub ts: Timestamp,
    /// The partition's number of the item.
    pub item: u32,
    /// Its type.
    pub kind: EventType,
}

/// How far a look at the facts in steps has come.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor {
    /// Items whose coarse counts were looked at.
    items: usize,
    /// The pane of recent events that was last looked at, and how many of its events were.
    recent: Option<(Timestamp, usize)>,
}

/// Events as one that looks at a fact after the other meets them: those that are kept one by one, and
/// counts by pane, with the start of the pane for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PopularityFact {
    /// When, or the start of the pane.
    pub ts: Timestamp,
    /// The partition's number of the item.
    pub item: u32,
    /// Their type.
    pub kind: EventType,
    /// How many.
    pub count: u32,
}

impl From<RecentEvent> for PopularityFact {
    fn from(event: RecentEvent) -> Self {
        Self { ts: event.ts, item: event.item, kind: event.kind, count: 1 }
    }
}

/// How many events may wait for whoever keeps counts up to date: some seconds of a busy stream. Whoever
/// comes later than that has to count anew.
const MAX_CHANGES: usize = 1 << 18;

/// What was added since somebody last asked.
#[derive(Debug, Default)]
pub struct Changes {
    /// The time of the oldest one.
    pub oldest: Option<Timestamp>,
    /// The events, in the order in which they came.
    pub events: Vec<RecentEvent>,
    /// Whether there were more than are kept.
    pub lost: bool,
}

/// The popularity facts of one partition.
#[derive(Debug, Default)]
pub struct Popularity {
    /// The recent events by finest pane, ascending; the start of each pane.
    recent: VecDeque<(Timestamp, Vec<RecentEvent>)>,
    recent_len: usize,
    /// By item number.
    coarse: Vec<PaneCounts>,
    /// Events before it are counted by pane. Questions about earlier instants can't be answered.
    floor: Timestamp,
    hand: usize,
    until_sweep: usize,
    /// How many events came too late to be kept one by one.
    late: u64,
    /// What was added, once somebody wants to know. Not a fact: it is taken by one that only looks, so that
    /// nobody who looks at the same time has to wait.
    changes: Mutex<Option<Changes>>,
}

impl Popularity {
    /// Counts an event.
    pub fn add(&mut self, windows: &WindowSet, event: RecentEvent) {
        if let Some(changes) = self.changes.get_mut().unwrap_or_else(PoisonError::into_inner) {
            changes.oldest = Some(changes.oldest.map_or(event.ts, |oldest| oldest.min(event.ts)));
            if changes.events.len() < MAX_CHANGES { changes.events.push(event) } else { changes.lost = true }
        }
        if event.ts < self.floor {
            self.late += 1;
            self.coarsen(windows, event, 1);
            return;
        }
        let pane = windows.finest_pane();
        let start = Timestamp(event.ts.0.div_euclid(pane) * pane);
        let index = match self.recent.back() {
            Some((newest, _)) if *newest == start => self.recent.len() - 1,
            Some((newest, _)) if *newest > start => {
                match self.recent.binary_search_by_key(&start, |pane| pane.0) {
                    Ok(found) => found,
                    Err(gap) => {
                        self.recent.insert(gap, (start, Vec::new()));
                        gap
                    }
                }
            }
            _ => {
                self.recent.push_back((start, Vec::new()));
                self.recent.len() - 1
            }
        };
        self.recent[index].1.push(event);
        self.recent_len += 1;
    }

    /// Counts by pane what happened before `horizon`.
    pub fn advance(&mut self, windows: &WindowSet, horizon: Timestamp) {
        let pane = windows.finest_pane();
        let until = Timestamp(horizon.0.div_euclid(pane) * pane);
        while self.recent.front().is_some_and(|(start, _)| *start < until) {
            self.coarsen_oldest(windows);
        }
        self.floor = self.floor.max(until);
    }

    /// Counts the oldest events by pane until at most `limit` are kept one by one.
    pub fn bound(&mut self, windows: &WindowSet, limit: usize) {
        while self.recent_len > limit {
            if self.recent.len() > 1 { self.coarsen_oldest(windows) } else { self.halve(windows) }
        }
    }

    /// The earliest instant that can be answered exactly.
    pub fn floor(&self) -> Timestamp {
        self.floor
    }

    /// How many events are kept one by one.
    pub fn recent_len(&self) -> usize {
        self.recent_len
    }

    /// What was added since this was last called. The first call finds nothing and begins to note it.
    pub fn take_changes(&self) -> Changes {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(changes.get_or_insert_default())
    }

    /// The time of the oldest event that was added since [`Self::take_changes`] was last called; the end of
    /// time if there is none, its beginning if that was never called.
    pub fn oldest_change(&self) -> Timestamp {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        match &*changes {
            Some(changes) => changes.oldest.unwrap_or(Timestamp(i64::MAX)),
            None => Timestamp(i64::MIN),
        }
    }

    /// Tells where facts lie: while it is the same, some may have been added to the recent ones, but none
    /// was moved, and none was added to those that are counted by pane.
    pub fn layout_version(&self) -> (Timestamp, u64) {
        (self.floor, self.late)
    }

    /// Calls back with the counts by pane of the items that `cursor` has not passed, of about `limit` of
    /// them; whether those were the last.
    pub fn coarse_facts(
        &self,
        cursor: &mut Cursor,
        limit: usize,
        mut with: impl FnMut(PopularityFact),
    ) -> bool {
        let mut left = limit;
        while let Some(counts) = self.coarse.get(cursor.items) {
            if left == 0 {
                return false;
            }
            for entry in counts.iter() {
                let (ts, kind, count) = (entry.start, entry.kind, entry.count);
                with(PopularityFact { ts, item: cursor.items as u32, kind, count });
            }
            left = left.saturating_sub(1 + counts.iter().len());
            cursor.items += 1;
        }
        true
    }

    /// Calls back with the events that are kept one by one and that `cursor` has not passed, at most
    /// `limit` of them, from the oldest pane on; whether those were the last.
    pub fn recent_facts(
        &self,
        cursor: &mut Cursor,
        limit: usize,
        mut with: impl FnMut(PopularityFact),
    ) -> bool {
        let mut left = limit;
        let before = |pane: &(Timestamp, _)| cursor.recent.is_some_and(|(at, _)| pane.0 < at);
        for (start, events) in self.recent.range(self.recent.partition_point(before)..) {
            let done = cursor.recent.filter(|(at, _)| at == start).map_or(0, |(_, done)| done);
            let rest = events.get(done..).unwrap_or_default();
            let some = rest.get(..left).unwrap_or(rest);
            for event in some {
                with(PopularityFact { ts: event.ts, item: event.item, kind: event.kind, count: 1 });
            }
            cursor.recent = Some((*start, done + some.len()));
            left -= some.len();
            if some.len() < rest.len() {
                return false;
            }
        }
        true
    }

    /// Everything that is kept, for a snapshot: the floor, the recent events, the counts by item.
    pub fn to_snapshot(
        &self,
        windows: &WindowSet,
    ) -> (Timestamp, impl Iterator<Item = &RecentEvent>, impl ExactSizeIterator<Item = PaneCounts>) {
        let coarse = self.coarse.iter().map(|counts| counts.compacted(windows, self.floor));
        (self.floor, self.recent.iter().flat_map(|pane| &pane.1), coarse)
    }

    /// What [`Self::to_snapshot`] came from.
    pub fn from_snapshot(
        windows: &WindowSet,
        floor: Timestamp,
        recent: Vec<RecentEvent>,
        coarse: Vec<PaneCounts>,
    ) -> Self {
        let mut popularity = Self { coarse, floor, ..Self::default() };
        for event in recent {
            popularity.add(windows, event);
        }
        popularity
    }

    /// Forgets the events on items from number `from` on. Returns how many they were.
    pub fn forget_items(&mut self, from: u32) -> u64 {
        let before = self.recent_len;
        for (_, events) in &mut self.recent {
            events.retain(|event| event.item < from);
        }
        self.recent.retain(|(_, events)| !events.is_empty());
        self.recent_len = self.recent.iter().map(|(_, events)| events.len()).sum();
        let gone = self.coarse.get(from as usize..).unwrap_or_default().iter();
        let coarse: u64 = gone.flat_map(PaneCounts::iter).map(|entry| u64::from(entry.count)).sum();
        self.coarse.truncate(from as usize);
        (before - self.recent_len) as u64 + coarse
    }

    /// Notes the items in use: those of events that are kept one by one, and of counts that some window may cover.
    pub(in crate::engine::facts) fn note(&self, windows: &WindowSet, used: &mut InUse) {
        self.recent.iter().flat_map(|(_, events)| events).for_each(|event| used.item(event.item));
        for (item, counts) in (0..).zip(&self.coarse) {
            if counts.keys_in_reach(windows, self.floor).next().is_some() {
                used.item(item);
            }
        }
    }

    /// Takes over the new numbers of what [`Self::note`] noted. What was added since somebody last asked is lost to
    /// who does next: it has other numbers.
    pub(in crate::engine::facts) fn renumber(&mut self, numbers: &Renumbered) {
        for event in self.recent.iter_mut().flat_map(|(_, events)| events) {
            event.item = numbers.item(event.item);
        }
        numbers.items.retain(&mut self.coarse);
        if let Some(changes) = self.changes.get_mut().unwrap_or_else(PoisonError::into_inner) {
            (changes.events, changes.lost) = (Vec::new(), true);
        }
    }

    fn coarsen_oldest(&mut self, windows: &WindowSet) {
        if let Some((start, events)) = self.recent.pop_front() {
            self.coarsen_all(windows, events, start.plus(windows.finest_pane()));
        }
    }

    /// Counts the older half of the oldest pane's events, so that a flood within one pane is
    /// bounded too and yet costs little an event.
    fn halve(&mut self, windows: &WindowSet) {
        let Some((_, events)) = self.recent.front_mut() else { return };
        events.sort_by_key(|event| event.ts);
        let Some(mut floor) = events.get(events.len() / 2).map(|event| event.ts) else { return };
        if events.first().is_some_and(|oldest| oldest.ts == floor) {
            floor = floor.plus(1);
        }
        let old = events.partition_point(|event| event.ts < floor);
        let old = events.drain(..old).collect();
        self.coarsen_all(windows, old, floor);
    }

    fn coarsen_all(&mut self, windows: &WindowSet, mut events: Vec<RecentEvent>, floor: Timestamp) {
        self.recent_len -= events.len();
        self.floor = self.floor.max(floor);
        events.sort_unstable_by_key(|event| (event.item, event.kind));
        for same in events.chunk_by(|a, b| (a.item, a.kind) == (b.item, b.kind)) {
            self.coarsen(windows, same[0], same.len() as u32);
        }
        self.sweep(windows, events.len());
    }

    fn coarsen(&mut self, windows: &WindowSet, event: RecentEvent, count: u32) {
        let item = event.item as usize;
        if self.coarse.len() <= item {
            self.coarse.resize_with(item + 1, PaneCounts::default);
        }
        self.coarse[item].add(windows, self.floor, event.ts, 0, event.kind, count);
    }

    /// Compacts a few items, so that those that nobody acts on any more are forgotten too.
    fn sweep(&mut self, windows: &WindowSet, events: usize) {
        self.until_sweep += events;
        for _ in 0..self.until_sweep / EVENTS_A_SWEEP {
            self.hand = if self.hand + 1 < self.coarse.len() { self.hand + 1 } else { 0 };
            if let Some(counts) = self.coarse.get_mut(self.hand).filter(|counts| !counts.is_empty()) {
                counts.compact(windows, self.floor);
            }
        }
        self.until_sweep %= EVENTS_A_SWEEP;
    }
}

/// Turns counts by shortest covering window into counts by window.
pub fn accumulate(counts: &mut [u32]) {
    let mut sum = 0_u32;
    for count in counts {
        sum = sum.saturating_add(*count);
        *count = sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::{HOUR, MINUTE, SECOND};

    const CLICK: EventType = EventType(1);
    const ALL: u32 = u32::MAX;
    const START: i64 = 100 * HOUR;

    fn windows() -> WindowSet {
        WindowSet::new(&[5 * MINUTE, HOUR])
    }

    fn click(ts: i64, item: u32) -> RecentEvent {
        RecentEvent { ts: Timestamp(ts), item, kind: CLICK }
    }

    fn counted(popularity: &Popularity, mask: u32, t: i64) -> [u32; 2] {
        counted_in_steps(popularity, mask, t, usize::MAX).0
    }

    /// The counts by window, and in how many steps.
    fn counted_in_steps(popularity: &Popularity, mask: u32, t: i64, limit: usize) -> ([u32; 2], usize) {
        let (mut counts, mut steps, mut cursor) = ([0; 2], 0, Cursor::default());
        let (windows, t) = (windows(), Timestamp(t));
        let mut add = |fact: PopularityFact| {
            let first = windows.covering_by_pane(fact.ts, t).filter(|_| fact.ts <= t);
            if let Some(first) = first.filter(|_| mask >> fact.kind.0 & 1 == 1) {
                counts[first] += fact.count;
            }
        };
        loop {
            steps += 1;
            if popularity.coarse_facts(&mut cursor, limit, &mut add)
                && popularity.recent_facts(&mut cursor, limit, &mut add)
            {
                break;
            }
        }
        accumulate(&mut counts);
        (counts, steps)
    }

    #[test]
    fn what_comes_after_the_instant_does_not_count_though_it_is_in_the_same_pane() {
        let mut popularity = Popularity::default();
        popularity.add(&windows(), click(START + 1, 0));
        popularity.add(&windows(), click(START + 3, 0));
        assert_eq!(counted(&popularity, ALL, START + 2), [1, 1]);
        assert_eq!(counted(&popularity, ALL, START + 3), [2, 2]);
        assert_eq!(counted(&popularity, 1 << 2, START + 3), [0, 0], "another type");
    }

    #[test]
    fn counts_by_pane_say_what_the_events_said() {
        let mut popularity = Popularity::default();
        for step in 0..100 {
            popularity.add(&windows(), click(START + step * 40 * SECOND, step as u32 % 3));
        }
        let t = START + 100 * 40 * SECOND;
        let before = counted(&popularity, ALL, t);
        popularity.advance(&windows(), Timestamp(t));
        assert_eq!(popularity.recent_len(), 0);
        assert_eq!(counted(&popularity, ALL, t), before);
        popularity.add(&windows(), click(START, 0));
        popularity.add(&windows(), click(t - MINUTE, 0));
        assert_eq!(counted(&popularity, ALL, t), [before[0] + 1, before[1] + 1], "one is out of reach");
    }

    #[test]
    fn a_count_in_steps_is_the_count_in_one_go() {
        let mut popularity = Popularity::default();
        for step in 0..300 {
            popularity.add(&windows(), click(START + step * 7 * SECOND, step as u32 % 5));
        }
        popularity.advance(&windows(), Timestamp(START + 1000 * SECOND));
        let t = START + 2000 * SECOND;
        let whole = counted(&popularity, ALL, t);
        assert!(whole[0] > 0 && whole[1] > whole[0], "{whole:?}");
        for limit in 1..60 {
            let (counts, steps) = counted_in_steps(&popularity, ALL, t, limit);
            assert_eq!(counts, whole, "{limit} at a time");
            assert!(steps > 100 / limit, "{steps} steps of {limit}");
        }
    }

    #[test]
    fn what_is_added_is_noted_once_somebody_wants_to_know_and_told_once() {
        let mut popularity = Popularity::default();
        popularity.add(&windows(), click(START, 0));
        assert_eq!(popularity.oldest_change(), Timestamp(i64::MIN), "nobody has noted what has come");
        assert_eq!(popularity.take_changes().events, []);
        assert_eq!(popularity.oldest_change(), Timestamp(i64::MAX));
        popularity.add(&windows(), click(START + 1, 1));
        assert_eq!(popularity.oldest_change(), Timestamp(START + 1));
        assert_eq!(popularity.take_changes().events, [click(START + 1, 1)]);
        for item in 0..MAX_CHANGES as u32 + 1 {
            popularity.add(&windows(), click(START + 2, item % 3));
        }
        let changes = popularity.take_changes();
        assert_eq!((changes.events.len(), changes.lost), (MAX_CHANGES, true));
        assert!(!popularity.take_changes().lost);
    }

    #[test]
    fn a_flood_within_one_pane_is_bounded_and_loses_nothing() {
        let mut popularity = Popularity::default();
        for index in 0..1000 {
            // First spread over the pane, then all at one instant.
            popularity.add(&windows(), click(START + (index * 7 % 500).min(400), index as u32 % 5));
            popularity.bound(&windows(), 50);
            assert!(popularity.recent_len() <= 50, "{}", popularity.recent_len());
        }
        assert!(popularity.floor() <= Timestamp(START + 401), "{:?}", popularity.floor());
        assert_eq!(counted(&popularity, ALL, START + 401), [1000, 1000]);
    }

    #[test]
    fn items_that_nobody_acts_on_any_more_are_forgotten() {
        let mut popularity = Popularity::default();
        for item in 0..20 {
            popularity.add(&windows(), click(START, item));
        }
        for step in 1..400 {
            popularity.add(&windows(), click(START + step * MINUTE, 20));
            popularity.advance(&windows(), Timestamp(START + step * MINUTE));
        }
        assert!(popularity.coarse[..20].iter().all(PaneCounts::is_empty));
    }
}
