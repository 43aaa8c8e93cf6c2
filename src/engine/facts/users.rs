//! The users of a partition: a dense list of slots and a table from id to slot.
//!
//! The table holds four-byte places rather than ids, and slots are reused, so that a user costs
//! little more than its events.

use hashbrown::HashTable;

use crate::engine::events::event::Timestamp;
use crate::engine::facts::intern::hash;
use crate::engine::facts::profile::Profile;

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
    pub(in crate::engine::facts) fn free() -> Self {
        Self { id: "".into(), profile: Profile::default() }
    }
}

/// All users of a partition.
#[derive(Debug, Default)]
pub struct Users {
    places: HashTable<u32>,
    pub(in crate::engine::facts) slots: Vec<User>,
    pub(in crate::engine::facts) free: Vec<u32>,
    pub(in crate::engine::facts) hand: usize,
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
    pub(in crate::engine::facts) fn reserve(&mut self, users: usize) {
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.places.reserve(users, |place| hash(hasher, &slots[*place as usize].id));
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
