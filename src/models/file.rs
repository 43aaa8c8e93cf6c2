//! Reads one model file. Every section may be left out; what holds then is in
//! `models/default.toml`, which a test compares with an empty file.

use std::fmt;
use std::path::Path;

use toml::Value;

use crate::config::document;
use crate::config::document::Entry;
use crate::config::mistake::{Mistake, Source, write_list};
use crate::config::rules::{Above, Millis, Number, Rule, Text, Whole, milliseconds};
use crate::engine::config::{DAY, HOUR, MINUTE, SECOND, StreamConfig, window_name};
use crate::engine::events::event::{EventType, EventTypes, MAX_ID_BYTES};
use crate::engine::rank::features::FEATURES;
use crate::engine::rank::model::{Away, Boost, CandidateLimits, Model, Trend};
use crate::engine::rank::scorer::Scorer;

const MAX_BOOSTS: usize = 256;

const FEATURE_WEIGHT: Number = Number { min: -10.0, max: 10.0 };
const EVENT_WEIGHT: Number = Number { min: -100.0, max: 100.0 };
const WINDOW_WEIGHT: Number = Number { min: 0.0, max: 1.0 };
const EVIDENCE: Above = Above(Number { min: 0.0, max: 1e6 });
const HALF_LIFE: Millis = Millis { min: SECOND, max: 36_500 * DAY };
const SHARE: Above = Above(Number { min: 0.0, max: 1.0 });
const CANDIDATES: Whole<usize> = Whole { min: 0, max: 1_000_000 };
const CATEGORY: Text =
    Text { expected: "a category of 1 to 256 bytes", valid: |text| (1..=MAX_ID_BYTES).contains(&text.len()) };

const EVENT_WEIGHTS: [(&str, f64); 8] = [
    ("view", 0.5),
    ("click", 1.0),
    ("add_to_cart", 2.0),
    ("purchase", 3.0),
    ("like", 2.0),
    ("dislike", -2.0),
    ("hide", -3.0),
    ("impression", 0.0),
];
const INTEREST_WINDOWS: [(i64, f64); 4] = [(HOUR, 0.25), (24 * HOUR, 0.25), (7 * DAY, 0.2), (30 * DAY, 0.2)];
const POPULARITY_WINDOWS: [(i64, f64); 6] =
    [(5 * MINUTE, 0.2), (15 * MINUTE, 0.5), (HOUR, 0.1), (6 * HOUR, 0.0), (24 * HOUR, 0.1), (7 * DAY, 0.1)];
const TREND: (i64, i64) = (HOUR, 24 * HOUR);

/// What a file may hold besides the weights of features; `*` is a name of the file's own.
const KEYS: [&str; 17] = [
    "event_weights.*",
    "seen.*",
    "interest.evidence",
    "interest.windows.*",
    "popularity.windows.*",
    "recency.half_life",
    "trending.short",
    "trending.long",
    "trending.evidence",
    "diversity.max_category_share",
    "candidates.categories",
    "candidates.per_category",
    "candidates.popular",
    "candidates.trending",
    "candidates.fresh",
    "boosts.category",
    "boosts.add",
];

/// Why a model can't be used: every mistake in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelError {
    /// The model's name.
    pub name: String,
    /// In the order of the file.
    pub mistakes: Vec<Mistake>,
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, &format!("model `{}` can't be used", self.name), &self.mistakes)
    }
}

impl std::error::Error for ModelError {}

/// The model that a file's content describes, for a stream. `path` is what mistakes name.
///
/// # Errors
/// Every mistake, with its line, key, value and what was expected.
pub fn parse_model(name: &str, path: &Path, text: &str, stream: &StreamConfig) -> Result<Model, ModelError> {
    let in_file = |line| Source::File { path: path.to_owned(), line };
    read(name, text, stream, &in_file).map_err(|mistakes| ModelError { name: name.to_owned(), mistakes })
}

