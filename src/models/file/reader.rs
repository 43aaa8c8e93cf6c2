//! Reads a model file entry by entry.

use toml::Value;

use super::defaults;
use super::keys::{INTEREST_PARTS, KEYS, feature, sections, weighted};
use super::rules::{
    ACTED, CANDIDATES, CATEGORY, DISTANCE, EVENT_WEIGHT, EVIDENCE, FEATURE_WEIGHT, FOREST_FILE, Fading, GAP,
    HALF_LIFE, KeptAway, MAX_BOOSTS, PART, PLACES, POPULARITY_EVIDENCE, RELATED_ITEMS, RERANK, SHARE, STEPS,
    VISITS, WINDOW_WEIGHT,
};
use super::written::Written;
use crate::config::document::Entry;
use crate::config::mistake::{Mistake, Source};
use crate::config::rules::{Rule, milliseconds};
use crate::engine::config::{StreamConfig, window_name};
use crate::engine::events::event::EventType;
use crate::engine::rank::model::{Away, Model};
use crate::engine::rank::scorer::Scorer;
use crate::models::forest::ForestFile;

/// What is known of a file so far.
pub(super) struct Reader<'a> {
    pub(super) stream: &'a StreamConfig,
    source: &'a dyn Fn(Option<usize>) -> Source,
    pub(super) model: Model,
    pub(super) mistakes: Vec<Mistake>,
    pub(super) event_weights: Option<Vec<(EventType, f64)>>,
    pub(super) seen: Vec<(EventType, Away)>,
    pub(super) interest_windows: Option<Vec<Option<f64>>>,
    /// By the index of the feature.
    pub(super) interest_parts: Vec<(usize, f64)>,
    pub(super) popularity_windows: Option<Vec<Option<f64>>>,
    pub(super) trend_short: Option<usize>,
    pub(super) trend_long: Option<usize>,
    pub(super) boosts: Vec<(String, Option<String>, Option<f64>)>,
    /// The file of the forest that comes with it.
    pub(super) written_forest: Option<&'a ForestFile>,
    pub(super) forest: Forest,
}

/// What is said of the forest. None: nothing, or nothing sound.
#[derive(Default)]
pub(super) struct Forest {
    /// The line of the file's name, and the name.
    pub file: Option<(usize, String)>,
    pub rerank: Option<usize>,
    pub is_named: bool,
}

impl<'a> Reader<'a> {
    /// Nothing of this text is read yet.
    pub fn new(
        name: &str,
        written: &'a Written,
        stream: &'a StreamConfig,
        source: &'a dyn Fn(Option<usize>) -> Source,
    ) -> Self {
        Self {
            stream,
            source,
            model: defaults::model(name, &written.text, stream),
            mistakes: Vec::new(),
            event_weights: None,
            seen: Vec::new(),
            interest_windows: None,
            interest_parts: Vec::new(),
            popularity_windows: None,
            trend_short: None,
            trend_long: None,
            boosts: Vec::new(),
            written_forest: written.forest.as_ref(),
            forest: Forest::default(),
        }
    }

    /// Takes in the next entry of the file.
    pub fn entry(&mut self, entry: &Entry) {
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
            ["interest", "rarity"] => self.set(entry, &PART, |m| &mut m.rarity),
            ["interest", "dilution"] => self.set(entry, &PART, |m| &mut m.dilution),
            ["interest", "recent", "weight"] => self.set(entry, &PART, |m| &mut m.recent.weight),
            ["interest", "recent", "distance"] => self.set(entry, &DISTANCE, |m| &mut m.recent.distance),
            ["interest", "recent", "evidence"] => self.set(entry, &EVIDENCE, |m| &mut m.recent.evidence),
            ["interest", "recent"] if is_table(entry) => {}
            ["popularity", "evidence"] => {
                self.set(entry, &POPULARITY_EVIDENCE, |m| &mut m.popularity_evidence);
            }
            ["interest" | "popularity", "windows"] if is_table(entry) => {
                self.windows_of(entry);
            }
            ["interest" | "popularity", "windows", window] => self.window_weight(entry, window),
            ["interest", "parts"] if is_table(entry) => {}
            ["interest", "parts", part] => match INTEREST_PARTS.iter().find(|(known, _)| known == part) {
                Some((_, of)) => {
                    let part = self.take(entry, &FEATURE_WEIGHT);
                    self.interest_parts.extend(feature(of).zip(part));
                }
                None => self.unknown(entry),
            },
            ["related", "items"] => self.set(entry, &RELATED_ITEMS, |m| &mut m.related.items),
            ["related", "fade"] => self.set(entry, &SHARE, |m| &mut m.related.fade),
            ["related", "visits"] => self.set(entry, &VISITS, |m| &mut m.related.visits),
            ["related", "steps"] => self.set(entry, &STEPS, |m| &mut m.related.steps),
            ["related", "half_life"] => self.set(entry, &Fading, |m| &mut m.related.half_life),
            ["related", "expected"] => self.set(entry, &WINDOW_WEIGHT, |m| &mut m.related.expected),
            ["related", "evidence"] => self.set(entry, &EVIDENCE, |m| &mut m.related.evidence),
            ["related", "near"] => self.set(entry, &SHARE, |m| &mut m.related.near),
            ["related", "beyond"] => self.set(entry, &WINDOW_WEIGHT, |m| &mut m.related.beyond),
            ["related", "new_visit"] => self.set(entry, &WINDOW_WEIGHT, |m| &mut m.related.new_visit),
            ["own", "half_life"] => self.set(entry, &Fading, |m| &mut m.own.half_life),
            ["own", "evidence"] => self.set(entry, &EVIDENCE, |m| &mut m.own.evidence),
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
            ["candidates", "related"] => self.set(entry, &CANDIDATES, |m| &mut m.candidates.related),
            ["explore", "every"] => self.set(entry, &PLACES, |m| &mut m.explore.every),
            ["explore", "below"] => self.set(entry, &ACTED, |m| &mut m.explore.below),
            ["explore", "gap"] => self.set(entry, &GAP, |m| &mut m.explore.gap),
            ["forest", "file"] => {
                let name = self.take(entry, &FOREST_FILE);
                self.forest.file = name.map(|name| (entry.line, name));
                self.forest.is_named = true;
            }
            ["forest", "rerank"] => self.forest.rerank = self.take(entry, &RERANK),
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

    pub(super) fn refuse(
        &mut self,
        line: Option<usize>,
        key: &str,
        found: impl ToString,
        expected: impl Into<String>,
    ) {
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
