//! What of the stream's config decides facts, as text: a snapshot holds the text, and its folder is
//! named by the text's hash.
//!
//! The text is a line each, `name value...`, in a fixed order; a length of time is a whole number and
//! `ms`; an event type is escaped as in Rust. It says nothing that decides no fact:
//!
//! * limits bound what is kept; a state that holds more is cut down when it is read;
//! * `context_event_type` only weighs what a request brings along;
//! * `as_of_horizon` decides how far back can be asked, and a state knows by itself how far back it
//!   can answer: a longer one holds once that much time has passed.
//!
//! `dedup_horizon` is here, as remembered ids are kept by multiples of it, and so are
//! `max_out_of_orderness` and `max_clock_skew`, as they have decided what was late and what was
//! clamped. Event types are kept by their index in the list, so a state stays right when types are
//! appended, and only then. Of the types that were there then the same have to be passive, unless that was not
//! told apart: what was kept together is taken apart when it is read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::engine::config::{StreamConfig, window_name};
use crate::engine::text::shorten_to;

/// The first line. Raised if an old line's meaning changes; a further line is no other version.
const VERSION: &str = "stream 1";
const EVENT_TYPE: &str = "event_type";
const PASSIVE: &str = "passive_event_type";
/// The longest value that a message repeats, in characters.
const SHOWN: usize = 100;

impl StreamConfig {
    /// Everything here that decides which facts state holds.
    pub fn facts_text(&self) -> String {
        let mut text = format!("{VERSION}\n");
        let mut line = |name: &str, values: &mut dyn Iterator<Item = String>| {
            text.push_str(name);
            values.for_each(|value| {
                text.push(' ');
                text.push_str(&value);
            });
            text.push('\n');
        };
        for name in self.event_types.names() {
            line(EVENT_TYPE, &mut std::iter::once(name.escape_default().to_string()));
        }
        for name in self.passive_event_types.names(&self.event_types) {
            line(PASSIVE, &mut std::iter::once(name.escape_default().to_string()));
        }
        let mut lengths =
            |name: &str, lengths: &[i64]| line(name, &mut lengths.iter().map(|ms| format!("{ms}ms")));
        lengths("interest_windows", &self.interest_windows);
        lengths("popularity_windows", &self.popularity_windows);
        lengths("max_out_of_orderness", &[self.max_out_of_orderness]);
        lengths("max_clock_skew", &[self.max_clock_skew]);
        lengths("dedup_horizon", &[self.dedup_horizon]);
        let keep = self.recent_events_per_user.to_string();
        line("recent_events_per_user", &mut std::iter::once(keep));
        text
    }

    /// Names [`Self::facts_text`].
    pub fn fingerprint(&self) -> u64 {
        fingerprint(&self.facts_text())
    }

    /// Why a state that was made under what `then` says can't go on under this config; none if it
    /// can: all is the same, but that event types may have been appended since.
    pub fn differs_from(&self, then: &str) -> Option<String> {
        let now = self.facts_text();
        if now == then {
            return None;
        }
        let (now, then) = (Facts::read(&now), Facts::read(then));
        if then.version != now.version {
            let version = shown(then.version);
            return Some(format!("it describes its stream by `{version}`, this version reads `{VERSION}`"));
        }
        let mut differences = Vec::new();
        let mut differ = |name: &str, then: &str, now: &str| {
            differences.push(format!("{}: {} then, {} now", shown(name), shown(then), shown(now)));
        };
        if !now.event_types.starts_with(&then.event_types) {
            differ("event_types", &then.event_types.join(" "), &now.event_types.join(" "));
        }
        let passive = now.passive_event_types.iter().filter(|kind| then.event_types.contains(kind));
        if !then.passive_event_types.is_empty() && !passive.eq(&then.passive_event_types) {
            differ(
                "passive_event_types",
                &then.passive_event_types.join(" "),
                &now.passive_event_types.join(" "),
            );
        }
        let names: BTreeSet<&str> = now.others.keys().chain(then.others.keys()).copied().collect();
        for name in names {
            let value = |facts: &Facts<'_>| facts.others.get(name).map_or("nothing".into(), |v| readable(v));
            let (was, is) = (value(&then), value(&now));
            if was != is {
                differ(name, &was, &is);
            }
        }
        if differences.is_empty() { None } else { Some(shown_at_most(&differences.join("; "), 4 * SHOWN)) }
    }
}

