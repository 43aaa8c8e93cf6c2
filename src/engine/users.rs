//! The users of a partition: a dense list of slots and a table from id to slot.
//!
//! The table holds four-byte places rather than ids, and slots are reused, so that a user costs
//! little more than its events.

use hashbrown::HashTable;

use super::event::Timestamp;
use super::intern::hash;
use super::profile::Profile;

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

    /// The users, in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = &User> {
        self.slots.iter().filter(|user| !user.id.is_empty())
    }

    /// Adds a user from a snapshot; one that is there already is replaced.
    pub fn restore(&mut self, id: &str, profile: Profile) {
        *self.get_or_insert(id, usize::MAX).0 = profile;
    }

    /// Makes room for that many users at once.
    pub fn reserve(&mut self, users: usize) {
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.places.reserve(users, |place| hash(hasher, &slots[*place as usize].id));
        self.slots.reserve(users);
    }

    fn insert(&mut self, id: &str, wanted: u64, limit: usize) -> (usize, bool) {
        let forgot = self.len() >= limit && self.forget_one();
        let user = User { id: id.into(), profile: Profile::default() };
        let place = match self.free.pop() {
            Some(place) => {
                self.slots[place as usize] = user;
                place as usize
            }
            None => {
                self.slots.push(user);
                self.slots.len() - 1
            }
        };
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.places.insert_unique(wanted, place as u32, |place| hash(hasher, &slots[*place as usize].id));
        (place, forgot)
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
        let user =
            std::mem::replace(&mut self.slots[place], User { id: "".into(), profile: Profile::default() });
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
    use crate::engine::event::EventType;
    use crate::engine::profile::RawEvent;

    fn with_event(ts: i64) -> Profile {
        Profile::from_parts(vec![RawEvent::new(Timestamp(ts), EventType(0), 0, 0)], None)
    }

    #[test]
    fn at_the_limit_the_user_that_was_idle_for_longest_is_forgotten() {
        let mut users = Users::default();
        for (id, ts) in [("a", 30), ("b", 10), ("c", 20)] {
            users.restore(id, with_event(ts));
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
            users.restore(&id.to_string(), with_event(id));
        }
        let freed = (0..10).filter(|_| users.sweep(|newest| newest < Timestamp(5))).count();
        assert_eq!((freed, users.len()), (5, 5));
        assert!(users.get("4").is_none() && users.get("5").is_some());
        for id in 20..25 {
            users.restore(&id.to_string(), with_event(id));
        }
        assert_eq!((users.slots.len(), users.len()), (10, 10));
    }
}
