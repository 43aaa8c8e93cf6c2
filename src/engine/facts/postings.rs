//! Who acted on each item lately: an index over what is kept of users anyway.
//!
//! A posting names a user's slot and the time of an event, and is no more than a hint: whoever follows it looks in the
//! history of the user in that slot for an event of just that time on just that item, and passes over it if there is
//! none, as when the user was forgotten, when the slot is another one's by now, or when the event is no longer kept by
//! itself. So nothing has to be taken out of here where users and events go.
//!
//! Of an item the newest N postings are kept that are not newer than the floor, and all that are: whatever instant is
//! asked for, the newest N up to it are those that there were then. All items together are kept below a bound of their
//! own by a hand that goes round them and takes the oldest of each (CLOCK, but that nobody's looking counts). The hand
//! goes on with every few events, too, and lets go of what no window reaches any more.
//!
//! Equal times are in the order of the slots, and a slot and a time are there once: so a list is the same in whatever
//! order events come, and a user's two events of one millisecond on an item are one posting.

use crate::engine::config::StateLimits;
use crate::engine::events::event::Timestamp;
use crate::engine::facts::numbers::Renumbered;

/// A part of a list that is over its bound is let lie, so that it is not moved together with each event.
const SLACK: usize = 4;
/// Where there are too many in all, a list under the hand gives up a part of this, and one at the least: those that
/// have most give most.
const GIVEN_UP: usize = 16;

/// That somebody acted on an item; packed into 12 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posting {
    /// The time's lower and upper half: as one number it would take up 4 bytes more.
    time: [u32; 2],
    slot: u32,
}

impl Posting {
    /// That the user in this slot did so then.
    #[inline]
    pub fn new(ts: Timestamp, slot: u32) -> Self {
        let millis = ts.0.max(0) as u64;
        Self { time: [millis as u32, (millis >> 32) as u32], slot }
    }

    /// When.
    #[inline]
    pub fn ts(self) -> Timestamp {
        let [low, high] = self.time;
        Timestamp((u64::from(high) << 32 | u64::from(low)) as i64)
    }

    /// The slot of who did.
    #[inline]
    pub fn slot(self) -> u32 {
        self.slot
    }

    #[inline]
    fn key(self) -> (Timestamp, u32) {
        (self.ts(), self.slot)
    }
}

/// Postings by item.
#[derive(Debug, Default)]
pub struct Postings {
    /// By item number, each ascending; shorter where the last ones have none.
    lists: Vec<Vec<Posting>>,
    len: usize,
    hand: usize,
}

/// What bounds postings at a moment.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The oldest instant that may be asked for: [`StateLimits::postings_per_item`] counts up to it.
    pub floor: Timestamp,
    /// How long an event is told of, in ms.
    pub reach: i64,
    /// See [`StateLimits::postings_per_item`].
    pub per_item: usize,
    /// See [`StateLimits::postings`].
    pub all: usize,
}

impl Bounds {
    /// Those of these limits.
    pub fn new(limits: &StateLimits, floor: Timestamp, reach: i64) -> Self {
        Self { floor, reach, per_item: limits.postings_per_item, all: limits.postings }
    }

    fn is_out_of_reach(&self, posting: Posting) -> bool {
        posting.ts().plus(self.reach) <= self.floor
    }
}

