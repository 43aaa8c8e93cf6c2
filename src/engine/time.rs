//! Event time: instants and lengths of time, in whole milliseconds.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Milliseconds in a second, a minute, an hour and a day.
pub const SECOND: i64 = 1000;
/// See [`SECOND`].
pub const MINUTE: i64 = 60 * SECOND;
/// See [`SECOND`].
pub const HOUR: i64 = 60 * MINUTE;
/// See [`SECOND`].
pub const DAY: i64 = 24 * HOUR;

/// The latest instant that is taken, 9999-12-31T23:59:59.999Z: what RFC 3339 can write.
pub const MAX_TIMESTAMP: Timestamp = Timestamp(253_402_300_799_999);

/// An instant in event time: milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The instant that an RFC 3339 text names, rounded down; none if it is no such text.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        chrono::DateTime::parse_from_rfc3339(text).ok().map(|time| Self(time.timestamp_millis()))
    }

    /// The instant `millis` later, or as far as time goes.
    pub fn plus(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// The instant `millis` earlier, or as far as time goes.
    pub fn minus(self, millis: i64) -> Self {
        Self(self.0.saturating_sub(millis))
    }
}

/// A text that names no instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected ms since the epoch or RFC 3339, such as 2026-01-31T12:00:00Z")]
pub struct NoInstant;

/// Milliseconds since the epoch, or RFC 3339: for texts that have no type of their own for numbers.
impl FromStr for Timestamp {
    type Err = NoInstant;

    fn from_str(text: &str) -> Result<Self, NoInstant> {
        text.parse().ok().map(Self).or_else(|| Self::from_rfc3339(text)).ok_or(NoInstant)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match chrono::DateTime::from_timestamp_millis(self.0) {
            Some(time) => write!(f, "{}", time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)),
            None => write!(f, "{} ms", self.0),
        }
    }
}

/// Writes a length of time as config does: `5m`, `24h`, `7d`. A day is written as `24h`, as a
/// window list reads better in one unit for as long as it can.
pub fn window_name(millis: i64) -> String {
    match millis {
        ms if ms > DAY && ms % DAY == 0 => format!("{}d", ms / DAY),
        ms if ms >= HOUR && ms % HOUR == 0 => format!("{}h", ms / HOUR),
        ms if ms >= MINUTE && ms % MINUTE == 0 => format!("{}m", ms / MINUTE),
        ms if ms % SECOND == 0 => format!("{}s", ms / SECOND),
        ms => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_read_as_milliseconds_or_rfc_3339() {
        for (text, ms) in [
            ("-5", -5),
            ("1700000000123", 1_700_000_000_123),
            ("2023-11-14T23:13:20.123+01:00", 1_700_000_000_123),
            ("1969-12-31T23:59:59.9999Z", -1),
        ] {
            assert_eq!(text.parse(), Ok(Timestamp(ms)), "{text}");
        }
        for text in ["", "yesterday", "1.5", "2026-01-31", "2026-02-30T00:00:00Z"] {
            assert_eq!(text.parse::<Timestamp>(), Err(NoInstant), "{text}");
        }
        assert_eq!(Timestamp::from_rfc3339("5"), None);
    }
}
