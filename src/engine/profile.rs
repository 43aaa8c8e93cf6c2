//! What is kept of one user: the newest events one by one, and counts by pane behind them.
//!
//! The rule of reading, which does not depend on how far coarsening happens to have gone: at time
//! `t` the user's newest K events up to `t` (and all of the same instant as the oldest of these)
//! are exact to the millisecond, older ones are exact to a pane. More than K events are kept one by
//! one, so that the rule holds for questions about the recent past too.

use super::event::{EventType, Timestamp};
use super::window::{Ladder, PaneCount, PaneCounts};

/// The key under which a user's coarse counts hold each event once, whatever its categories.
pub const ANY_CATEGORY: u32 = u32::MAX;

/// An event of a user, packed into 16 bytes: there are a dozen for each of a million users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawEvent {
    /// Event time in the upper 56 bits, type in the lower 8.
    when: u64,
    /// The partition's number of the item.
    pub item: u32,
    /// The partition's number of the event's own categories.
    pub own: u32,
}

impl RawEvent {
    /// An event at a time from 1970 on.
    pub fn new(ts: Timestamp, kind: EventType, item: u32, own: u32) -> Self {
        Self { when: (ts.0.max(0) as u64) << 8 | u64::from(kind.0), item, own }
    }

    /// When it happened.
    pub fn ts(self) -> Timestamp {
        Timestamp((self.when >> 8) as i64)
    }

    /// Its type.
    pub fn kind(self) -> EventType {
        EventType(self.when as u8)
    }
}

/// One user's facts.
#[derive(Clone, Debug, Default)]
pub struct Profile {
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
    /// No question about an earlier instant is answered, as [`Profile::at`] wants K events that are
    /// kept one by one. Unlike the time of the K-th of these it never goes back when a late event
    /// arrives, so a pane that was good enough stays so.
    fn floor(&self) -> Timestamp {
        self.bound.minus(1)
    }
}

/// What coarsening needs to know.
pub struct Coarsening<'a> {
    /// K: how many of the newest events are exact.
    pub keep: usize,
    /// The interest windows.
    pub ladder: &'a Ladder,
    /// The most coarse counts of a user.
    pub limit: usize,
    /// Fills in the partition's numbers of an event's categories as they are now.
    pub categories: &'a mut dyn FnMut(RawEvent, &mut Vec<u32>),
}

/// A user's facts up to an instant.
#[derive(Debug)]
pub struct ProfileAt<'a> {
    /// The events that are exact, oldest first.
    pub exact: &'a [RawEvent],
    /// Older events that are still kept one by one but count by pane.
    pub paned: &'a [RawEvent],
    coarse: Option<&'a Coarse>,
}

impl Profile {
    /// Adds an event. Returns how many coarse counts had to be forgotten to stay within the limit.
    pub fn record(&mut self, event: RawEvent, how: &mut Coarsening<'_>) -> usize {
        // Room first: it moves the bound, maybe past this event.
        let forgotten = if self.raw.len() >= 2 * how.keep { self.make_room(how) } else { 0 };
        if self.coarse.as_ref().is_some_and(|coarse| event.ts() < coarse.bound) {
            return forgotten + self.coarsen(&[event], how);
        }
        if self.raw.len() == self.raw.capacity() {
            self.raw.reserve_exact(2.max(self.raw.len() / 4));
        }
        let place = match self.raw.last() {
            Some(newest) if newest.ts() > event.ts() => {
                self.raw.partition_point(|old| old.ts() <= event.ts())
            }
            _ => self.raw.len(),
        };
        self.raw.insert(place, event);
        forgotten
    }

    /// The facts up to `t`. An event that is out of the reach of every window is left out, as the
    /// user may have been forgotten since then, or may be about to be.
    ///
    /// # Errors
    /// The oldest `t` that can be answered.
    pub fn at(&self, t: Timestamp, keep: usize, ladder: &Ladder) -> Result<ProfileAt<'_>, Timestamp> {
        let until = self.raw.partition_point(|event| event.ts() <= t);
        let coarse = self.coarse.as_deref();
        if coarse.is_some() && until < keep {
            return Err(self.floor(keep));
        }
        let (known, _) = self.raw.split_at(until);
        let oldest = until.checked_sub(keep).and_then(|place| known.get(place)).map(|event| event.ts());
        let split = oldest.map_or(0, |oldest| known.partition_point(|event| event.ts() < oldest));
        let gone = known.partition_point(|event| event.ts().plus(ladder.reach()) <= t);
        let (paned, exact) = known.split_at(split.max(gone));
        let (_, paned) = paned.split_at(gone.min(split));
        Ok(ProfileAt { exact, paned, coarse })
    }

    /// The time of the newest event.
    pub fn newest(&self) -> Option<Timestamp> {
        self.raw.last().map(|event| event.ts())
    }

    /// Everything that is kept, for a snapshot: raw events, the bound and the coarse counts.
    pub fn parts(&self, ladder: &Ladder) -> (&[RawEvent], Option<(Timestamp, PaneCounts)>) {
        let coarse = self.coarse.as_ref();
        (&self.raw, coarse.map(|coarse| (coarse.bound, coarse.counts.compacted(ladder, coarse.floor()))))
    }

    /// What [`Self::parts`] came from.
    pub fn from_parts(mut raw: Vec<RawEvent>, coarse: Option<(Timestamp, PaneCounts)>) -> Self {
        raw.sort_by_key(|event| event.ts());
        Self { raw, coarse: coarse.map(|(bound, counts)| Box::new(Coarse { bound, counts })) }
    }

    /// The oldest instant that can be told exactly once something is coarse.
    fn floor(&self, keep: usize) -> Timestamp {
        self.raw.get(keep.saturating_sub(1)).map_or(Timestamp::default(), |event| event.ts())
    }

    fn make_room(&mut self, how: &mut Coarsening<'_>) -> usize {
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
        let gone: Vec<RawEvent> = self.raw.drain(..old).collect();
        self.coarse.get_or_insert_default().bound = bound;
        self.coarsen(&gone, how)
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
                coarse.counts.add(how.ladder, floor, event.ts(), *category, event.kind(), 1);
            }
        }
        coarse.counts.bound(how.ladder, floor, how.limit)
    }
}

impl<'a> ProfileAt<'a> {
    /// The time of the newest event.
    pub fn newest(&self) -> Option<Timestamp> {
        self.exact.last().map(|event| event.ts())
    }

    /// The coarse counts.
    pub fn coarse(&self) -> impl Iterator<Item = &'a PaneCount> {
        self.coarse.into_iter().flat_map(|coarse| coarse.counts.iter())
    }

    /// Each event that is kept one by one, with the shortest window at `t` that covers it.
    pub fn covered(&self, ladder: &Ladder, t: Timestamp) -> impl Iterator<Item = (RawEvent, usize)> {
        let exact = self.exact.iter().map(move |event| (*event, ladder.covering(event.ts(), t)));
        let paned = self.paned.iter().map(move |event| (*event, ladder.covering_by_pane(event.ts(), t)));
        exact.chain(paned).filter_map(|(event, first)| Some((event, first?)))
    }
}
