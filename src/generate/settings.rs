//! What to generate, and the ranges in which that makes sense.

use serde::Serialize;

use super::causes::Causes;
use crate::engine::config::{DAY, HOUR, SECOND};
use crate::engine::events::event::{MAX_TIMESTAMP, Timestamp};

/// What to generate. The same settings give the same bytes on every machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GenerateSettings {
    /// Names the data set; any number.
    pub seed: u64,
    /// How many users there are.
    pub users: u32,
    /// How many items the catalog holds.
    pub items: u32,
    /// How many distinct events there are; duplicates come on top.
    pub events: u64,
    /// With `Some(k)`, every user has exactly `k` distinct events and [`Self::events`] is not used.
    /// With `None`, some users are up to 64 times as active as others.
    pub events_per_user: Option<u32>,
    /// The first instant that an event may have.
    pub start: Timestamp,
    /// Events happen in `[start, start + span_ms)`.
    pub span_ms: i64,
    /// The share of events that arrive late by at most [`Self::max_late_ms`].
    pub late_share: f64,
    /// The bound of ordinary lateness.
    pub max_late_ms: i64,
    /// The share of events that arrive later still, by at most [`Self::max_very_late_ms`].
    pub very_late_share: f64,
    /// The bound of all lateness.
    pub max_very_late_ms: i64,
    /// The share of events that a producer sends twice: the same bytes, up to 10 s later.
    pub duplicate_share: f64,
    /// The share of users whose taste changes, once or twice.
    pub drift_share: f64,
    /// How many times an item is suddenly hot for a while.
    pub bursts: u32,
    /// The share of first looks that go to the hot item while it is hot.
    pub burst_share: f64,
    /// The share of items that are created during the span rather than before it.
    pub new_item_share: f64,
    /// Why people look at an item, in place of tastes, popularity and bursts as they are by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub causes: Option<Causes>,
}

impl Default for GenerateSettings {
    /// A week from Monday, 5 January 2026: 100,000 events by 1,000 users on 2,000 items.
    fn default() -> Self {
        Self {
            seed: 1,
            users: 1_000,
            items: 2_000,
            events: 100_000,
            events_per_user: None,
            start: Timestamp(1_767_571_200_000),
            span_ms: 7 * DAY,
            late_share: 0.02,
            max_late_ms: 30 * SECOND,
            very_late_share: 0.001,
            max_very_late_ms: 6 * HOUR,
            duplicate_share: 0.01,
            drift_share: 0.4,
            bursts: 6,
            burst_share: 0.15,
            new_item_share: 0.15,
            causes: None,
        }
    }
}

/// A setting is out of its range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{setting}` is {found}, expected {expected}")]
pub struct InvalidSettings {
    /// The setting.
    pub setting: &'static str,
    /// What it is.
    pub found: String,
    /// What it may be.
    pub expected: String,
}

impl GenerateSettings {
    /// The most users.
    pub const MAX_USERS: u32 = 100_000_000;
    /// The most items.
    pub const MAX_ITEMS: u32 = 10_000_000;
    /// The most events.
    pub const MAX_EVENTS: u64 = 4_000_000_000;
    /// The longest span: ten years.
    pub const MAX_SPAN_MS: i64 = 3_653 * DAY;
    /// The most bursts.
    pub const MAX_BURSTS: u32 = 10_000;

    /// How many distinct events there will be.
    pub fn distinct_events(&self) -> u64 {
        match self.events_per_user {
            Some(each) => u64::from(each) * u64::from(self.users),
            None => self.events,
        }
    }

    /// The instant after the last one that an event may have.
    pub fn end(&self) -> Timestamp {
        self.start.plus(self.span_ms)
    }

    /// Whether all settings are in their ranges.
    ///
    /// # Errors
    /// The first one that is not.
    pub fn check(&self) -> Result<(), InvalidSettings> {
        within("users", u64::from(self.users), 1, u64::from(Self::MAX_USERS))?;
        within("items", u64::from(self.items), 1, u64::from(Self::MAX_ITEMS))?;
        let events = if self.events_per_user.is_some() { "users * events_per_user" } else { "events" };
        within(events, self.distinct_events(), 0, Self::MAX_EVENTS)?;
        within("span_ms", self.span_ms, SECOND, Self::MAX_SPAN_MS)?;
        within("start", self.start.0, 0, MAX_TIMESTAMP.0 - self.span_ms)?;
        within("max_late_ms", self.max_late_ms, 1, DAY)?;
        within("max_very_late_ms", self.max_very_late_ms, self.max_late_ms + 1, 90 * DAY)?;
        within("bursts", self.bursts, 0, Self::MAX_BURSTS)?;
        for (setting, share) in [
            ("late_share", self.late_share),
            ("very_late_share", self.very_late_share),
            ("late_share + very_late_share", self.late_share + self.very_late_share),
            ("duplicate_share", self.duplicate_share),
            ("drift_share", self.drift_share),
            ("burst_share", self.burst_share),
            ("new_item_share", self.new_item_share),
        ] {
            within(setting, share, 0.0, 1.0)?;
        }
        if let Some(causes) = self.causes.filter(|causes| !causes.are_valid()) {
            let expected = "parts of at most a million each, one of them above 0".to_owned();
            return Err(InvalidSettings { setting: "causes", found: causes.to_string(), expected });
        }
        Ok(())
    }
}

fn within<T: PartialOrd + std::fmt::Display>(
    setting: &'static str,
    found: T,
    min: T,
    max: T,
) -> Result<(), InvalidSettings> {
    if found >= min && found <= max {
        return Ok(());
    }
    Err(InvalidSettings { setting, found: found.to_string(), expected: format!("{min} to {max}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(change: impl FnOnce(&mut GenerateSettings)) -> String {
        let mut settings = GenerateSettings::default();
        change(&mut settings);
        settings.check().map_or_else(|error| error.to_string(), |()| "fine".to_owned())
    }

    #[test]
    fn a_setting_out_of_range_is_named_with_what_was_expected() {
        assert_eq!(message(|_| ()), "fine");
        assert_eq!(message(|s| s.users = 0), "`users` is 0, expected 1 to 100000000");
        assert_eq!(message(|s| s.items = 10_000_001), "`items` is 10000001, expected 1 to 10000000");
        assert_eq!(message(|s| s.span_ms = 0), "`span_ms` is 0, expected 1000 to 315619200000");
        assert_eq!(message(|s| s.late_share = 1.5), "`late_share` is 1.5, expected 0 to 1");
        assert_eq!(message(|s| s.burst_share = f64::NAN), "`burst_share` is NaN, expected 0 to 1");
        assert_eq!(
            message(|s| (s.late_share, s.very_late_share) = (0.75, 0.5)),
            "`late_share + very_late_share` is 1.25, expected 0 to 1"
        );
        assert_eq!(
            message(|s| s.max_very_late_ms = 1),
            "`max_very_late_ms` is 1, expected 30001 to 7776000000"
        );
        assert_eq!(
            message(|s| (s.users, s.events_per_user) = (100_000_000, Some(41))),
            "`users * events_per_user` is 4100000000, expected 0 to 4000000000"
        );
        assert!(message(|s| s.start = Timestamp(-1)).starts_with("`start` is -1, expected 0 to "));
    }
}