/// [`parse_model`] for a model of which `source` tells where a line of it is written.
pub(super) fn read(
    name: &str,
    text: &str,
    stream: &StreamConfig,
    source: &dyn Fn(Option<usize>) -> Source,
) -> Result<Model, Vec<Mistake>> {
    let entries = document::entries(text).map_err(|errors| {
        let what = |error: document::SyntaxError| Mistake {
            source: source(Some(error.line)),
            key: String::new(),
            problem: crate::config::Problem::File(format!("not TOML: {}", error.message)),
        };
        errors.into_iter().map(what).collect::<Vec<_>>()
    })?;
    let mut reader = Reader::new(name, text, stream, source);
    entries.iter().for_each(|entry| reader.entry(entry));
    reader.finish()
}

/// For how long an item is kept away.
struct KeptAway;

const KEPT_AWAY: Millis = Millis { min: SECOND, max: 3650 * DAY };

impl Rule for KeptAway {
    type Out = Away;
    fn expected(&self) -> String {
        format!("\"always\", \"never\" or {}", KEPT_AWAY.expected())
    }
    fn read(&self, value: &Value) -> Option<Away> {
        match value.as_str() {
            Some("always") => Some(Away::Always),
            Some("never") => Some(Away::Never),
            _ => KEPT_AWAY.read(value).map(Away::For),
        }
    }
    fn show(&self, out: &Away) -> Value {
        match out {
            Away::Always => "always".into(),
            Away::Never => "never".into(),
            Away::For(length) => KEPT_AWAY.show(length),
        }
    }
}

struct Reader<'a> {
    stream: &'a StreamConfig,
    source: &'a dyn Fn(Option<usize>) -> Source,
    model: Model,
    mistakes: Vec<Mistake>,
    event_weights: Option<Vec<(EventType, f64)>>,
    seen: Vec<(EventType, Away)>,
    interest_windows: Option<Vec<Option<f64>>>,
    popularity_windows: Option<Vec<Option<f64>>>,
    trend_short: Option<usize>,
    trend_long: Option<usize>,
    boosts: Vec<(String, Option<String>, Option<f64>)>,
}

