//! Which event ids were seen lately: two generations of 64-bit fingerprints, turned over by event
//! time, so that an id is remembered for at least one horizon and at most two. An id is its user's: what
//! others call their events says nothing of it.
//!
//! A plain set of fingerprints rather than a Bloom filter, which would silently drop real events:
//! at 16 million remembered ids a false match has a chance of about 1e-12 an event.

use hashbrown::HashSet;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::engine::events::event::Timestamp;

type Fingerprints = HashSet<u64, foldhash::fast::RandomState>;

/// The ids of one partition.
#[derive(Debug)]
pub struct Dedup {
    generation: i64,
    /// In generations before this there may be fingerprints of ids without their users.
    without_users_before: i64,
    current: Fingerprints,
    previous: Fingerprints,
}

impl Default for Dedup {
    fn default() -> Self {
        Self {
            generation: 0,
            without_users_before: i64::MIN,
            current: Fingerprints::default(),
            previous: Fingerprints::default(),
        }
    }
}

impl Dedup {
    /// Turns the generations over as far as the watermark demands.
    pub fn advance(&mut self, watermark: Timestamp, horizon: i64) {
        let generation = watermark.0.div_euclid(horizon.max(1));
        match generation.saturating_sub(self.generation) {
            ..=0 => return,
            1 => self.turn(),
            _ => {
                self.turn();
                self.turn();
            }
        }
        self.generation = generation;
    }

    /// Remembers an id; false if it was remembered already. Holds `limit` ids at most. `watermark`
    /// is the one that the id's own event leads to: an id that were remembered before the watermark
    /// moves could be forgotten in the same breath.
    pub fn insert(
        &mut self,
        (user_id, event_id): (&str, &str),
        watermark: Timestamp,
        horizon: i64,
        limit: usize,
    ) -> bool {
        let fingerprint = xxh3_64_with_seed(event_id.as_bytes(), xxh3_64(user_id.as_bytes()));
        let is_known =
            |fingerprint: u64| self.previous.contains(&fingerprint) || self.current.contains(&fingerprint);
        let by_id_alone =
            self.generation < self.without_users_before && is_known(xxh3_64(event_id.as_bytes()));
        if is_known(fingerprint) || by_id_alone {
            return false;
        }
        self.advance(watermark, horizon);
        self.current.insert(fingerprint);
        if self.current.len() >= (limit / 2).max(1) {
            self.turn();
        }
        true
    }

    /// How many ids are remembered.
    pub fn len(&self) -> usize {
        self.current.len() + self.previous.len()
    }

    /// Whether no id is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Everything that is kept, for a snapshot: generation, current and previous fingerprints, sorted.
    pub fn to_snapshot(&self) -> (i64, Vec<u64>, Vec<u64>) {
        (self.generation, sorted(&self.current), sorted(&self.previous))
    }

    /// What [`Self::to_snapshot`] came from. Ids may be remembered without their users, as older versions did:
    /// unless [`Self::set_without_users_before`] tells better.
    pub fn from_snapshot(generation: i64, current: Vec<u64>, previous: Vec<u64>) -> Self {
        // Those of this generation are the previous ones in the next.
        let without_users_before = generation.saturating_add(2);
        let (current, previous) = (current.into_iter().collect(), previous.into_iter().collect());
        Self { generation, without_users_before, current, previous }
    }

    /// Until which generation ids may be remembered without their users.
    pub fn without_users_before(&self) -> i64 {
        self.without_users_before
    }

    /// See [`Self::without_users_before`].
    pub fn set_without_users_before(&mut self, generation: i64) {
        self.without_users_before = generation;
    }

    /// Forgets the older half early, and some of the others, if there are more than `limit` by now:
    /// which of one generation are older is not known.
    pub(in crate::engine::facts) fn bound(&mut self, limit: usize) {
        let half = (limit / 2).max(1);
        for generation in [&mut self.previous, &mut self.current] {
            if generation.len() > half {
                *generation = sorted(generation).into_iter().take(half).collect();
            }
        }
        if self.current.len() >= half {
            self.turn();
        }
    }

    fn turn(&mut self) {
        self.previous = std::mem::take(&mut self.current);
    }
}

fn sorted(fingerprints: &Fingerprints) -> Vec<u64> {
    let mut all: Vec<u64> = fingerprints.iter().copied().collect();
    all.sort_unstable();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_remembered_for_a_horizon_and_forgotten_after_two() {
        let mut dedup = Dedup::default();
        let mut insert = |watermark| dedup.insert(("u", "a"), Timestamp(watermark), 100, 100);
        assert!(insert(1000));
        assert!(!insert(1000));
        assert!(!insert(1100), "a retry does not move time");
        dedup.advance(Timestamp(1100), 100);
        assert!(!dedup.insert(("u", "a"), Timestamp(1100), 100, 100), "one horizon later");
        dedup.advance(Timestamp(1200), 100);
        assert!(dedup.insert(("u", "a"), Timestamp(1200), 100, 100), "two horizons later");
    }

    #[test]
    fn an_id_whose_own_event_leaps_over_several_horizons_is_remembered() {
        let mut dedup = Dedup::default();
        assert!(dedup.insert(("u", "a"), Timestamp(1_000_000), 100, 100));
        dedup.advance(Timestamp(1_000_000), 100);
        assert!(!dedup.insert(("u", "a"), Timestamp(1_000_000), 100, 100));
    }

    #[test]
    fn a_leap_over_several_horizons_forgets_everything() {
        let mut dedup = Dedup::default();
        assert!(dedup.insert(("u", "a"), Timestamp(0), 100, 100));
        dedup.advance(Timestamp(1_000_000), 100);
        assert!(dedup.is_empty());
    }

    #[test]
    fn the_number_of_ids_is_bounded() {
        let mut dedup = Dedup::default();
        for id in 0..1000 {
            assert!(dedup.insert(("u", &id.to_string()), Timestamp(0), 100, 64));
            assert!(dedup.len() <= 64, "{}", dedup.len());
        }
    }

    #[test]
    fn ids_that_an_older_version_remembered_without_their_users_are_known_for_two_horizons() {
        let told = vec![xxh3_64(b"a")];
        let mut dedup = Dedup::from_snapshot(10, told, Vec::new());
        assert!(!dedup.insert(("u", "a"), Timestamp(1000), 100, 100));
        assert!(dedup.insert(("u", "b"), Timestamp(1000), 100, 100));
        assert!(!dedup.insert(("u", "b"), Timestamp(1000), 100, 100));
        assert!(dedup.insert(("v", "b"), Timestamp(1000), 100, 100), "new ones are their users'");
        dedup.advance(Timestamp(1100), 100);
        assert!(!dedup.insert(("u", "a"), Timestamp(1100), 100, 100));
        assert_eq!(dedup.without_users_before(), 12);
        dedup.advance(Timestamp(1200), 100);
        assert!(dedup.insert(("u", "a"), Timestamp(1200), 100, 100));
    }

    #[test]
    fn a_limit_that_was_lowered_holds_and_the_newer_ids_are_the_ones_that_stay() {
        let mut dedup = Dedup::from_snapshot(7, (0..40).collect(), (100..190).collect());
        dedup.bound(200);
        assert_eq!(dedup.len(), 130, "nothing is forgotten that there is room for");
        dedup.bound(64);
        assert_eq!(dedup.to_snapshot(), (7, Vec::new(), (0..32).collect()));
        let mut one = Dedup::from_snapshot(7, vec![3, 4], vec![5]);
        one.bound(1);
        assert_eq!(one.to_snapshot(), (7, Vec::new(), vec![3]));
    }
}
