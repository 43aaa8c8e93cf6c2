//! The times of events that are published: what they are written in, and whether any window will count them.

use super::super::error::CliError;
use crate::engine::config::{StreamConfig, window_name};
use crate::engine::events::event::Timestamp;

/// In milliseconds this is of 1973, in seconds of the year 5138: what is before it is seconds.
const SECONDS_BELOW: i64 = 100_000_000_000;

/// What a time that is a number counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(in super::super) enum Unit {
    /// Seconds
    S,
    /// Milliseconds
    #[default]
    Ms,
    /// Microseconds
    Us,
    /// Nanoseconds
    Ns,
}

impl Unit {
    /// A time of this unit in milliseconds. One that was written out as a date is milliseconds already, which can be
    /// told by its size.
    pub fn millis(self, ts: i64) -> i64 {
        match self {
            Self::S if (0..SECONDS_BELOW).contains(&ts) => ts * 1000,
            Self::Us if ts >= SECONDS_BELOW * 1000 => ts / 1000,
            Self::Ns if ts >= SECONDS_BELOW * 1_000_000 => ts / 1_000_000,
            Self::S | Self::Ms | Self::Us | Self::Ns => ts,
        }
    }
}

/// From the oldest to the newest of some events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    /// The oldest and the newest; none of no event.
    pub ends: Option<(Timestamp, Timestamp)>,
}

impl Span {
    pub fn add(&mut self, ts: Timestamp) {
        let (first, last) = self.ends.unwrap_or((ts, ts));
        self.ends = Some((first.min(ts), last.max(ts)));
    }

    /// Refuses events that nothing would count.
    ///
    /// # Errors
    /// All of them look like seconds, or are older than the longest window.
    pub fn check(&self, now: Timestamp) -> Result<(), CliError> {
        let Some((_, newest)) = self.ends else { return Ok(()) };
        let longest = StreamConfig::default().allowed_lateness();
        let refused = |why: String| {
            Err(CliError::Failed(format!("nothing was sent: the newest event is of {newest}, {why}")))
        };
        if newest.0 < SECONDS_BELOW {
            return refused(
                "so its time looks like seconds: say so with `--ts-unit s`, or send it all the same with `--any-time`".to_owned(),
            );
        }
        if newest.plus(longest) <= now {
            return refused(format!(
                "which no window counts any more (the longest is {}, unless the server is told otherwise): move all \
                 times so that it is of now with `--shift-to-now`, or send them all the same with `--any-time`",
                window_name(longest)
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    fn refusal(times: &[i64]) -> Option<String> {
        let mut span = Span::default();
        times.iter().for_each(|ts| span.add(Timestamp(*ts)));
        span.check(Timestamp(NOW)).err().map(|error| error.to_string())
    }

    #[test]
    fn numbers_are_of_the_unit_and_dates_are_not() {
        let second = NOW / 1000;
        assert_eq!((Unit::S.millis(second), Unit::S.millis(NOW)), (NOW, NOW));
        assert_eq!((Unit::Us.millis(NOW * 1000 + 7), Unit::Us.millis(NOW)), (NOW, NOW));
        assert_eq!((Unit::Ns.millis(NOW * 1_000_000 + 7), Unit::Ns.millis(NOW)), (NOW, NOW));
        assert_eq!((Unit::Ms.millis(second), Unit::S.millis(-1)), (second, -1));
    }

    #[test]
    fn events_that_nothing_counts_are_refused_with_what_helps() {
        let day = 86_400_000;
        assert_eq!(refusal(&[]), None);
        assert_eq!(refusal(&[NOW / 1000, NOW]), None, "one of them counts");
        assert_eq!(refusal(&[NOW - 30 * day + 1]), None);
        let seconds = refusal(&[NOW / 1000, NOW / 1000 - 5]).expect("a refusal");
        assert!(seconds.contains("the newest event is of 1970-01-21T20:00:00.000Z"), "{seconds}");
        assert!(seconds.contains("`--ts-unit s`"), "{seconds}");
        let old = refusal(&[NOW - 31 * day, NOW - 30 * day]).expect("a refusal");
        assert!(old.contains("(the longest is 30d, unless") && old.contains("`--shift-to-now`"), "{old}");
    }
}