/// The hash of a text that [`StreamConfig::facts_text`] made.
pub fn fingerprint(text: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(text.as_bytes())
}

/// The lines of a text.
#[derive(Default)]
struct Facts<'a> {
    version: &'a str,
    event_types: Vec<&'a str>,
    passive_event_types: Vec<&'a str>,
    others: BTreeMap<&'a str, &'a str>,
}

impl<'a> Facts<'a> {
    fn read(text: &'a str) -> Self {
        let mut lines = text.lines();
        let mut facts = Self { version: lines.next().unwrap_or_default(), ..Self::default() };
        for line in lines {
            match line.split_once(' ').unwrap_or((line, "")) {
                (EVENT_TYPE, name) => facts.event_types.push(name),
                (PASSIVE, name) => facts.passive_event_types.push(name),
                (name, value) => drop(facts.others.insert(name, value)),
            }
        }
        facts
    }
}

/// A value with lengths of time as people write them.
fn readable(value: &str) -> String {
    let mut text = String::new();
    for word in value.split(' ') {
        let length = word.strip_suffix("ms").and_then(|digits| digits.parse().ok());
        let gap = if text.is_empty() { "" } else { " " };
        // Writing to a string does not fail.
        let _ = match length {
            Some(ms) => write!(text, "{gap}{}", window_name(ms)),
            None => write!(text, "{gap}{word}"),
        };
    }
    text
}

fn shown(text: &str) -> String {
    shown_at_most(text, SHOWN)
}

