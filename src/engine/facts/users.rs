//! The users of a partition: a dense list of slots and a table from id to slot.
//!
//! The table holds four-byte places rather than ids, and slots are reused, so that a user costs
//! little more than its events.

use bytes::BufMut;
use hashbrown::HashTable;

use crate::engine::events::event::Timestamp;
use crate::engine::facts::Facts;
use crate::engine::facts::codec::{Corrupt, Input, put_counts, put_event, put_str};
use crate::engine::facts::intern::hash;
use crate::engine::facts::profile::{ANY_CATEGORY, Profile, RawEvent};
use crate::engine::facts::state::PartitionState;

/// How many slots are looked at to find one that was idle for long.
const SAMPLE: usize = 64;

/// One user.
#[derive(Debug)]
pub struct User {
    /// Its id; empty in a free slot.
    pub id: Box<str>,
    /// Its facts.
    pub profile: Profile,
}

impl User {
    fn free() -> Self {
        Self { id: "".into(), profile: Profile::default() }
    }
}

/// All users of a partition.
#[derive(Debug, Default)]
pub struct Users {
    places: HashTable<u32>,
    slots: Vec<User>,
    free: Vec<u32>,
    hand: usize,
    hasher: foldhash::fast::RandomState,
}

impl Users {
    /// A user's facts.
    pub fn get(&self, id: &str) -> Option<&Profile> {
        let place =
            self.places.find(hash(&self.hasher, id), |place| &*self.slots[*place as usize].id == id)?;
        self.slots.get(*place as usize).map(|user| &user.profile)
    }

    /// A user's facts to change, made if there are none. At `limit` users another one is forgotten
    /// for it: the one of a sample that was idle for longest. The flag tells whether one was.
    pub fn get_or_insert(&mut self, id: &str, limit: usize) -> (&mut Profile, bool) {
        let wanted = hash(&self.hasher, id);
        let found = self.places.find(wanted, |place| &*self.slots[*place as usize].id == id).copied();
        let (place, forgot) = match found {
            Some(place) => (place as usize, false),
            None => self.insert(id, wanted, limit),
        };
        (&mut self.slots[place].profile, forgot)
    }

    /// Looks at the next slot and frees it if `expired` holds for its newest event. One look for
    /// every few events keeps memory in step with the users that still matter.
    pub fn sweep(&mut self, expired: impl Fn(Timestamp) -> bool) -> bool {
        let place = self.next_hand();
        let user = self.slots.get(place);
        let gone = user.is_some_and(|user| user.profile.newest().is_some_and(expired));
        if gone {
            self.remove_at(place);
        }
        gone
    }

    /// How many users there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the slot of a user from a snapshot. False if the user has one already.
    fn restore(&mut self, id: &str, profile: Profile) -> bool {
        let fresh = self.get(id).is_none();
        if fresh {
            self.append(id, hash(&self.hasher, id), profile);
        }
        fresh
    }

    /// Takes over which slot is looked at next, and the free ones, the one to be used next last.
    /// False if that does not fit the slots.
    fn restore_order(&mut self, hand: usize, free: Vec<u32>) -> bool {
        let mut listed = vec![false; self.slots.len()];
        for place in &free {
            let user = self.slots.get(*place as usize).filter(|user| user.id.is_empty());
            match listed.get_mut(*place as usize).filter(|listed| user.is_some() && !**listed) {
                Some(listed) => *listed = true,
                None => return false,
            }
        }
        (self.hand, self.free) = (hand, free);
        self.free.len() + self.len() == self.slots.len() && hand < self.slots.len().max(1)
    }

    /// Makes room for that many users at once.
    fn reserve(&mut self, users: usize) {
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.places.reserve(users, |place| hash(hasher, &slots[*place as usize].id));
        self.slots.reserve(users);
    }

    /// Forgets the users that have been idle for longest, until `limit` are left. Returns how many.
    fn bound(&mut self, limit: usize) -> usize {
        let excess = self.len().saturating_sub(limit);
        if excess == 0 {
            return 0;
        }
        let users = (0..).zip(&self.slots).filter(|(_, user)| !user.id.is_empty());
        let mut idle: Vec<(Option<Timestamp>, usize)> =
            users.map(|(place, user)| (user.profile.newest(), place)).collect();
        idle.sort_unstable();
        idle.iter().take(excess).for_each(|(_, place)| self.remove_at(*place));
        excess
    }

    /// Forgets the events on items from number `from` on, and who is left without any. Returns how
    /// many users and how many coarse counts were forgotten.
    pub fn forget_items(&mut self, from: u32, keep: usize) -> (u64, u64) {
        let (mut users, mut counts) = (0, 0);
        for place in 0..self.slots.len() {
            let user = &mut self.slots[place];
            if !user.id.is_empty() {
                counts += user.profile.forget_items(from, keep) as u64;
                if user.profile.newest().is_none() {
                    self.remove_at(place);
                    users += 1;
                }
            }
        }
        (users, counts)
    }

    fn insert(&mut self, id: &str, wanted: u64, limit: usize) -> (usize, bool) {
        let forgot = self.len() >= limit && self.forget_one();
        let place = match self.free.pop() {
            Some(place) => {
                self.slots[place as usize].id = id.into();
                self.register(wanted, place);
                place as usize
            }
            None => self.append(id, wanted, Profile::default()),
        };
        (place, forgot)
    }

    fn append(&mut self, id: &str, wanted: u64, profile: Profile) -> usize {
        let place = self.slots.len();
        self.slots.push(User { id: id.into(), profile });
        self.register(wanted, place as u32);
        place
    }

    fn register(&mut self, wanted: u64, place: u32) {
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.places.insert_unique(wanted, place, |place| hash(hasher, &slots[*place as usize].id));
    }

