//! What can only be told of a model file once all of it is read.

use std::sync::Arc;

use super::defaults::{RERANKED, TREND, version};
use super::keys::feature;
use super::reader::{Forest, Reader};
use super::rules::{CATEGORY, FEATURE_WEIGHT, FOREST_FILE};
use crate::config::mistake::Mistake;
use crate::config::rules::Rule;
use crate::engine::config::window_name;
use crate::engine::rank::forest::reranking::Reranking;
use crate::engine::rank::model::{Away, Boost, CandidateLimits, Model};
use crate::engine::rank::scorer::Scorer;
use crate::models::forest::{ForestFile, read_forest};

impl Reader<'_> {
    /// The model, or all that is wrong with its file.
    pub fn finish(mut self) -> Result<Model, Vec<Mistake>> {
        self.finish_events();
        let interest = self.interest_windows.take();
        if let Some(weights) = self.finish_windows("interest.windows", interest) {
            self.model.interest_windows = weights;
        }
        let popularity = self.popularity_windows.take();
        if let Some(weights) = self.finish_windows("popularity.windows", popularity) {
            self.model.popularity_windows = weights;
        }
        self.finish_interest();
        self.finish_trend();
        self.finish_boosts();
        self.finish_forest();
        let CandidateLimits { categories, per_category, popular, trending, fresh, .. } =
            self.model.candidates;
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

    /// An interest is a sum of parts: each is a feature whose weight is what the part counts, times that of all of it.
    fn finish_interest(&mut self) {
        let parts = std::mem::take(&mut self.interest_parts);
        let (false, Some(interest)) = (parts.is_empty(), feature("interest")) else { return };
        let Scorer::Linear(linear) = &mut self.model.scorer;
        let whole = std::mem::take(&mut linear.weights[interest]);
        for (feature, part) in parts {
            linear.weights[feature] += whole * part;
        }
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

    /// The forest is read last, as nothing else of a file takes as long.
    fn finish_forest(&mut self) {
        let Forest { file, rerank, is_named } = std::mem::take(&mut self.forest);
        let Some((line, name)) = file else {
            if rerank.is_some() && !is_named {
                self.refuse(None, "forest.file", "absent", FOREST_FILE.expected());
            }
            return;
        };
        let Some(ForestFile { path, content }) = self.written_forest else {
            let expected = "no forest, as this model is read from a text alone";
            return self.refuse(Some(line), "forest.file", format!("\"{name}\""), expected);
        };
        let mut unfit = |why: String| {
            let what = format!("{why} (`forest.file` of the model `{}` names it)", self.model.name);
            self.mistakes.push(Mistake::file(path, None, what));
        };
        match content {
            Err(why) => unfit(why.clone()),
            Ok(source) => match read_forest(source, self.stream) {
                Err(why) => unfit(why.to_string()),
                Ok((forest, signals)) => {
                    let all = format!("{}\0{source}", self.model.source);
                    self.model.version = version(&all);
                    let candidates = rerank.unwrap_or(RERANKED);
                    let source = source.clone();
                    self.model.reranking = Some(Arc::new(Reranking { forest, signals, candidates, source }));
                }
            },
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
