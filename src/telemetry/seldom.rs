//! What lasts is told when it begins, at most once a minute while it lasts, and when it is over.

use std::time::{Duration, Instant};

/// The least time between two lines about the same thing.
const A_MINUTE: Duration = Duration::from_secs(60);
/// For how long nothing may go wrong until it is over: what fails each time fails more often than that.
const CALM: Duration = Duration::from_secs(2);

/// Lets one line a minute through, and counts what would have been said besides.
#[derive(Clone, Debug, Default)]
pub struct Seldom {
    last: Option<Instant>,
    left_out: u64,
}

impl Seldom {
    /// Whether something may be said now: then how often it was not, since it was said last.
    pub fn says(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < A_MINUTE) {
            self.left_out += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.left_out))
    }
}

/// A count that should stand still, and is told when it does not.
#[derive(Clone, Debug)]
pub struct Rise {
    told: u64,
    lines: Seldom,
}

impl Rise {
    /// Tells by how much it is more than now.
    pub fn from(count: u64) -> Self {
        Self { told: count, lines: Seldom::default() }
    }

    /// By how much it has risen since that was said last, if that may be said now. It falls when what is counted goes
    /// away.
    pub fn to(&mut self, count: u64, now: Instant) -> Option<u64> {
        self.told = self.told.min(count);
        if count == self.told {
            return None;
        }
        self.lines.says(now)?;
        Some(count - std::mem::replace(&mut self.told, count))
    }
}

/// What is to be said of something that goes wrong again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saying {
    /// It goes wrong.
    Begins,
    /// It still does.
    Lasts {
        /// Since it began.
        lasted: Duration,
        /// How often it went wrong.
        failures: u64,
    },
    /// It does not any more.
    Ends {
        /// From its beginning to the first time that it went well again.
        lasted: Duration,
        /// How often it went wrong.
        failures: u64,
    },
}

/// Something that may go wrong again and again.
#[derive(Clone, Debug, Default)]
pub struct Spell {
    began: Option<Instant>,
    failed: Option<Instant>,
    /// When it went well for the first time after it went wrong for the last time.
    calm_since: Option<Instant>,
    failures: u64,
    is_told: bool,
    lines: Seldom,
}

impl Spell {
    /// Whether it is going on.
    pub fn lasts(&self) -> bool {
        self.began.is_some()
    }

    /// It went wrong. One that begins within a minute of what was last said is told only if it lasts.
    pub fn fails(&mut self, now: Instant) -> Option<Saying> {
        let began = *self.began.get_or_insert(now);
        self.failed = Some(now);
        self.calm_since = None;
        self.failures += 1;
        self.lines.says(now)?;
        let lasted = now.saturating_duration_since(began);
        let saying = Saying::Lasts { lasted, failures: self.failures };
        Some(if std::mem::replace(&mut self.is_told, true) { saying } else { Saying::Begins })
    }

    /// It went well. That is its end if nothing has gone wrong for a while.
    pub fn succeeds(&mut self, now: Instant) -> Option<Saying> {
        let failed = self.failed?;
        self.calm_since.get_or_insert(now);
        if now.saturating_duration_since(failed) < CALM {
            return None;
        }
        self.ends(now)
    }

    /// It is over.
    pub fn ends(&mut self, now: Instant) -> Option<Saying> {
        let calm_since = self.calm_since.unwrap_or(now);
        let lasted = calm_since.saturating_duration_since(self.began?);
        let saying = Saying::Ends { lasted, failures: self.failures };
        let was_told = self.is_told;
        let lines = Seldom { last: if was_told { Some(now) } else { self.lines.last }, left_out: 0 };
        *self = Self { lines, ..Self::default() };
        was_told.then_some(saying)
    }
}