    fn forget_one(&mut self) -> bool {
        let sample = (0..SAMPLE.min(self.slots.len())).map(|_| self.next_hand());
        let sample: Vec<usize> = sample.collect();
        let idle = sample.into_iter().filter(|place| !self.slots[*place].id.is_empty());
        match idle.min_by_key(|place| self.slots[*place].profile.newest()) {
            Some(place) => {
                self.remove_at(place);
                true
            }
            None => false,
        }
    }

    fn remove_at(&mut self, place: usize) {
        let user = std::mem::replace(&mut self.slots[place], User::free());
        if let Ok(entry) =
            self.places.find_entry(hash(&self.hasher, &user.id), |found| *found as usize == place)
        {
            entry.remove();
            self.free.push(place as u32);
        }
    }

    fn next_hand(&mut self) -> usize {
        let place = self.hand;
        self.hand = if place + 1 < self.slots.len() { place + 1 } else { 0 };
        place
    }
}

impl Facts for Users {
    const TAG: &'static str = "users";
    const VERSION: u16 = 1;

    fn write(state: &PartitionState, out: &mut Vec<u8>) {
        let users = &state.users;
        out.put_u32_le(users.slots.len() as u32);
        for user in &users.slots {
            put_str(out, &user.id);
            if !user.id.is_empty() {
                write_profile(state, &user.profile, out);
            }
        }
        // Who is forgotten next hangs on both.
        out.put_u32_le(users.hand as u32);
        out.put_u32_le(users.free.len() as u32);
        users.free.iter().for_each(|place| out.put_u32_le(*place));
    }

    fn read(state: &mut PartitionState, input: &mut Input<'_>) -> Result<(), Corrupt> {
        let slots = input.count(2)?;
        state.users.reserve((slots as usize).min(input.left() / 8));
        for _ in 0..slots {
            let at = input.at();
            match input.str()? {
                "" => state.users.slots.push(User::free()),
                id => {
                    let profile = read_profile(state, input)?;
                    if !state.users.restore(id, profile) {
                        return Err(Corrupt::Value { at, what: "user id" });
                    }
                }
            }
        }
        let at = input.at();
        let hand = input.u32()? as usize;
        let mut free = Vec::new();
        for _ in 0..input.count(4)? {
            free.push(input.u32()?);
        }
        match state.users.restore_order(hand, free) {
            true => Ok(()),
            false => Err(Corrupt::Value { at, what: "order of users" }),
        }
    }

    fn enforce_limits(state: &mut PartitionState) {
        let limit = state.config().limits.users;
        state.counters.users_evicted += state.users.bound(limit) as u64;
    }
}

fn write_profile(state: &PartitionState, profile: &Profile, out: &mut Vec<u8>) {
    let (raw, coarse) = profile.to_snapshot(state.interest_ladder());
    out.put_u32_le(raw.len() as u32);
    for event in raw {
        put_event(out, event.ts(), event.kind(), event.item);
        out.put_u32_le(event.event_categories);
    }
    out.put_u8(u8::from(coarse.is_some()));
    if let Some((bound, counts)) = coarse {
        out.put_i64_le(bound.0);
        put_counts(out, &counts);
    }
}

/// A profile within the limit on its coarse counts: looking for them later would take a pass of its
/// own over everybody.
fn read_profile(state: &mut PartitionState, input: &mut Input<'_>) -> Result<Profile, Corrupt> {
    let sets = state.categories.sets_len() + 1;
    let events = input.count(17)?;
    let mut raw = Vec::with_capacity(events as usize);
    for _ in 0..events {
        let (ts, kind, item) = input.event(state)?;
        raw.push(RawEvent::new(ts, kind, item, input.below(sets, "set of categories")?));
    }
    let categories = state.categories.len();
    let is_key = |key| key == ANY_CATEGORY || (key as usize) < categories;
    let coarse = match input.u8()? {
        0 => None,
        _ => Some((input.time()?, input.counts(state, state.interest_ladder(), is_key)?)),
    };
    let mut profile = Profile::from_snapshot(raw, coarse);
    let limit = state.config().limits.coarse_counts_per_user;
    let dropped = profile.bound_counts(state.interest_ladder(), limit);
    state.counters.counts_dropped += dropped as u64;
    Ok(profile)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::events::event::EventType;
    use crate::engine::facts::profile::RawEvent;

    fn with_event(ts: i64) -> Profile {
        Profile::from_snapshot(vec![RawEvent::new(Timestamp(ts), EventType(0), 0, 0)], None)
    }

    #[test]
    fn at_the_limit_the_user_that_was_idle_for_longest_is_forgotten() {
        let mut users = Users::default();
        for (id, ts) in [("a", 30), ("b", 10), ("c", 20)] {
            *users.get_or_insert(id, 3).0 = with_event(ts);
        }
        let (_, forgot) = users.get_or_insert("d", 3);
        assert!(forgot);
        assert_eq!(users.len(), 3);
        assert!(users.get("b").is_none());
        assert!(users.get("a").is_some() && users.get("c").is_some() && users.get("d").is_some());
    }

    #[test]
    fn the_sweep_frees_expired_users_and_their_slots_are_used_again() {
        let mut users = Users::default();
        for id in 0..10 {
            *users.get_or_insert(&id.to_string(), 10).0 = with_event(id);
        }
        let freed = (0..10).filter(|_| users.sweep(|newest| newest < Timestamp(5))).count();
        assert_eq!((freed, users.len()), (5, 5));
        assert!(users.get("4").is_none() && users.get("5").is_some());
        for id in 20..25 {
            *users.get_or_insert(&id.to_string(), 10).0 = with_event(id);
        }
        assert_eq!((users.slots.len(), users.len()), (10, 10));
    }
}
