//! Mistakes: what is wrong with a setting, where it was written and what was expected there.
//!
//! Settings and model files are read to their end whatever is wrong with them, so that one run
//! names every mistake.

use std::fmt;
use std::path::PathBuf;

/// Where a setting was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Nowhere: it is the default.
    #[default]
    Default,
    /// In a file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1; none where the file as a whole is meant.
        line: Option<usize>,
    },
    /// In an environment variable of this name.
    Environment(String),
    /// In a `--set` of the command line.
    CommandLine,
    /// In the model that is built into the program.
    BuiltIn,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line: Some(line) } => write!(f, "{}:{line}", path.display()),
            Self::File { path, line: None } => write!(f, "{}", path.display()),
            Self::Environment(variable) => f.write_str(&shorten(variable)),
            Self::CommandLine => f.write_str("--set"),
            Self::BuiltIn => f.write_str("built-in model"),
        }
    }
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The value is not what was expected.
    Value {
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// There is no such key.
    UnknownKey {
        /// The known key that it resembles most, if any does.
        nearest: Option<String>,
    },
    /// A file as a whole can't be used.
    File(String),
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it was written.
    pub source: Source,
    /// The key, such as `server.grpc_addr`; empty where a file as a whole is meant.
    pub key: String,
    /// What is wrong.
    pub problem: Problem,
}

impl Mistake {
    /// A value that is not what was expected.
    pub fn value(source: Source, key: &str, found: impl ToString, expected: impl Into<String>) -> Self {
        let found = shorten(&without_credentials(&found.to_string()));
        let problem = Problem::Value { found, expected: expected.into() };
        Self { source, key: shorten(key), problem }
    }

    /// A key that is not known, and the one of `known` that resembles `wanted` most.
    pub fn unknown<'a>(
        source: Source,
        key: &str,
        wanted: &str,
        known: impl Iterator<Item = &'a str>,
    ) -> Self {
        let problem = Problem::UnknownKey { nearest: nearest(wanted, known).map(str::to_owned) };
        Self { source, key: shorten(key), problem }
    }

    /// A file that can't be used.
    pub fn file(path: impl Into<PathBuf>, line: Option<usize>, what: impl Into<String>) -> Self {
        let source = Source::File { path: path.into(), line };
        Self { source, key: String::new(), problem: Problem::File(what.into()) }
    }

    /// The mistake for a program to read.
    pub fn to_json(&self) -> serde_json::Value {
        let (value, expected) = match &self.problem {
            Problem::Value { found, expected } => (Some(found), Some(expected)),
            Problem::UnknownKey { .. } | Problem::File(_) => (None, None),
        };
        serde_json::json!({
            "source": self.source.to_string(),
            "key": self.key,
            "value": value,
            "expected": expected,
            "message": self.to_string(),
        })
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, key, problem } = self;
        match problem {
            Problem::Value { found, expected } => {
                write!(f, "{source}: `{key}` is {found}, expected {expected}")
            }
            Problem::UnknownKey { nearest: Some(nearest) } => {
                write!(f, "{source}: `{key}` is not an option; did you mean `{nearest}`?")
            }
            Problem::UnknownKey { nearest: None } => write!(f, "{source}: `{key}` is not an option"),
            Problem::File(what) => write!(f, "{source}: {what}"),
        }
    }
}

/// Mistakes below a headline, one a line.
pub(crate) fn write_list(f: &mut fmt::Formatter<'_>, headline: &str, mistakes: &[Mistake]) -> fmt::Result {
    let plural = if mistakes.len() == 1 { "mistake" } else { "mistakes" };
    write!(f, "{headline}: {} {plural}", mistakes.len())?;
    mistakes.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
}

/// The known key that was most likely meant: the same name in another section, or one that is a
/// few keystrokes away.
fn nearest<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let last = |key: &'a str| key.rsplit('.').next().unwrap_or(key);
    let wanted = key.rsplit('.').next().unwrap_or(key);
    known
        .map(|candidate| match last(candidate) == wanted {
            true => (1, candidate),
            false => (strsim::damerau_levenshtein(key, candidate), candidate),
        })
        .filter(|(distance, candidate)| *distance <= 2.max(candidate.len() / 4))
        .min()
        .map(|(_, candidate)| candidate)
}

/// A text as it may be shown: in each URL of it, what stands before the host is hidden, as it may be a password. One
/// that holds a `/` makes it no URL, but is no less one: so up to the last `@`.
pub(crate) fn without_credentials(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || "\"',".contains(c)).unwrap_or(after.len());
        rest = after;
        if let Some(host) = after[..end].rfind('@') {
            shown.push_str("(hidden)");
            rest = &after[host..];
        }
    }
    shown + rest
}

/// Keeps a hostile value from flooding the terminal, and in its line.
fn shorten(text: &str) -> String {
    let mut short = String::new();
    for (index, character) in text.chars().enumerate() {
        match character {
            _ if index == 120 => {
                short.push_str("...");
                break;
            }
            character if character.is_control() => short.extend(character.escape_default()),
            character => short.push(character),
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 3] = ["server.grpc_addr", "server.http_addr", "data.dir"];

    #[test]
    fn a_misspelt_key_gets_the_nearest_known_one() {
        let suggest = |key| nearest(key, KNOWN.into_iter());
        assert_eq!(suggest("server.grpc_adr"), Some("server.grpc_addr"));
        assert_eq!(suggest("sever.htpp_addr"), Some("server.http_addr"));
        assert_eq!(suggest("http_addr"), Some("server.http_addr"));
        assert_eq!(suggest("kafka.dir"), Some("data.dir"));
        assert_eq!(suggest("completely.different"), None);
    }

    #[test]
    fn what_stands_before_the_host_of_a_url_is_hidden() {
        for (text, shown) in [
            ("\"http://ann:hunter9@127.0.0.1:9000/a@b\"", "\"http://(hidden)@b\""),
            ("http://ann:hun/ter9@host, https://host/x y@z", "http://(hidden)@host, https://host/x y@z"),
            ("s3://bucket/state", "s3://bucket/state"),
            ("ann@host", "ann@host"),
            ("a://b://c@d", "a://(hidden)@d"),
        ] {
            assert_eq!(without_credentials(text), shown, "{text}");
        }
        let mistake = Mistake::value(Source::CommandLine, "a.b", "\"ftp://ann:hunter9@host\"", "another");
        assert_eq!(mistake.to_string(), "--set: `a.b` is \"ftp://(hidden)@host\", expected another");
    }

    #[test]
    fn a_key_stays_short_and_in_its_line() {
        let mistake = Mistake::value(Source::CommandLine, &format!("a\nb{}", "x".repeat(500)), "1", "less");
        let expected = format!("--set: `a\\nb{}...` is 1, expected less", "x".repeat(117));
        assert_eq!(mistake.to_string(), expected);
    }

    #[test]
    fn a_long_value_is_cut_at_a_character() {
        let mistake = Mistake::value(Source::CommandLine, "data.dir", "\u{e9}".repeat(500), "less");
        assert_eq!(
            mistake.to_string(),
            format!("--set: `data.dir` is {}..., expected less", "\u{e9}".repeat(120))
        );
    }
}