/// A length of time for people: `53 s`, `1 h 2 min`.
pub fn in_words(length: Duration) -> String {
    let seconds = length.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, _) if seconds < 10 => format!("{:.1} s", length.as_secs_f64()),
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// What is said in so many seconds of five failures a second, and then of success each second.
    fn outage(spell: &mut Spell, from: Instant, seconds: u32) -> Vec<Saying> {
        let failures =
            (0..5 * seconds).filter_map(|n| spell.fails(from + n * SECOND / 5)).collect::<Vec<_>>();
        let again = (seconds..seconds + 10).filter_map(|n| spell.succeeds(from + n * SECOND));
        failures.into_iter().chain(again).collect()
    }

    #[test]
    fn an_outage_of_ten_minutes_is_told_when_it_begins_each_minute_and_when_it_ends() {
        let (mut spell, start) = (Spell::default(), Instant::now());
        let told = outage(&mut spell, start, 600);
        assert_eq!(told.len(), 11, "{told:?}");
        assert_eq!(told[0], Saying::Begins);
        assert_eq!(told[1], Saying::Lasts { lasted: 60 * SECOND, failures: 301 });
        assert_eq!(told[10], Saying::Ends { lasted: 600 * SECOND, failures: 3000 });
        assert!(!spell.lasts());
    }

    #[test]
    fn what_comes_and_goes_is_told_once_a_minute_and_so_is_its_end() {
        let (mut spell, start) = (Spell::default(), Instant::now());
        let told = (0..40).flat_map(|n| outage(&mut spell, start + n * 15 * SECOND, 1));
        let told: Vec<Saying> = told.collect();
        assert!((2..=20).contains(&told.len()), "{told:?}");
        let begun = told.iter().filter(|saying| **saying == Saying::Begins).count();
        assert_eq!(begun * 2, told.len(), "each end is that of a beginning that was told: {told:?}");
    }

    #[test]
    fn a_success_between_failures_is_no_end() {
        let (mut spell, start) = (Spell::default(), Instant::now());
        assert_eq!(spell.fails(start), Some(Saying::Begins));
        assert_eq!(spell.succeeds(start + SECOND), None);
        assert_eq!(spell.fails(start + 2 * SECOND), None);
        assert_eq!(spell.succeeds(start + 3 * SECOND), None);
        let over = Saying::Ends { lasted: 3 * SECOND, failures: 2 };
        assert_eq!(spell.succeeds(start + 4 * SECOND), Some(over));
        assert_eq!(spell.succeeds(start + 5 * SECOND), None);
    }

    #[test]
    fn what_is_done_once_it_goes_well_is_over_at_once() {
        let (mut spell, start) = (Spell::default(), Instant::now());
        assert_eq!(spell.ends(start), None);
        let told: Vec<_> = (0..130).filter_map(|n| spell.fails(start + n * SECOND)).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        let over = Saying::Ends { lasted: 130 * SECOND, failures: 130 };
        assert_eq!(spell.ends(start + 130 * SECOND), Some(over));
        assert_eq!(spell.ends(start + 131 * SECOND), None);
    }

    #[test]
    fn one_line_a_minute_says_how_many_there_were_no_room_for() {
        let (mut seldom, start) = (Seldom::default(), Instant::now());
        let said: Vec<_> = (0..130).map(|n| seldom.says(start + n * SECOND)).collect();
        let told: Vec<_> = (0..).zip(said).filter_map(|(n, said)| Some((n, said?))).collect();
        assert_eq!(told, [(0, 0), (60, 59), (120, 59)]);
    }

    #[test]
    fn a_count_that_rises_is_told_once_a_minute_with_all_that_came_meanwhile() {
        let (mut rise, start) = (Rise::from(5), Instant::now());
        assert_eq!(rise.to(5, start), None);
        assert_eq!(rise.to(7, start + SECOND), Some(2));
        assert_eq!((2..60).find_map(|n| rise.to(7 + n, start + SECOND * n as u32)), None);
        assert_eq!(rise.to(70, start + 61 * SECOND), Some(63));
        assert_eq!(rise.to(3, start + 200 * SECOND), None, "a partition went");
        assert_eq!(rise.to(4, start + 201 * SECOND), Some(1));
    }

    #[test]
    fn lengths_of_time_are_told_as_people_do() {
        let told = |millis| in_words(Duration::from_millis(millis));
        assert_eq!(
            [told(1_240), told(53_900), told(61_000), told(3_725_000)],
            ["1.2 s", "53 s", "1 min 1 s", "1 h 2 min"]
        );
    }
}
