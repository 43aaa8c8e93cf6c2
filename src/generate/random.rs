//! Random numbers that are the same on every machine and in every version.
//!
//! A published data set is named by its seed, so the numbers behind it may never change. `rand`
//! keeps the right to change how it samples between releases; SplitMix64 (Steele, Lea and Flood,
//! 2014) is ten lines, and everything below is integer arithmetic. Each thing that is decided
//! (a user's tastes, a session, an arrival) has its own stream, so that one setting does not
//! change what another one decided.

/// What a stream of random numbers is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stream {
    Ranks = 1,
    Item,
    Related,
    Burst,
    Activity,
    Taste,
    Session,
    Arrival,
    Hot,
}

/// A stream of random numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// The stream of thing number `id`.
    pub(super) fn new(seed: u64, stream: Stream, id: u64) -> Self {
        Self(mix(mix(seed.wrapping_add((stream as u64) << 56)).wrapping_add(id)))
    }

    /// The next 64 bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number under `end`; 0 if there is none. The bias is under `end` in 2^64.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        let wide = u128::from(self.bits()) * u128::from(end);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// A number from `first` to `last`, both included.
    pub(super) fn between(&mut self, first: i64, last: i64) -> i64 {
        let width = last.saturating_sub(first).max(0).unsigned_abs();
        first.saturating_add_unsigned(self.below(width + 1))
    }

    /// An index into a list of `len` entries; 0 if the list is empty.
    pub(super) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// Whether something that happens in that share of cases happens now.
    pub(super) fn chance(&mut self, share: Share) -> bool {
        share.covers(self.bits())
    }

    /// Whether something that happens in `percent` of cases happens now.
    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A share in [0, 1], in steps of 2^-53.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share(u64);

impl Share {
    pub(super) fn new(share: f64) -> Self {
        Self((share.clamp(0.0, 1.0) * 9_007_199_254_740_992.0) as u64)
    }

    /// Whether 64 random bits fall into the share.
    pub(super) fn covers(self, bits: u64) -> bool {
        bits >> 11 < self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_published_splitmix64() {
        let mut random = Random(1_234_567);
        let found: Vec<u64> = (0..3).map(|_| random.bits()).collect();
        assert_eq!(found, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn a_share_of_none_never_happens_and_of_all_always() {
        let mut random = Random::new(1, Stream::Item, 1);
        assert!((0..1000).all(|_| !random.chance(Share::new(0.0)) && random.chance(Share::new(1.0))));
    }

    #[test]
    fn bounds_hold_and_are_reached() {
        let mut random = Random::new(1, Stream::Item, 1);
        let seen: std::collections::BTreeSet<i64> = (0..1000).map(|_| random.between(-2, 2)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [-2, -1, 0, 1, 2]);
        assert_eq!(random.below(0), 0);
        assert_eq!(random.between(5, 4), 5);
    }

    #[test]
    fn streams_of_neighbours_have_nothing_in_common() {
        let first = |stream, id| Random::new(7, stream, id).bits();
        assert_ne!(first(Stream::Item, 1), first(Stream::Item, 2));
        assert_ne!(first(Stream::Item, 1), first(Stream::Taste, 1));
    }
}
