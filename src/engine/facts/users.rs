//! The users of a partition: a dense list of slots and a table from id to slot.
//!
//! The table holds four-byte slots rather than ids, and slots are reused, so that a user costs
//! little more than its events.

use compact_str::CompactString;
use hashbrown::HashTable;

use crate::engine::events::event::Timestamp;
use crate::engine::facts::intern::hash;
use crate::engine::facts::numbers::{InUse, Renumbered};
use crate::engine::facts::profile::Profile;
use crate::engine::windows::sliding::WindowSet;

/// How many slots are looked at to find one that was idle for long.
const SAMPLE: usize = 64;

/// One user.
#[derive(Debug)]
pub struct User {
    /// Its id; empty in a free slot. A short one lies in the slot: to find a user is a look at one place less.
    pub id: CompactString,
    /// Its facts.
    pub profile: Profile,
}

impl User {
    pub(in crate::engine::facts) fn free() -> Self {
        Self { id: CompactString::default(), profile: Profile::default() }
    }
}

/// All users of a partition.
#[derive(Debug, Default)]
pub struct Users {
    by_id: HashTable<u32>,
    pub(in crate::engine::facts) slots: Vec<User>,
    pub(in crate::engine::facts) free: Vec<u32>,
    pub(in crate::engine::facts) hand: usize,
    acted_items: usize,
    hasher: foldhash::fast::RandomState,
}

impl Users {
    /// A user's facts.
    pub fn get(&self, id: &str) -> Option<&Profile> {
        let slot = self.by_id.find(hash(&self.hasher, id), |slot| &*self.slots[*slot as usize].id == id)?;
        self.slots.get(*slot as usize).map(|user| &user.profile)
    }

    /// A user's slot, made if there is none. At `limit` users another one is forgotten for it: the one of a sample
    /// that was idle for longest. The flag tells whether one was.
    pub fn slot_for(&mut self, id: &str, limit: usize) -> (usize, bool) {
        let wanted = hash(&self.hasher, id);
        let found = self.by_id.find(wanted, |slot| &*self.slots[*slot as usize].id == id).copied();
        match found {
            Some(slot) => (slot as usize, false),
            None => self.insert(id, wanted, limit),
        }
    }

    /// Looks at the next slot and frees it if `expired` holds for its newest event. One look for
    /// every few events keeps memory in step with the users that still matter.
    pub fn sweep(&mut self, expired: impl Fn(Timestamp) -> bool) -> bool {
        let slot = self.next_hand();
        let user = self.slots.get(slot);
        let gone = user.is_some_and(|user| user.profile.newest().is_some_and(expired));
        if gone {
            self.remove_at(slot);
        }
        gone
    }

    /// Frees the slots of all for whose newest event `expired` holds. Returns how many they were.
    pub(in crate::engine::facts) fn expire(&mut self, expired: impl Fn(Timestamp) -> bool) -> u64 {
        let mut gone = 0;
        for slot in 0..self.slots.len() {
            if self.slots[slot].profile.newest().is_some_and(&expired) {
                self.remove_at(slot);
                gone += 1;
            }
        }
        gone
    }

    /// Notes what is in use by those for whose newest event `expired` does not hold.
    pub(in crate::engine::facts) fn note(
        &self,
        windows: &WindowSet,
        expired: impl Fn(Timestamp) -> bool,
        used: &mut InUse,
    ) {
        let profiles = self.slots.iter().map(|user| &user.profile);
        profiles
            .filter(|profile| !profile.newest().is_some_and(&expired))
            .for_each(|profile| profile.note(windows, used));
    }

    /// Takes over the new numbers of what [`Self::note`] noted.
    pub(in crate::engine::facts) fn renumber(&mut self, windows: &WindowSet, numbers: &Renumbered) {
        self.slots.iter_mut().for_each(|user| user.profile.renumber(windows, numbers));
    }

    /// How many items are remembered that users have acted on, of the events that are not kept one by one.
    pub fn acted_items_len(&self) -> usize {
        self.acted_items
    }

    /// Counts them anew.
    pub(in crate::engine::facts) fn count_acted_items(&mut self) {
        self.acted_items = self.slots.iter().map(|user| user.profile.acted_items().len()).sum();
    }

    /// To be called where those of a user's profile have become more or fewer.
    pub(in crate::engine::facts) fn acted_items_changed(&mut self, before: usize, after: usize) {
        self.acted_items = self.acted_items + after - before;
    }

