//! From one phase of a service to the next, and how long each has lasted.

use std::time::{Duration, Instant};

use super::Phase;

/// The phase that a service is in.
#[derive(Debug, Default)]
pub struct Phases {
    /// And since when; none at the start.
    now: Option<(Phase, Instant)>,
    /// When all was well for the last time, if it ever was.
    left_ready: Option<Instant>,
}

/// A phase that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhaseChange {
    /// Which one was before it, and for how long; none at the start.
    pub was: Option<(Phase, Duration)>,
    /// For how long not all was well, if it was before and is again.
    pub again_after: Option<Duration>,
}

impl Phases {
    /// Whether requests should have been sent to it until now.
    pub fn is_ready(&self) -> bool {
        self.now.is_some_and(|(phase, _)| phase != Phase::NotReady)
    }

    /// It is in this phase at an instant; what has changed, if it was in another one.
    pub fn enter(&mut self, phase: Phase, at: Instant) -> Option<PhaseChange> {
        if self.now.is_some_and(|(now, _)| now == phase) {
            return None;
        }
        let before = self.now.replace((phase, at));
        if before.is_some_and(|(before, _)| before == Phase::Ready) {
            self.left_ready = Some(at);
        }
        let left_ready = self.left_ready.filter(|_| phase == Phase::Ready);
        Some(PhaseChange {
            was: before.map(|(phase, since)| (phase, at - since)),
            again_after: left_ready.map(|left| at - left),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_is_told_once_with_what_was_before_and_how_long_not_all_was_well() {
        use Phase::{Degraded, NotReady, Ready};
        let seconds = Duration::from_secs;
        let (start, mut phases) = (Instant::now(), Phases::default());
        let mut enter = |phase, after| {
            let change = phases.enter(phase, start + seconds(after));
            change.map(|change| (change.was, change.again_after, phases.is_ready()))
        };
        assert_eq!(enter(NotReady, 0), Some((None, None, false)));
        assert_eq!(enter(NotReady, 1), None);
        assert_eq!(enter(Ready, 2), Some((Some((NotReady, seconds(2))), None, true)));
        assert_eq!(enter(Degraded, 5), Some((Some((Ready, seconds(3))), None, true)));
        assert_eq!(enter(NotReady, 6), Some((Some((Degraded, seconds(1))), None, false)));
        assert_eq!(enter(Ready, 9), Some((Some((NotReady, seconds(3))), Some(seconds(4)), true)));
    }
}
