//! Rules: what a single value may be, how it is read and how it is written.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use toml::Value;

use crate::engine::config::{MAX_WINDOW, MAX_WINDOWS, SECOND, window_name};
use crate::engine::events::event::{EventTypes, MAX_LABEL_BYTES};

/// What a value may be.
pub(crate) trait Rule {
    /// What a valid value becomes.
    type Out: Clone;
    /// Completes the sentence "expected ...".
    fn expected(&self) -> String;
    /// The value, if it is as expected.
    fn read(&self, value: &Value) -> Option<Self::Out>;
    /// The value as config writes it.
    fn show(&self, out: &Self::Out) -> Value;
}

/// A text that passes a test.
pub(crate) struct Text {
    pub expected: &'static str,
    pub valid: fn(&str) -> bool,
}

impl Rule for Text {
    type Out = String;
    fn expected(&self) -> String {
        self.expected.to_owned()
    }
    fn read(&self, value: &Value) -> Option<String> {
        value.as_str().filter(|text| (self.valid)(text)).map(str::to_owned)
    }
    fn show(&self, out: &String) -> Value {
        out.as_str().into()
    }
}

/// An address to listen on.
pub(crate) struct Address;

impl Rule for Address {
    type Out = SocketAddr;
    fn expected(&self) -> String {
        "an IP address and a port, such as \"127.0.0.1:7400\", \"localhost:7400\", or \":7400\" for all addresses".into()
    }
    fn read(&self, value: &Value) -> Option<SocketAddr> {
        let text = value.as_str()?;
        let (host, port) = text.rsplit_once(':')?;
        match host {
            // No name is looked up: what a service listens on must not be for others to say.
            "localhost" => Some((Ipv4Addr::LOCALHOST, port.parse().ok()?).into()),
            "" => Some((Ipv4Addr::UNSPECIFIED, port.parse().ok()?).into()),
            _ => text.parse().ok(),
        }
    }
    fn show(&self, out: &SocketAddr) -> Value {
        out.to_string().into()
    }
}

/// Kafka brokers; an empty text is none.
pub(crate) struct Brokers;

impl Rule for Brokers {
    type Out = String;
    fn expected(&self) -> String {
        "\"host:port\", several separated by commas".into()
    }
    fn read(&self, value: &Value) -> Option<String> {
        let texts: Vec<&str> = match value {
            Value::String(text) if text.trim().is_empty() => return Some(String::new()),
            Value::String(text) => text.split(',').collect(),
            Value::Array(items) => items.iter().map(Value::as_str).collect::<Option<_>>()?,
            _ => return None,
        };
        let brokers: Vec<&str> = texts.into_iter().map(str::trim).collect();
        let valid = |broker: &&str| {
            let address = broker.split_once("://").map_or(*broker, |(_, address)| address);
            let (host, port) = address.rsplit_once(':').unwrap_or_default();
            let port = port.parse::<u16>().is_ok_and(|port| port > 0);
            port && !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c == '/')
        };
        (!brokers.is_empty() && brokers.iter().all(valid)).then(|| brokers.join(","))
    }
    fn show(&self, out: &String) -> Value {
        out.as_str().into()
    }
}

/// A folder.
pub(crate) struct Folder;

impl Rule for Folder {
    type Out = PathBuf;
    fn expected(&self) -> String {
        "the path of a folder".into()
    }
    fn read(&self, value: &Value) -> Option<PathBuf> {
        value.as_str().filter(|path| !path.is_empty() && !path.contains('\0')).map(PathBuf::from)
    }
    fn show(&self, out: &PathBuf) -> Value {
        out.display().to_string().into()
    }
}

/// The length of time that a text gives, in whole milliseconds.
pub(crate) fn milliseconds(text: &str) -> Option<i64> {
    let length = humantime::parse_duration(text).ok()?;
    (length.subsec_nanos() % 1_000_000 == 0).then_some(())?;
    i64::try_from(length.as_millis()).ok()
}