impl Postings {
    /// Adds a posting, unless it is there or of a time out of reach.
    pub fn add(&mut self, item: u32, posting: Posting, bounds: Bounds) {
        if bounds.per_item == 0 || bounds.is_out_of_reach(posting) {
            return;
        }
        let item = item as usize;
        if self.lists.len() <= item {
            self.lists.resize_with(item + 1, Vec::new);
        }
        let list = &mut self.lists[item];
        if list.len() == list.capacity() {
            list.reserve_exact(2.max(list.len() / 4));
        }
        match list.last() {
            Some(newest) if newest.key() >= posting.key() => {
                match list.binary_search_by_key(&posting.key(), |posting| posting.key()) {
                    Ok(_) => return,
                    // It would be cut in a moment, and to put it in moves all that came later: a late event on an item
                    // that many are on would cost hundreds of times what another does.
                    Err(index) if is_superseded(&list[index..], bounds) => return,
                    Err(index) => list.insert(index, posting),
                }
            }
            _ => list.push(posting),
        }
        self.len += 1;
        // What is newer than the floor does not count.
        let first_too_many = list.get(bounds.per_item.saturating_add(list.len() / SLACK));
        if first_too_many.is_some_and(|posting| posting.ts() <= bounds.floor) {
            self.len -= cut(list, bounds);
        }
        self.bound(bounds);
    }

    /// Lets go of what the item under the hand has too much of, and of what nothing reaches any more; and goes on to
    /// the next.
    pub fn sweep(&mut self, bounds: Bounds) {
        let hand = self.next_hand();
        if let Some(list) = self.lists.get_mut(hand) {
            self.len -= cut(list, bounds);
            if list.len() < list.capacity() / 2 {
                list.shrink_to_fit();
            }
        }
    }

    /// Those of an item up to `t`, of which the newest N count; the newest last.
    #[inline]
    pub fn up_to(&self, item: u32, t: Timestamp, per_item: usize) -> &[Posting] {
        let list = self.lists.get(item as usize).map_or(&[][..], Vec::as_slice);
        // For nearly all who ask it is all of them.
        let all = list.last().is_none_or(|newest| newest.ts() <= t);
        let until = if all { list.len() } else { list.partition_point(|posting| posting.ts() <= t) };
        list.get(until.saturating_sub(per_item)..until).unwrap_or_default()
    }

    /// How many there are in all.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets those of items from number `from` on.
    pub fn forget_items(&mut self, from: u32) {
        self.lists.truncate(from as usize);
        self.count();
    }

    /// Takes over new numbers of items, and forgets those of items that have none. A posting alone keeps no item.
    pub(in crate::engine::facts) fn renumber(&mut self, numbers: &Renumbered) {
        numbers.items.retain(&mut self.lists);
        self.count();
    }

    /// Everything, for a snapshot: where the hand is, and the lists by item.
    pub fn to_snapshot(&self) -> (usize, &[Vec<Posting>]) {
        (self.hand, &self.lists)
    }

    /// What [`Self::to_snapshot`] came from; none if a list is not in order, or the hand is nowhere.
    pub fn from_snapshot(hand: usize, lists: Vec<Vec<Posting>>) -> Option<Self> {
        let ascends = |list: &Vec<Posting>| list.is_sorted_by(|older, newer| older.key() < newer.key());
        if hand >= lists.len().max(1) || !lists.iter().all(ascends) {
            return None;
        }
        let mut postings = Self { lists, len: 0, hand };
        postings.count();
        Some(postings)
    }

    /// These postings, in any order, each with its item; as far as they are within the bounds.
    pub fn rebuilt(found: impl Iterator<Item = (u32, Posting)>, bounds: Bounds) -> Self {
        let mut lists: Vec<Vec<Posting>> = Vec::new();
        for (item, posting) in found.filter(|(_, posting)| !bounds.is_out_of_reach(*posting)) {
            let item = item as usize;
            if lists.len() <= item {
                lists.resize_with(item + 1, Vec::new);
            }
            lists[item].push(posting);
        }
        for list in &mut lists {
            list.sort_unstable_by_key(|posting| posting.key());
            list.dedup();
            cut(list, bounds);
            list.shrink_to_fit();
        }
        let mut postings = Self { lists, len: 0, hand: 0 };
        postings.count();
        postings.enforce(bounds);
        postings
    }

    /// Forgets what is more than may be kept in all.
    pub fn enforce(&mut self, bounds: Bounds) {
        if bounds.per_item == 0 {
            *self = Self::default();
        }
        self.bound(bounds);
    }