impl<'a> Reader<'a> {
    fn new(
        name: &str,
        text: &str,
        stream: &'a StreamConfig,
        source: &'a dyn Fn(Option<usize>) -> Source,
    ) -> Self {
        let version = format!("{:016x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()));
        let model = Model {
            name: name.to_owned(),
            version,
            source: text.to_owned(),
            scorer: Scorer::linear(std::array::from_fn(|feature| FEATURES[feature].weight.unwrap_or(1.0))),
            event_weights: default_event_weights(&stream.event_types),
            seen: Vec::new(),
            interest_windows: default_window_weights(&stream.interest_windows, &INTEREST_WINDOWS),
            evidence: 1.0,
            popularity_windows: default_window_weights(&stream.popularity_windows, &POPULARITY_WINDOWS),
            half_life: HOUR,
            trending: Trend { short: 0, long: 0, evidence: 1.0 },
            max_category_share: 1.0,
            boosts: Vec::new(),
            candidates: CandidateLimits {
                categories: 8,
                per_category: 200,
                popular: 500,
                trending: 100,
                fresh: 100,
            },
        };
        Self {
            stream,
            source,
            model,
            mistakes: Vec::new(),
            event_weights: None,
            seen: Vec::new(),
            interest_windows: None,
            popularity_windows: None,
            trend_short: None,
            trend_long: None,
            boosts: Vec::new(),
        }
    }

    fn entry(&mut self, entry: &Entry) {
        let path: Vec<&str> = entry.path.iter().map(String::as_str).collect();
        match path.as_slice() {
            ["weights", name] => match weighted().find(|(_, known)| known == name) {
                Some((feature, _)) => self.set(entry, &FEATURE_WEIGHT, |m| {
                    let Scorer::Linear(linear) = &mut m.scorer;
                    &mut linear.weights[feature]
                }),
                None => self.unknown(entry),
            },
            ["event_weights"] if is_table(entry) => self.event_weights = Some(Vec::new()),
            ["event_weights", kind] => self.event_weight(entry, kind),
            ["seen", kind] => {
                let away = self.take(entry, &KeptAway);
                let known = self.event_type(entry, kind);
                self.seen.extend(known.zip(away));
            }
            ["interest", "evidence"] => self.set(entry, &EVIDENCE, |m| &mut m.evidence),
            ["interest" | "popularity", "windows"] if is_table(entry) => {
                self.windows_of(entry);
            }
            ["interest" | "popularity", "windows", window] => self.window_weight(entry, window),
            ["recency", "half_life"] => self.set(entry, &HALF_LIFE, |m| &mut m.half_life),
            ["trending", "short"] => self.trend_short = self.trend_window(entry),
            ["trending", "long"] => self.trend_long = self.trend_window(entry),
            ["trending", "evidence"] => self.set(entry, &EVIDENCE, |m| &mut m.trending.evidence),
            ["diversity", "max_category_share"] => self.set(entry, &SHARE, |m| &mut m.max_category_share),
            ["candidates", "categories"] => self.set(entry, &CANDIDATES, |m| &mut m.candidates.categories),
            ["candidates", "per_category"] => {
                self.set(entry, &CANDIDATES, |m| &mut m.candidates.per_category)
            }
            ["candidates", "popular"] => self.set(entry, &CANDIDATES, |m| &mut m.candidates.popular),
            ["candidates", "trending"] => self.set(entry, &CANDIDATES, |m| &mut m.candidates.trending),
            ["candidates", "fresh"] => self.set(entry, &CANDIDATES, |m| &mut m.candidates.fresh),
            ["boosts"] if entry.value.as_array().is_some_and(Vec::is_empty) => {}
            [place, rest @ ..] if place.starts_with("boosts[") => self.boost(entry, place, rest),
            [section] if is_table(entry) && sections().any(|known| known == *section) => {}
            _ => self.unknown(entry),
        }
    }

    /// Reads a value by its rule, or says that it is not as expected.
    fn take<R: Rule>(&mut self, entry: &Entry, rule: &R) -> Option<R::Out> {
        let out = rule.read(&entry.value);
        if out.is_none() {
            self.refuse(Some(entry.line), &entry.key(), shown(&entry.value), rule.expected());
        }
        out
    }

    fn set<R: Rule>(&mut self, entry: &Entry, rule: &R, field: impl FnOnce(&mut Model) -> &mut R::Out) {
        if let Some(out) = self.take(entry, rule) {
            *field(&mut self.model) = out;
        }
    }

    fn refuse(&mut self, line: Option<usize>, key: &str, found: impl ToString, expected: impl Into<String>) {
        self.mistakes.push(Mistake::value((self.source)(line), key, found, expected));
    }

    fn unknown(&mut self, entry: &Entry) {
        let (key, line) = (entry.key(), Some(entry.line));
        if sections().any(|section| section == key) {
            let expected = if key == "boosts" { "[[boosts]] with `category` and `add`" } else { "a table" };
            return self.refuse(line, &key, shown(&entry.value), expected);
        }
        let first = entry.path.first().map_or("", String::as_str);
        let (section, place) = first.split_at(first.find('[').unwrap_or(first.len()));
        // In a section that is not known, the section is the mistake.
        let mistake = match sections().any(|known| known == section) && !is_table(entry) {
            true => {
                let weights: Vec<String> = weighted().map(|(_, name)| format!("weights.{name}")).collect();
                let known = weights.iter().map(String::as_str).chain(KEYS);
                Mistake::unknown((self.source)(line), &key, &key.replacen(place, "", 1), known)
            }
            false => Mistake::unknown((self.source)(line), &key, section, sections()),
        };
        self.mistakes.push(mistake);
    }

    fn event_weight(&mut self, entry: &Entry, kind: &str) {
        let weight = self.take(entry, &EVENT_WEIGHT);
        let known = self.event_type(entry, kind);
        self.event_weights.get_or_insert_default().extend(known.zip(weight));
    }

    /// The event type that an entry is about.
    fn event_type(&mut self, entry: &Entry, kind: &str) -> Option<EventType> {
        let known = self.stream.event_types.get(kind);
        if known.is_none() {
            let expected =
                format!("its event type to be one of {}", self.stream.event_types.names().join(", "));
            self.refuse(Some(entry.line), &entry.key(), shown(&entry.value), expected);
        }
        known
    }

    /// The lengths and the weights so far of the feature that an entry is about.
    fn windows_of(&mut self, entry: &Entry) -> (&'a [i64], &mut Vec<Option<f64>>) {
        let (lengths, weights) = match entry.path.first().map(String::as_str) {
            Some("interest") => (&self.stream.interest_windows, &mut self.interest_windows),
            _ => (&self.stream.popularity_windows, &mut self.popularity_windows),
        };
        let weights = weights.get_or_insert_default();
        weights.resize(lengths.len(), None);
        (lengths, weights)
    }

    fn window_weight(&mut self, entry: &Entry, window: &str) {
        let weight = self.take(entry, &WINDOW_WEIGHT);
        let (lengths, weights) = self.windows_of(entry);
        let place = place_of(window, lengths);
        let problem = match place.and_then(|place| weights.get_mut(place)) {
            None => Some(format!("its window to be one of {}", names(lengths))),
            Some(Some(_)) => Some("each window once".to_owned()),
            Some(slot) => {
                *slot = weight;
                None
            }
        };
        if let Some(expected) = problem {
            self.refuse(Some(entry.line), &entry.key(), shown(&entry.value), expected);
        }
    }

    fn trend_window(&mut self, entry: &Entry) -> Option<usize> {
        let lengths = &self.stream.popularity_windows;
        let place = entry.value.as_str().and_then(|window| place_of(window, lengths));
        if place.is_none() {
            let expected = format!("one of the stream's popularity windows ({})", names(lengths));
            self.refuse(Some(entry.line), &entry.key(), shown(&entry.value), expected);
        }
        place
    }

    fn boost(&mut self, entry: &Entry, place: &str, rest: &[&str]) {
        if self.boosts.last().is_none_or(|(last, ..)| last != place) {
            self.boosts.push((place.to_owned(), None, None));
            if self.boosts.len() == MAX_BOOSTS + 1 {
                self.refuse(Some(entry.line), "boosts", "longer", format!("at most {MAX_BOOSTS}"));
            }
        }
        // A value that is refused counts as given: it must not be called absent as well.
        match rest {
            ["category"] => {
                let category = self.take(entry, &CATEGORY).unwrap_or_default();
                let repeated = self.boosts.iter().any(|(_, other, _)| other.as_ref() == Some(&category));
                if repeated && !category.is_empty() {
                    self.refuse(Some(entry.line), &entry.key(), shown(&entry.value), "each category once");
                }
                self.boosts.iter_mut().rev().take(1).for_each(|boost| boost.1 = Some(category.clone()));
            }
            ["add"] => {
                let add = self.take(entry, &FEATURE_WEIGHT).unwrap_or_default();
                self.boosts.iter_mut().rev().take(1).for_each(|boost| boost.2 = Some(add));
            }
            [] if is_table(entry) => {}
            _ => self.unknown(entry),
        }
    }

    fn finish(mut self) -> Result<Model, Vec<Mistake>> {
        self.finish_events();
        let interest = self.interest_windows.take();
        if let Some(weights) = self.finish_windows("interest.windows", interest) {
            self.model.interest_windows = weights;
        }
        let popularity = self.popularity_windows.take();
        if let Some(weights) = self.finish_windows("popularity.windows", popularity) {
            self.model.popularity_windows = weights;
        }
        self.finish_trend();
        self.finish_boosts();
        let CandidateLimits { categories, per_category, popular, trending, fresh } = self.model.candidates;
        if popular + trending + fresh + categories * per_category == 0 && self.sound("candidates") {
            self.refuse(None, "candidates", "0 in total", "at least one candidate");
        }
        if self.mistakes.is_empty() { Ok(self.model) } else { Err(self.mistakes) }
    }

    /// Whether nothing is wrong yet with a section.
    fn sound(&self, section: &str) -> bool {
        !self.mistakes.iter().any(|mistake| mistake.key.starts_with(section))
    }

    fn finish_events(&mut self) {
        if let Some(given) = self.event_weights.take() {
            self.model.event_weights.fill(0.0);
            for (kind, weight) in given {
                if let Some(slot) = self.model.event_weights.get_mut(usize::from(kind.0)) {
                    *slot = weight;
                }
            }
        }
        self.model.seen = self.model.event_weights.iter().map(|weight| Away::of_weight(*weight)).collect();
        for (kind, away) in std::mem::take(&mut self.seen) {
            if let Some(slot) = self.model.seen.get_mut(usize::from(kind.0)) {
                *slot = away;
            }
        }
        if self.model.positive_types() == 0 && self.sound("event_weights") {
            let types = self.stream.event_types.names().join(", ");
            let expected = format!("a positive weight for at least one event type ({types})");
            self.refuse(None, "event_weights", "without a positive weight", expected);
        }
    }

    fn finish_windows(&mut self, key: &str, given: Option<Vec<Option<f64>>>) -> Option<Vec<f64>> {
        let weights: Vec<f64> = given?.into_iter().map(Option::unwrap_or_default).collect();
        let sum: f64 = weights.iter().sum();
        // Decimal fractions that add up to 1 on paper may miss it by a rounding error.
        if self.sound(key) && !(sum > 0.0 && sum <= 1.0 + 1e-9) {
            self.refuse(None, key, format!("{sum} in sum"), "weights with a sum above 0, at most 1");
        }
        Some(weights)
    }

    fn finish_trend(&mut self) {
        let lengths = &self.stream.popularity_windows;
        let last = lengths.len().saturating_sub(1);
        let place = |length: i64| lengths.iter().position(|known| *known == length);
        let usual_long = place(TREND.1).filter(|long| self.trend_short.is_none_or(|short| short < *long));
        let long = self.trend_long.or(usual_long).unwrap_or(last);
        let usual_short = place(TREND.0).filter(|short| *short < long);
        let short = self.trend_short.or(usual_short).unwrap_or(long / 2);
        (self.model.trending.short, self.model.trending.long) = (short, long);
        let given = self.trend_short.is_some() || self.trend_long.is_some();
        if given && short >= long && self.sound("trending") {
            let name = |place: usize| lengths.get(place).copied().map(window_name).unwrap_or_default();
            let expected = format!("shorter than `trending.long` ({})", name(long));
            self.refuse(None, "trending.short", format!("\"{}\"", name(short)), expected);
        }
    }

    fn finish_boosts(&mut self) {
        for (place, category, add) in std::mem::take(&mut self.boosts) {
            if category.is_none() {
                self.refuse(None, &format!("{place}.category"), "absent", CATEGORY.expected());
            }
            if add.is_none() {
                self.refuse(None, &format!("{place}.add"), "absent", FEATURE_WEIGHT.expected());
            }
            self.model.boosts.extend(category.zip(add).map(|(category, add)| Boost { category, add }));
        }
    }
}

/// The features that a file may weigh, with their names.
fn weighted() -> impl Iterator<Item = (usize, &'static str)> {
    let known = FEATURES.iter().enumerate().filter(|(_, feature)| feature.weight.is_some());
    known.map(|(index, feature)| (index, feature.name))
}

fn sections() -> impl Iterator<Item = &'static str> {
    let nested = ["weights", "interest.windows", "popularity.windows"];
    KEYS.iter().filter_map(|key| key.split_once('.')).map(|(section, _)| section).chain(nested)
}

fn is_table(entry: &Entry) -> bool {
    entry.value.is_table()
}

fn shown(value: &Value) -> String {
    if value.is_table() { "a table".to_owned() } else { value.to_string() }
}

fn place_of(window: &str, lengths: &[i64]) -> Option<usize> {
    let length = milliseconds(window)?;
    lengths.iter().position(|known| *known == length)
}

fn names(lengths: &[i64]) -> String {
    lengths.iter().copied().map(window_name).collect::<Vec<_>>().join(", ")
}

fn default_event_weights(types: &EventTypes) -> Vec<f64> {
    let known = |name: &String| EVENT_WEIGHTS.iter().find(|(known, _)| known == name);
    types.names().iter().map(|name| known(name).map_or(0.0, |(_, weight)| *weight)).collect()
}

/// The usual weights for the usual windows; for other windows, equal ones that add up to 1.
fn default_window_weights(lengths: &[i64], usual: &[(i64, f64)]) -> Vec<f64> {
    if lengths.iter().eq(usual.iter().map(|(length, _)| length)) {
        return usual.iter().map(|(_, weight)| *weight).collect();
    }
    vec![1.0 / lengths.len().max(1) as f64; lengths.len()]
}

#[cfg(test)]
mod tests;
