//! Random numbers that are the same on every machine: SplitMix64, seeded by what they are for.

/// A stream of random numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The stream that belongs to these numbers, in this order.
    pub fn of(numbers: &[u64]) -> Self {
        Self(numbers.iter().fold(0, |state, number| mix(state.wrapping_add(GOLDEN) ^ mix(*number))))
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// A number from 0, included, to 1, which is not.
    pub fn share(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number of the normal distribution of mean 0 and variance 1, by the method of Box and Muller (1958).
    pub fn normal(&mut self) -> f64 {
        // One less a share is never 0, of which there is no logarithm.
        let length = (-2.0 * (1.0 - self.share()).ln()).sqrt();
        length * (std::f64::consts::TAU * self.share()).cos()
    }

    /// A number under `end`; 0 if there is none.
    pub fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.bits()) * end as u128) >> 64) as usize
    }
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