/// A length of time in milliseconds, bounds included.
pub(crate) struct Millis {
    pub min: i64,
    pub max: i64,
}

impl Rule for Millis {
    type Out = i64;
    fn expected(&self) -> String {
        format!(
            "a length of time from {} to {}, such as \"30s\"",
            window_name(self.min),
            window_name(self.max)
        )
    }
    fn read(&self, value: &Value) -> Option<i64> {
        milliseconds(value.as_str()?).filter(|length| (self.min..=self.max).contains(length))
    }
    fn show(&self, out: &i64) -> Value {
        window_name(*out).into()
    }
}

/// [`Millis`] for settings of the program rather than of the stream.
pub(crate) struct Length(pub Millis);

impl Rule for Length {
    type Out = Duration;
    fn expected(&self) -> String {
        self.0.expected()
    }
    fn read(&self, value: &Value) -> Option<Duration> {
        self.0.read(value).and_then(|length| u64::try_from(length).ok()).map(Duration::from_millis)
    }
    fn show(&self, out: &Duration) -> Value {
        window_name(i64::try_from(out.as_millis()).unwrap_or(i64::MAX)).into()
    }
}

/// The windows of a stream.
pub(crate) struct Windows;

impl Rule for Windows {
    type Out = Vec<i64>;
    fn expected(&self) -> String {
        let max = window_name(MAX_WINDOW);
        format!(
            "1 to {MAX_WINDOWS} lengths of time, each longer than the one before, in whole seconds, up to {max}, \
             such as [\"1h\", \"24h\"]"
        )
    }
    fn read(&self, value: &Value) -> Option<Vec<i64>> {
        let lengths: Option<Vec<i64>> =
            value.as_array()?.iter().map(|item| milliseconds(item.as_str()?)).collect();
        lengths.filter(|lengths| {
            (1..=MAX_WINDOWS).contains(&lengths.len())
                && lengths.iter().all(|length| (SECOND..=MAX_WINDOW).contains(length) && length % SECOND == 0)
                && lengths.is_sorted_by(|left, right| left < right)
        })
    }
    fn show(&self, out: &Vec<i64>) -> Value {
        out.iter().map(|length| window_name(*length)).collect::<Vec<_>>().into()
    }
}

/// The event types of a stream.
pub(crate) struct TypeNames;

impl Rule for TypeNames {
    type Out = EventTypes;
    fn expected(&self) -> String {
        format!(
            "1 to {} different names of 1 to {MAX_LABEL_BYTES} bytes, such as [\"view\", \"click\"]",
            EventTypes::MAX
        )
    }
    fn read(&self, value: &Value) -> Option<EventTypes> {
        let names: Vec<&str> = value.as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?;
        let fits = |name: &&str| (1..=MAX_LABEL_BYTES).contains(&name.len()) && name.trim() == *name;
        let distinct =
            |(index, name): (usize, &&str)| names.iter().position(|other| other == name) == Some(index);
        let valid = (1..=EventTypes::MAX).contains(&names.len())
            && names.iter().all(fits)
            && names.iter().enumerate().all(distinct);
        valid.then(|| EventTypes::new(names))
    }
    fn show(&self, out: &EventTypes) -> Value {
        out.names().to_vec().into()
    }
}

/// Names of event types, which may be none.
pub(crate) struct SomeTypes;

impl Rule for SomeTypes {
    type Out = Vec<String>;
    fn expected(&self) -> String {
        "different names of event types, such as [\"purchase\"], or []".to_owned()
    }
    fn read(&self, value: &Value) -> Option<Vec<String>> {
        match value.as_array()?.is_empty() {
            true => Some(Vec::new()),
            false => TypeNames.read(value).map(|types| types.names().to_vec()),
        }
    }
    fn show(&self, out: &Vec<String>) -> Value {
        out.clone().into()
    }
}

/// A whole number, bounds included.
pub(crate) struct Whole<T> {
    pub min: T,
    pub max: T,
}

