//! What goes wrong, and every other choice of a run: one stream of random numbers.

use std::sync::Arc;

use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

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

/// Shared by all that can fail.
#[derive(Clone)]
pub struct FaultInjector(Arc<Mutex<State>>);

struct State {
    random: SmallRng,
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
        let random = SmallRng::seed_from_u64(seed);
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
        if state.random.random_bool(flicker) { Fault::Transient } else { Fault::None }
    }

    /// Asked before an operation that changes nothing: there are many of them, so few are disturbed.
    pub fn glance(&self) -> Fault {
        let disturbed = {
            let mut state = self.0.lock();
            state.off || (!state.quiet && state.random.random_bool(0.25))
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
        self.0.lock().random.random_bool(chance)
    }

    /// A number from 0 to one less than `bound`, which is not 0.
    pub fn below(&self, bound: u64) -> u64 {
        self.0.lock().random.random_range(0..bound)
    }
}
