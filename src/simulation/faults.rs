//! What goes wrong, and every other choice of a run: one stream of random numbers.

use std::sync::Arc;

use parking_lot::Mutex;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// How an operation on a disk or a log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Well.
    None,
    /// It fails, and may have happened all the same. The next one may go well.
    Transient,
    /// The plug is pulled while it happens.
    Crash,
    /// The plug was pulled before.
    Down,
}

/// Random numbers that stay the same for a seed, whatever the machine and the version of a crate: a failing
/// seed is to fail for whoever is told of it. So ChaCha, which is specified, and no crate's distributions.
struct Numbers(ChaCha8Rng);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    fn chance(&mut self, chance: f64) -> bool {
        // 53 bits are as many as a number between 0 and 1 has.
        ((self.0.next_u64() >> 11) as f64) < chance * (1_u64 << 53) as f64
    }
}

/// Shared by all that can fail.
#[derive(Clone)]
pub struct FaultInjector(Arc<Mutex<State>>);

struct State {
    random: Numbers,
    /// Operations until the plug is pulled.
    left: Option<u32>,
    off: bool,
    flicker: f64,
    /// Nothing fails, and nothing is drawn.
    quiet: bool,
}

impl FaultInjector {
    /// That of a seed. Nothing works yet.
    pub fn new(seed: u64) -> Self {
        let random = Numbers(ChaCha8Rng::seed_from_u64(seed));
        Self(Arc::new(Mutex::new(State { random, left: None, off: true, flicker: 0.0, quiet: false })))
    }

    /// Turns the power on: for so many operations, or for good. Each may fail by some chance.
    pub fn on(&self, left: Option<u32>, flicker: f64) {
        let mut state = self.0.lock();
        (state.left, state.off, state.flicker) = (left, false, flicker);
    }

    /// Whether the plug was pulled.
    pub fn is_off(&self) -> bool {
        self.0.lock().off
    }

    /// Asked before each operation.
    pub fn draw(&self) -> Fault {
        let mut state = self.0.lock();
        let flicker = state.flicker;
        if state.quiet {
            return Fault::None;
        }
        if state.off {
            return Fault::Down;
        }
        if state.left == Some(0) {
            state.off = true;
            return Fault::Crash;
        }
        state.left = state.left.map(|left| left - 1);
        if state.random.chance(flicker) { Fault::Transient } else { Fault::None }
    }

    /// Asked before an operation that changes nothing: there are many of them, so few are disturbed.
    pub fn glance(&self) -> Fault {
        let disturbed = {
            let mut state = self.0.lock();
            state.off || (!state.quiet && state.random.chance(0.25))
        };
        if disturbed { self.draw() } else { Fault::None }
    }

    /// Whether the plug is pulled here, between two operations, or was before.
    pub fn dies(&self) -> bool {
        matches!(self.draw(), Fault::Crash | Fault::Down)
    }

    /// Does something with a log or a disk that is no part of what happens.
    pub fn quietly<T>(&self, look: impl FnOnce() -> T) -> T {
        self.0.lock().quiet = true;
        let found = look();
        self.0.lock().quiet = false;
        found
    }

    /// True by some chance.
    pub fn chance(&self, chance: f64) -> bool {
        self.0.lock().random.chance(chance)
    }

    /// A number from 0 to one less than `bound`, which is not 0.
    pub fn below(&self, bound: u64) -> u64 {
        self.0.lock().random.below(bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_for_ever() {
        let faults = FaultInjector::new(7);
        let numbers: Vec<u64> = (0..6).map(|_| faults.below(1000)).collect();
        assert_eq!(numbers, [157, 167, 704, 726, 601, 359]);
        let chances: Vec<bool> = (0..12).map(|_| faults.chance(0.3)).collect();
        let chosen: Vec<usize> = (0..12).filter(|index| chances[*index]).collect();
        assert_eq!(chosen, [0, 4, 7, 11]);
    }
}