impl<T> Rule for Whole<T>
where
    T: Copy + PartialOrd + std::fmt::Display + TryFrom<i64> + TryInto<i64>,
{
    type Out = T;
    fn expected(&self) -> String {
        format!("a whole number from {} to {}", self.min, self.max)
    }
    fn read(&self, value: &Value) -> Option<T> {
        T::try_from(value.as_integer()?).ok().filter(|number| (self.min..=self.max).contains(number))
    }
    fn show(&self, out: &T) -> Value {
        (*out).try_into().unwrap_or(i64::MAX).into()
    }
}

/// A finite number, bounds included.
pub(crate) struct Number {
    pub min: f64,
    pub max: f64,
}

impl Rule for Number {
    type Out = f64;
    fn expected(&self) -> String {
        format!("a number from {} to {}", self.min, self.max)
    }
    fn read(&self, value: &Value) -> Option<f64> {
        let number = match value {
            Value::Float(number) => *number,
            Value::Integer(number) => *number as f64,
            _ => return None,
        };
        (self.min..=self.max).contains(&number).then_some(number)
    }
    fn show(&self, out: &f64) -> Value {
        (*out).into()
    }
}

/// Like [`Number`], without the lower bound itself.
pub(crate) struct Above(pub Number);

impl Rule for Above {
    type Out = f64;
    fn expected(&self) -> String {
        format!("a number above {}, at most {}", self.0.min, self.0.max)
    }
    fn read(&self, value: &Value) -> Option<f64> {
        self.0.read(value).filter(|number| *number > self.0.min)
    }
    fn show(&self, out: &f64) -> Value {
        self.0.show(out)
    }
}

/// Yes or no.
pub(crate) struct Flag;

impl Rule for Flag {
    type Out = bool;
    fn expected(&self) -> String {
        "true or false".into()
    }
    fn read(&self, value: &Value) -> Option<bool> {
        value.as_bool()
    }
    fn show(&self, out: &bool) -> Value {
        (*out).into()
    }
}

