//! Tastes: which persona a user is, and when that changes.
//!
//! Nothing is stored: a user's tastes follow from the seed and the user's number.

use super::random::{Random, Share, Stream};
use super::settings::GenerateSettings;
use super::vocabulary::PERSONAS;
use crate::engine::events::event::Timestamp;

/// The persona that a user is from some instant on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taste {
    pub(super) from: Timestamp,
    /// The index in [`PERSONAS`].
    pub(super) persona: usize,
}

/// A user's tastes over the span, one to three; the first holds from the start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tastes {
    steps: [Taste; 3],
    len: usize,
}

impl Tastes {
    pub(super) fn of(settings: &GenerateSettings, user: u32) -> Self {
        let mut random = Random::new(settings.seed, Stream::Taste, u64::from(user));
        let mut persona = random.index(PERSONAS.len());
        let mut steps = [Taste { from: settings.start, persona }; 3];
        let drifts: i64 = match random.chance(Share::new(settings.drift_share)) {
            false => 0,
            true if random.percent(75) => 1,
            true => 2,
        };
        // Each drift has its own part of the middle of the span, so that every taste has time to show.
        let tenths = if drifts == 1 { [(3, 7), (0, 0)] } else { [(2, 4), (6, 8)] };
        let mut len = 1;
        for (step, (first, last)) in steps.iter_mut().skip(1).zip(tenths) {
            let tenth = settings.span_ms / 10;
            let from = settings.start.plus(random.between(first * tenth, last * tenth));
            persona = (persona + 1 + random.index(PERSONAS.len() - 1)) % PERSONAS.len();
            *step = Taste { from, persona };
            len += usize::from(len as i64 <= drifts);
        }
        Self { steps, len }
    }

    /// All of them, in order.
    pub(super) fn steps(&self) -> &[Taste] {
        self.steps.get(..self.len).unwrap_or_default()
    }

    /// The persona then, and the instant at which that ends.
    pub(super) fn at(&self, ts: Timestamp) -> (usize, Timestamp) {
        let steps = self.steps();
        let next = steps.partition_point(|taste| taste.from <= ts).max(1);
        let persona = steps.get(next - 1).map_or(0, |taste| taste.persona);
        (persona, steps.get(next).map_or(Timestamp(i64::MAX), |taste| taste.from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_asked_share_of_users_drifts_to_another_persona() {
        let settings = GenerateSettings::default();
        let all: Vec<Tastes> = (0..10_000).map(|user| Tastes::of(&settings, user)).collect();
        let with = |len: usize| all.iter().filter(|tastes| tastes.steps().len() == len).count();
        assert!((5_800..6_200).contains(&with(1)), "{}", with(1));
        assert!((2_800..3_200).contains(&with(2)), "{}", with(2));
        assert!((900..1_100).contains(&with(3)), "{}", with(3));
        for tastes in &all {
            assert_eq!(tastes.steps()[0].from, settings.start);
            for pair in tastes.steps().windows(2) {
                assert!(pair[0].from < pair[1].from && pair[1].from < settings.end());
                assert_ne!(pair[0].persona, pair[1].persona);
            }
        }
    }

    #[test]
    fn a_taste_holds_from_its_instant_until_the_next() {
        let settings = GenerateSettings { drift_share: 1.0, ..GenerateSettings::default() };
        let tastes = Tastes::of(&settings, 5);
        let (first, second) = (tastes.steps()[0], tastes.steps()[1]);
        assert_eq!(tastes.at(settings.start), (first.persona, second.from));
        assert_eq!(tastes.at(second.from.minus(1)), (first.persona, second.from));
        assert_eq!(tastes.at(second.from).0, second.persona);
    }
}