/// The beginning of a text that may come from anywhere, in characters that harm no terminal.
fn shown_at_most(text: &str, most: usize) -> String {
    let plain = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    shorten_to(text, most).chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::{HOUR, MINUTE, SECOND, StateLimits};
    use crate::engine::events::event::{EventType, EventTypeSet, EventTypes};

    type Change = fn(&mut StreamConfig);

    fn changed(change: impl FnOnce(&mut StreamConfig)) -> StreamConfig {
        let mut config = StreamConfig::default();
        change(&mut config);
        config
    }

    #[test]
    fn the_text_of_the_default_config_is_this_one_for_ever() {
        let config = changed(|config| {
            config.event_types = EventTypes::new(["view", "a b\n", "k\u{f6}pt"]);
            config.passive_event_types = [EventType(1)].into_iter().collect();
        });
        let expected = "stream 1\nevent_type view\nevent_type a b\\n\nevent_type k\\u{f6}pt\n\
            passive_event_type a b\\n\n\
            interest_windows 3600000ms 86400000ms 604800000ms 2592000000ms\n\
            popularity_windows 300000ms 900000ms 3600000ms 21600000ms 86400000ms 604800000ms\n\
            max_out_of_orderness 30000ms\nmax_clock_skew 300000ms\ndedup_horizon 3600000ms\n\
            recent_events_per_user 64\n";
        assert_eq!(config.facts_text(), expected);
        assert_eq!(config.fingerprint(), 3_522_344_534_645_068_805);
        let before = StreamConfig { passive_event_types: EventTypeSet::NONE, ..config };
        assert_eq!(before.fingerprint(), 15_815_999_671_665_523_292, "as it was when nothing was told apart");
    }

    #[test]
    fn what_decides_no_fact_makes_no_difference() {
        let now = StreamConfig::default();
        let others: [Change; 3] = [
            |config| config.limits = StateLimits { users: 3, items: 4, ..StateLimits::NONE },
            |config| config.context_event_type = EventType(0),
            |config| config.as_of_horizon = HOUR,
        ];
        for change in others {
            let then = changed(change);
            assert_eq!((now.differs_from(&then.facts_text()), then.fingerprint()), (None, now.fingerprint()));
        }
    }

    #[test]
    fn each_thing_that_decides_facts_is_named_with_what_it_was_and_is() {
        let cases: [(Change, &str); 7] = [
            (
                |config| config.interest_windows = vec![HOUR, 6 * HOUR],
                "interest_windows: 1h 6h then, 1h 24h 7d 30d now",
            ),
            (
                |config| config.popularity_windows = vec![MINUTE],
                "popularity_windows: 1m then, 5m 15m 1h 6h 24h 7d now",
            ),
            (|config| config.recent_events_per_user = 5, "recent_events_per_user: 5 then, 64 now"),
            (|config| config.max_out_of_orderness = 0, "max_out_of_orderness: 0s then, 30s now"),
            (|config| config.max_clock_skew = MINUTE, "max_clock_skew: 1m then, 5m now"),
            (|config| config.dedup_horizon = 90 * SECOND, "dedup_horizon: 90s then, 1h now"),
            (
                |config| config.event_types = EventTypes::new(["view", "buy"]),
                "event_types: view buy then, view click add_to_cart purchase like dislike hide impression now",
            ),
        ];
        let now = StreamConfig::default();
        for (change, expected) in cases {
            let then = changed(change);
            assert_eq!(now.differs_from(&then.facts_text()).as_deref(), Some(expected));
            assert_ne!(now.fingerprint(), then.fingerprint(), "{expected}");
        }
    }

    #[test]
    fn event_types_may_be_appended_but_not_taken_away_nor_moved() {
        let of =
            |names: &[&str]| changed(|config| config.event_types = EventTypes::new(names.iter().copied()));
        let fits = |then: &[&str], now: &[&str]| of(now).differs_from(&of(then).facts_text()).is_none();
        assert!(fits(&["a", "b"], &["a", "b", "c"]));
        assert!(!fits(&["a", "b", "c"], &["a", "b"]));
        assert!(!fits(&["a", "b"], &["b", "a"]));
        assert!(!fits(&["a", "b"], &["a", "c", "b"]));
    }

    #[test]
    fn types_that_were_there_stay_passive_or_not_unless_that_was_not_told_apart() {
        let of = |names: &[&str], passive: &[&str]| {
            let types = EventTypes::new(names.iter().copied());
            changed(|config| {
                config.passive_event_types = EventTypeSet::of(&types, passive.iter().copied());
                config.event_types = types;
            })
        };
        let then = of(&["a", "b"], &["b"]);
        assert_eq!(of(&["a", "b"], &["b"]).differs_from(&then.facts_text()), None);
        assert_eq!(of(&["a", "b", "c"], &["b", "c"]).differs_from(&then.facts_text()), None);
        assert_eq!(then.differs_from(&of(&["a", "b"], &[]).facts_text()), None);
        for passive in [&["a", "b"][..], &["a"], &[]] {
            let differs = of(&["a", "b"], passive).differs_from(&then.facts_text()).expect("it differs");
            assert_eq!(differs, format!("passive_event_types: b then, {} now", passive.join(" ")));
        }
    }

    #[test]
    fn what_another_version_wrote_is_told_in_few_and_plain_words() {
        let now = StreamConfig::default();
        let further = format!("{}decay 5000ms\n", now.facts_text());
        assert_eq!(now.differs_from(&further).as_deref(), Some("decay: 5s then, nothing now"));
        let other = now.differs_from("stream 2\n").expect("it differs");
        assert_eq!(other, "it describes its stream by `stream 2`, this version reads `stream 1`");
        for hostile in
            [String::new(), "\n\x1b[2J".into(), format!("{VERSION}\n{}", "x\u{1b} y\n".repeat(999))]
        {
            let told = now.differs_from(&hostile).expect("it differs");
            assert!(told.len() < 450 && !told.contains(char::is_control), "{told}");
        }
    }
}