    /// The ids of all users, in no order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.slots.iter().map(|user| user.id.as_str()).filter(|id| !id.is_empty())
    }

    /// How many users there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the slot of a user from a snapshot. False if the user has one already.
    pub(in crate::engine::facts) fn restore(&mut self, id: &str, profile: Profile) -> bool {
        let fresh = self.get(id).is_none();
        if fresh {
            self.append(id, hash(&self.hasher, id), profile);
        }
        fresh
    }

    /// Takes over which slot is looked at next, and the free ones, the one to be used next last.
    /// False if that does not fit the slots.
    pub(in crate::engine::facts) fn restore_order(&mut self, hand: usize, free: Vec<u32>) -> bool {
        let mut listed = vec![false; self.slots.len()];
        for slot in &free {
            let user = self.slots.get(*slot as usize).filter(|user| user.id.is_empty());
            match listed.get_mut(*slot as usize).filter(|listed| user.is_some() && !**listed) {
                Some(listed) => *listed = true,
                None => return false,
            }
        }
        (self.hand, self.free) = (hand, free);
        self.free.len() + self.len() == self.slots.len() && hand < self.slots.len().max(1)
    }

    /// Makes room for that many users at once.
    pub(in crate::engine::facts) fn reserve(&mut self, users: usize) {
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.by_id.reserve(users, |slot| hash(hasher, &slots[*slot as usize].id));
        self.slots.reserve(users);
    }

    /// Forgets the users that have been idle for longest, until `limit` are left. Returns how many.
    pub(in crate::engine::facts) fn bound(&mut self, limit: usize) -> usize {
        let excess = self.len().saturating_sub(limit);
        if excess == 0 {
            return 0;
        }
        let users = (0..).zip(&self.slots).filter(|(_, user)| !user.id.is_empty());
        let mut idle: Vec<(Option<Timestamp>, usize)> =
            users.map(|(slot, user)| (user.profile.newest(), slot)).collect();
        idle.sort_unstable();
        idle.iter().take(excess).for_each(|(_, slot)| self.remove_at(*slot));
        excess
    }

    /// Forgets the events on items from number `from` on, and who is left without any. Returns how
    /// many users and how many coarse counts were forgotten.
    pub fn forget_items(&mut self, from: u32, keep: usize) -> (u64, u64) {
        let (mut users, mut counts) = (0, 0);
        for slot in 0..self.slots.len() {
            let user = &mut self.slots[slot];
            if !user.id.is_empty() {
                let before = user.profile.acted_items().len();
                counts += user.profile.forget_items(from, keep) as u64;
                self.acted_items -= before - user.profile.acted_items().len();
                if user.profile.newest().is_none() {
                    self.remove_at(slot);
                    users += 1;
                }
            }
        }
        (users, counts)
    }

    fn insert(&mut self, id: &str, wanted: u64, limit: usize) -> (usize, bool) {
        let forgot = self.len() >= limit && self.forget_one();
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize].id = id.into();
                self.register(wanted, slot);
                slot as usize
            }
            None => self.append(id, wanted, Profile::default()),
        };
        (slot, forgot)
    }

    fn append(&mut self, id: &str, wanted: u64, profile: Profile) -> usize {
        let slot = self.slots.len();
        self.slots.push(User { id: id.into(), profile });
        self.register(wanted, slot as u32);
        slot
    }

    fn register(&mut self, wanted: u64, slot: u32) {
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.by_id.insert_unique(wanted, slot, |slot| hash(hasher, &slots[*slot as usize].id));
    }

    fn forget_one(&mut self) -> bool {
        let sample = (0..SAMPLE.min(self.slots.len())).map(|_| self.next_hand());
        let sample: Vec<usize> = sample.collect();
        let idle = sample.into_iter().filter(|slot| !self.slots[*slot].id.is_empty());
        match idle.min_by_key(|slot| self.slots[*slot].profile.newest()) {
            Some(slot) => {
                self.remove_at(slot);
                true
            }
            None => false,
        }
    }

    fn remove_at(&mut self, slot: usize) {
        let user = std::mem::replace(&mut self.slots[slot], User::free());
        self.acted_items -= user.profile.acted_items().len();
        if let Ok(entry) =
            self.by_id.find_entry(hash(&self.hasher, &user.id), |found| *found as usize == slot)
        {
            entry.remove();
            self.free.push(slot as u32);
        }
    }

    fn next_hand(&mut self) -> usize {
        let slot = self.hand;
        self.hand = if slot + 1 < self.slots.len() { slot + 1 } else { 0 };
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::StreamConfig;
    use crate::engine::events::event::EventType;
    use crate::engine::facts::history::{History, RawEvent};

    fn with_event(ts: i64) -> Profile {
        let history = History::from_snapshot(vec![RawEvent::new(Timestamp(ts), EventType(0), 0, 0)], None);
        Profile::from_snapshot(history, &StreamConfig::default())
    }

    fn add(users: &mut Users, id: &str, limit: usize, ts: i64) {
        let (slot, _) = users.slot_for(id, limit);
        users.slots[slot].profile = with_event(ts);
    }

    #[test]
    fn at_the_limit_the_user_that_was_idle_for_longest_is_forgotten() {
        let mut users = Users::default();
        for (id, ts) in [("a", 30), ("b", 10), ("c", 20)] {
            add(&mut users, id, 3, ts);
        }
        let (_, forgot) = users.slot_for("d", 3);
        assert!(forgot);
        assert_eq!(users.len(), 3);
        assert!(users.get("b").is_none());
        assert!(users.get("a").is_some() && users.get("c").is_some() && users.get("d").is_some());
    }

    #[test]
    fn the_sweep_frees_expired_users_and_their_slots_are_used_again() {
        let mut users = Users::default();
        for id in 0..10 {
            add(&mut users, &id.to_string(), 10, id);
        }
        let freed = (0..10).filter(|_| users.sweep(|newest| newest < Timestamp(5))).count();
        assert_eq!((freed, users.len()), (5, 5));
        assert!(users.get("4").is_none() && users.get("5").is_some());
        for id in 20..25 {
            add(&mut users, &id.to_string(), 10, id);
        }
        assert_eq!((users.slots.len(), users.len()), (10, 10));
    }
}
