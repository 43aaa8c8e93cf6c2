//! Baselines: what has been published, in a few lines each and without the engine, so that a model has something to
//! beat.
//!
//! They learn as the stream goes, in bounded memory, from events that say that somebody likes something; all others
//! pass by. Where a visit begins they go by what the user had in the visits before.
//!
//! ```text
//! transitions, rules ─▶ trails (what a visit had last) ─▶ rows (item to item weights) ─┐
//! sknn, vsknn, vstan ─▶ visits (who had what) ─▶ neighbours (the nearest of them) ─────┴─▶ scores ─▶ list
//! ```

mod asked;
mod counts;
mod neighbours;
mod params;
pub mod published;
mod random;
mod rows;
pub mod rules;
mod scores;
pub mod sknn;
mod trails;
pub mod transitions;
mod visits;
pub mod vsknn;
pub mod vstan;

#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;

pub use params::BaselineError;

use super::contender::Contender;
use super::stream::Stream;
use crate::engine::time::{HOUR, MINUTE, window_name};

/// A rival that can be named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baseline {
    /// As it is named, and as reports call it.
    pub name: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Items that may be listed, drawn from a seed.
    Random,
    /// Those that anybody turned to last.
    Recent,
    /// Those that turned up last.
    Newest,
    /// Those that were turned to most within a length of time in ms.
    Popular(i64),
    /// A method of [`published`], by its name.
    Published,
}

/// How a name of popularity begins.
const POPULAR: &str = "popular-";
/// The names that any length of time may stand for.
const EXAMPLES: &str = "`random`, `recent`, `newest`, `popular-all` or one of a window, such as `popular-1h`";

impl Baseline {
    /// The one of a name.
    ///
    /// # Errors
    /// There is none, in words.
    pub fn named(name: &str) -> Result<Self, String> {
        let unknown = || format!("no baseline is called `{name}`, expected {EXAMPLES}");
        let kind = match name {
            "random" => Kind::Random,
            "recent" => Kind::Recent,
            "newest" => Kind::Newest,
            "popular-all" => Kind::Popular(i64::MAX),
            _ if published::NAMES.contains(&name.split(':').next().unwrap_or_default()) => {
                published::by_name(name).map_err(|error| error.to_string())?;
                return Ok(Self { name: name.to_owned(), kind: Kind::Published });
            }
            _ => {
                let length = name.strip_prefix(POPULAR).and_then(|text| humantime::parse_duration(text).ok());
                let ms = length.and_then(|length| i64::try_from(length.as_millis()).ok());
                Kind::Popular(ms.filter(|ms| *ms > 0).ok_or_else(unknown)?)
            }
        };
        Ok(Self::of(kind))
    }

    fn of(kind: Kind) -> Self {
        let name = match kind {
            Kind::Random => "random".to_owned(),
            Kind::Recent => "recent".to_owned(),
            Kind::Newest => "newest".to_owned(),
            Kind::Popular(i64::MAX) => format!("{POPULAR}all"),
            Kind::Popular(length) => format!("{POPULAR}{}", window_name(length)),
            Kind::Published => String::new(),
        };
        Self { name, kind }
    }

    /// Those that a model is compared with unless others are named.
    pub fn usual() -> Vec<Self> {
        let windows = [5 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, 24 * HOUR, i64::MAX];
        let popular = windows.into_iter().map(Kind::Popular);
        popular.chain([Kind::Recent, Kind::Random]).map(Self::of).collect()
    }

    /// Whether it is popularity of one window or of all time.
    pub fn is_window(&self) -> bool {
        matches!(self.kind, Kind::Popular(_))
    }

    /// One that knows nothing yet.
    pub fn make<'a>(&self, stream: &'a Stream, seed: u64) -> Box<dyn Contender + 'a> {
        let (name, items) = (self.name.clone(), stream.items());
        match self.kind {
            Kind::Random => Box::new(random::Random::new(name, stream, seed)),
            Kind::Recent => Box::new(counts::Recent::new(name, items, false)),
            Kind::Newest => Box::new(counts::Recent::new(name, items, true)),
            Kind::Popular(length) => Box::new(counts::Popular::new(name, items, length)),
            Kind::Published => published::by_name(&name).expect("it was found by this name"),
        }
    }
}

#[cfg(test)]
mod names {
    use super::*;

    #[test]
    fn each_of_the_usual_ones_is_found_by_its_name() {
        for baseline in Baseline::usual() {
            assert_eq!(Baseline::named(&baseline.name), Ok(baseline));
        }
        assert_eq!(Baseline::named("popular-60m").expect("one").name, "popular-1h");
        for wrong in ["popular", "popular-", "popular-0s", "popular-x", "best"] {
            let why = Baseline::named(wrong).expect_err("none");
            assert!(why.contains("such as `popular-1h`"), "{why}");
        }
    }
}