    /// Takes from the items under the hand until there are no more than may be.
    fn bound(&mut self, bounds: Bounds) {
        while self.len > bounds.all {
            let hand = self.next_hand();
            let Some(list) = self.lists.get_mut(hand).filter(|list| !list.is_empty()) else { continue };
            let mut gone = cut(list, bounds);
            if gone == 0 {
                gone = list.len().div_ceil(GIVEN_UP);
                list.drain(..gone);
            }
            if list.len() < list.capacity() / 2 {
                list.shrink_to_fit();
            }
            self.len -= gone;
        }
    }

    fn count(&mut self) {
        self.len = self.lists.iter().map(Vec::len).sum();
        self.hand = if self.hand < self.lists.len() { self.hand } else { 0 };
    }

    fn next_hand(&mut self) -> usize {
        let hand = self.hand;
        self.hand = if hand + 1 < self.lists.len() { hand + 1 } else { 0 };
        hand
    }
}

/// Whether there are N that are not newer than the floor among those that come behind a place in a list.
fn is_superseded(behind: &[Posting], bounds: Bounds) -> bool {
    let last = bounds.per_item.checked_sub(1).and_then(|index| behind.get(index));
    last.is_some_and(|posting| posting.ts() <= bounds.floor)
}

/// Takes out of a list what is out of reach, and what is beyond the newest N that are not newer than the floor.
/// Returns how many those were.
fn cut(list: &mut Vec<Posting>, bounds: Bounds) -> usize {
    let is_short = list.len() <= bounds.per_item;
    if is_short && !list.first().is_some_and(|oldest| bounds.is_out_of_reach(*oldest)) {
        return 0;
    }
    let gone = list.partition_point(|posting| bounds.is_out_of_reach(*posting));
    let old = list.partition_point(|posting| posting.ts() <= bounds.floor);
    let gone = gone.max(old.saturating_sub(bounds.per_item));
    list.drain(..gone);
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(floor: i64, per_item: usize, all: usize) -> Bounds {
        Bounds { floor: Timestamp(floor), reach: 1000, per_item, all }
    }

    fn add(postings: &mut Postings, item: u32, ts: i64, slot: u32, bounds: Bounds) {
        postings.add(item, Posting::new(Timestamp(ts), slot), bounds);
    }

    fn told(postings: &Postings, item: u32, t: i64, per_item: usize) -> Vec<(i64, u32)> {
        let list = postings.up_to(item, Timestamp(t), per_item).iter();
        list.map(|posting| (posting.ts().0, posting.slot())).collect()
    }

    #[test]
    fn a_posting_is_of_12_bytes_and_holds_any_time() {
        assert_eq!(size_of::<Posting>(), 12);
        for ts in [0, 1, u32::MAX.into(), 1 << 40, crate::engine::time::MAX_TIMESTAMP.0] {
            let posting = Posting::new(Timestamp(ts), 7);
            assert_eq!((posting.ts().0, posting.slot()), (ts, 7));
        }
    }

    #[test]
    fn a_list_is_the_same_in_whatever_order_events_come() {
        let all = [(5, 1), (5, 2), (3, 9), (8, 0), (5, 1)];
        for turn in 0..all.len() {
            let mut postings = Postings::default();
            let mut order = all;
            order.rotate_left(turn);
            order.into_iter().for_each(|(ts, slot)| add(&mut postings, 4, ts, slot, bounds(0, 9, 99)));
            assert_eq!(told(&postings, 4, 8, 9), [(3, 9), (5, 1), (5, 2), (8, 0)]);
            assert_eq!((told(&postings, 4, 7, 2), postings.len()), (vec![(5, 1), (5, 2)], 4));
        }
    }

    #[test]
    fn the_newest_of_an_item_up_to_any_instant_that_can_be_asked_for_are_kept() {
        let mut postings = Postings::default();
        for ts in 0..100 {
            add(&mut postings, 0, ts, 0, bounds(ts - 30, 8, 999));
            for t in (ts - 30).max(0)..=ts {
                let newest: Vec<(i64, u32)> = ((t - 7).max(0)..=t).map(|ts| (ts, 0)).collect();
                assert_eq!(told(&postings, 0, t, 8), newest, "at {t} when it is {ts}");
            }
            assert!(postings.len() <= (30 + 8) * SLACK / (SLACK - 1) + 1, "{} are kept", postings.len());
        }
        postings.sweep(bounds(99, 8, 999));
        assert_eq!(postings.len(), 8, "the hand takes the slack, too");
    }

    #[test]
    fn a_late_event_that_so_many_newer_ones_stand_before_moves_nothing() {
        let mut postings = Postings::default();
        for ts in 100..110 {
            add(&mut postings, 0, ts, 0, bounds(104, 4, 99));
        }
        let kept = postings.len();
        // 101 to 104 are not newer than the floor: what is older than those is asked for at no instant.
        add(&mut postings, 0, 100, 7, bounds(104, 4, 99));
        assert_eq!(postings.len(), kept, "it does not come in");
        add(&mut postings, 0, 101, 7, bounds(104, 4, 99));
        assert_eq!(postings.len(), kept + 1, "three newer ones are not enough");
        assert_eq!(told(&postings, 0, 104, 4), [(101, 7), (102, 0), (103, 0), (104, 0)]);
    }

    #[test]
    fn the_hand_lets_go_of_what_is_out_of_reach_and_nothing_of_that_comes_in() {
        let mut postings = Postings::default();
        add(&mut postings, 0, 5, 0, bounds(0, 8, 99));
        add(&mut postings, 1, 6, 0, bounds(0, 8, 99));
        postings.sweep(bounds(1005, 8, 99));
        postings.sweep(bounds(1005, 8, 99));
        assert_eq!((told(&postings, 0, 9, 8), told(&postings, 1, 9, 8)), (vec![], vec![(6, 0)]));
        add(&mut postings, 0, 5, 0, bounds(1005, 8, 99));
        assert_eq!(postings.len(), 1);
        postings.sweep(bounds(1006, 8, 99));
        assert_eq!(postings.len(), 1, "it goes from item to item");
        postings.sweep(bounds(1006, 8, 99));
        assert!(postings.is_empty());
    }

    #[test]
    fn all_together_are_bounded_and_those_who_have_most_give_most() {
        let mut postings = Postings::default();
        for ts in 0..400 {
            add(&mut postings, if ts % 10 == 0 { 1 + ts as u32 / 10 } else { 0 }, ts, 0, bounds(0, 999, 100));
            assert!(postings.len() <= 100);
        }
        let (hand, lists) = postings.to_snapshot();
        assert_eq!(lists.iter().map(Vec::len).sum::<usize>(), postings.len());
        assert!(lists[0].len() > 50, "{} of the busy one", lists[0].len());
        assert_eq!(told(&postings, 0, 400, 1), [(399, 0)]);
        let read = Postings::from_snapshot(hand, lists.to_vec()).expect("it is in order");
        assert_eq!(read.len(), postings.len());
        assert!(Postings::from_snapshot(lists.len(), lists.to_vec()).is_none(), "the hand is nowhere");
        let mut wrong = lists.to_vec();
        wrong[0].reverse();
        assert!(Postings::from_snapshot(hand, wrong).is_none());
    }

    #[test]
    fn without_a_limit_on_an_item_there_are_none() {
        let mut postings = Postings::default();
        add(&mut postings, 0, 5, 0, bounds(0, 0, 99));
        assert!(postings.is_empty());
        add(&mut postings, 0, 5, 0, bounds(0, 1, 99));
        postings.enforce(bounds(0, 0, 99));
        assert!(postings.is_empty());
    }
}