/// One of a few words.
pub(crate) struct Choice<T: 'static>(pub &'static [(&'static str, T)]);

impl<T: Copy + PartialEq> Rule for Choice<T> {
    type Out = T;
    fn expected(&self) -> String {
        self.0.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ")
    }
    fn read(&self, value: &Value) -> Option<T> {
        let wanted = value.as_str()?;
        self.0.iter().find(|(word, _)| *word == wanted).map(|(_, choice)| *choice)
    }
    fn show(&self, out: &T) -> Value {
        self.0.iter().find(|(_, choice)| choice == out).map_or("?", |(word, _)| word).into()
    }
}

/// A number of bytes, bounds included.
pub(crate) struct Size {
    pub min: u64,
    pub max: u64,
}

/// The first that divides a size is the unit that it is written in.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

fn size_name(bytes: u64) -> String {
    let unit = UNITS.iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
    unit.map_or_else(|| bytes.to_string(), |(name, unit)| format!("{}{name}", bytes / unit))
}

impl Rule for Size {
    type Out = u64;
    fn expected(&self) -> String {
        format!("a size from {} to {}, such as \"512MiB\"", size_name(self.min), size_name(self.max))
    }
    fn read(&self, value: &Value) -> Option<u64> {
        let bytes = match value {
            Value::Integer(bytes) => u64::try_from(*bytes).ok()?,
            Value::String(text) => {
                let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
                let (number, unit) = text.split_at(digits);
                let unit = if unit.is_empty() { "B" } else { unit.trim() };
                let (_, factor) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
                number.parse::<u64>().ok()?.checked_mul(*factor)?
            }
            _ => return None,
        };
        (self.min..=self.max).contains(&bytes).then_some(bytes)
    }
    fn show(&self, out: &u64) -> Value {
        size_name(*out).into()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What a rule makes of a text, read as a file and written again.
    pub(in crate::config) fn through<R: Rule>(rule: &R, toml: &str) -> Option<String> {
        let value = crate::config::document::value(toml).expect("TOML");
        rule.read(&value).map(|out| rule.show(&out).to_string())
    }

    pub(in crate::config) fn refused<R: Rule>(rule: &R, values: &[&str]) {
        for value in values {
            assert_eq!(through(rule, value), None, "{value} was taken");
        }
    }

    #[test]
    fn lengths_of_time_keep_their_bounds_and_whole_milliseconds() {
        let rule = Length(Millis { min: 10, max: 3_600_000 });
        assert_eq!(through(&rule, "'90s'").as_deref(), Some("\"90s\""));
        assert_eq!(through(&rule, "'1h'").as_deref(), Some("\"1h\""));
        refused(
            &rule,
            &["'0s'", "'9ms'", "'61m'", "'10500us'", "'1 parsec'", "'-1s'", "60", "''", "'1000000000y'"],
        );
        assert_eq!(rule.expected(), "a length of time from 10ms to 1h, such as \"30s\"");
    }

    #[test]
    fn sizes_read_and_write_units() {
        let rule = Size { min: 1 << 20, max: 1 << 50 };
        for (given, shown) in [
            ("'10GiB'", "10GiB"),
            ("'10 gib'", "10GiB"),
            ("'5MB'", "5MB"),
            ("1048576", "1MiB"),
            ("'1048577'", "1048577B"),
        ] {
            assert_eq!(through(&rule, given), Some(format!("{shown:?}")), "{given}");
        }
        refused(
            &rule,
            &["'1KiB'", "'2PiB'", "-1", "'GiB'", "1.5", "'99999999999999999999B'", "'99999999TiB'"],
        );
    }

    #[test]
    fn windows_ascend() {
        assert_eq!(through(&Windows, "['60s', '1d', '90d']").as_deref(), Some(r#"["1m", "24h", "90d"]"#));
        refused(
            &Windows,
            &[
                "[]",
                "['1h', '60m']",
                "['2h', '1h']",
                "['91d']",
                "['1500ms']",
                "['0s']",
                "[1]",
                "'1h'",
                "['1s','2s','3s','4s','5s','6s','7s','8s','9s']",
            ],
        );
    }

    #[test]
    fn event_types_are_distinct_names() {
        assert_eq!(through(&TypeNames, "['play', 'skip']").as_deref(), Some(r#"["play", "skip"]"#));
        refused(&TypeNames, &["[]", "['a', 'a']", "['']", "[' a']", "[1]", "'a'"]);
        let many =
            |n: usize| format!("[{}]", (0..n).map(|i| format!("'t{i}'")).collect::<Vec<_>>().join(","));
        assert!(through(&TypeNames, &many(32)).is_some());
        refused(&TypeNames, &[&many(33)]);
    }

    #[test]
    fn brokers_have_a_host_and_a_port() {
        assert_eq!(through(&Brokers, "'a:9092, [::1]:9093'").as_deref(), Some("\"a:9092,[::1]:9093\""));
        assert_eq!(through(&Brokers, "['a:1', 'SSL://b:2']").as_deref(), Some("\"a:1,SSL://b:2\""));
        assert_eq!(through(&Brokers, "''").as_deref(), Some("\"\""));
        refused(
            &Brokers,
            &["'a'", "'a:'", "':1'", "'a:0'", "'a:99999'", "'a:1,'", "[]", "[1]", "9092", "'a b:1'"],
        );
    }

    #[test]
    fn numbers_are_finite_and_within_bounds() {
        let rule = Number { min: -10.0, max: 10.0 };
        assert_eq!(through(&rule, "3").as_deref(), Some("3.0"));
        refused(&rule, &["nan", "inf", "10.1", "'3'", "true"]);
        refused(&Above(Number { min: 0.0, max: 1.0 }), &["0", "1.01"]);
        refused(&Whole::<u32> { min: 1, max: 8 }, &["0", "9", "-1", "1.0", "'1'"]);
    }
}
