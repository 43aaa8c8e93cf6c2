//! What came of it.

use serde::Serialize;

use super::trial::Trial;
use crate::engine::events::event::Timestamp;
use crate::evaluation::interval::{Askers, Estimate};

/// Everything that a search has shown.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// What random choices were made from.
    pub seed: u64,
    /// The spans, in the order of time.
    pub spans: Vec<SpanTold>,
    /// The generations on the first span.
    pub generations: Vec<Generation>,
    /// How many models were asked on the second.
    pub finalists: usize,
    /// What has moved.
    pub keys: Vec<Moved>,
    /// On the first span, where the tuned model was looked for: it flatters.
    pub train: Compared,
    /// On the second span, where it was chosen: it flatters a little.
    pub choose: Compared,
    /// On the third, which has had no part in it; none if the current model was the best one on the second.
    pub report: Option<Reported>,
}

/// One generation, by what its models are worth on the first span.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Generation {
    /// From 1.
    pub number: usize,
    /// The best of it.
    pub best: f64,
    /// The mean of all of it.
    pub mean: f64,
    /// What the current model is worth there.
    pub current: f64,
}

/// A span and what was asked of it.
#[derive(Clone, Debug, Serialize)]
pub struct SpanTold {
    /// What it is for.
    pub name: String,
    /// From when on.
    pub from: String,
    /// Before when; none if it goes on to the end.
    pub until: Option<String>,
    /// How many questions were asked.
    pub asked: usize,
    /// How many there could be.
    pub eligible: u64,
    /// One in how many of these.
    pub every: usize,
}

/// A number that may move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// Its key in the file.
    pub key: String,
    /// In the current model.
    pub before: String,
    /// In the tuned one.
    pub after: String,
}

/// The metric of the two models.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Compared {
    /// Of the model that was there.
    pub current: f64,
    /// Of the tuned one.
    pub tuned: f64,
}

/// The metric of the two models on the same questions, with intervals of 95 %.
#[derive(Clone, Debug, Serialize)]
pub struct Reported {
    /// Of the model that was there.
    pub current: Estimate,
    /// Of the tuned one.
    pub tuned: Estimate,
    /// The tuned one less the current one.
    pub difference: Estimate,
    /// The tuned one over the current one; none if that is 0.
    pub ratio: Option<Estimate>,
    /// What each part of the tuned model is worth, the most first.
    pub parts: Vec<Part>,
}

/// What a part of a model is worth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// Which.
    pub part: String,
    /// The model less the same one with nothing for that part.
    pub worth: Estimate,
}

impl Outcome {
    /// Whether the tuned model is better where it was neither searched nor chosen, and not by chance: the lower end of the
    /// interval of the difference is above 0.
    pub fn is_better(&self) -> bool {
        self.report.as_ref().is_some_and(|report| report.difference.low > 0.0)
    }
}

impl SpanTold {
    pub(super) fn of(name: &str, trial: &Trial<'_>) -> Self {
        let (from, until) = trial.span();
        Self {
            name: name.to_owned(),
            from: Timestamp(from).to_string(),
            until: (until != i64::MAX).then(|| Timestamp(until).to_string()),
            asked: trial.questions(),
            eligible: trial.eligible(),
            every: trial.every(),
        }
    }
}

impl Reported {
    /// Of the current model's values, the tuned one's, and those of the tuned one without each of these parts; none without
    /// a question.
    pub(super) fn of(askers: &Askers, values: &[Vec<f32>], without: &[&str], seed: u64) -> Option<Self> {
        let [current, tuned, ..] = values else { return None };
        let draws = askers.draw(values, seed);
        let part = |(place, part): (usize, &&str)| {
            draws.difference(1, place + 2).map(|worth| Part { part: (*part).to_owned(), worth })
        };
        let mut parts: Vec<Part> = without.iter().enumerate().filter_map(part).collect();
        parts.sort_by(|a, b| b.worth.value.total_cmp(&a.worth.value));
        Some(Self {
            current: askers.mean(current, 0..current.len())?,
            tuned: askers.mean(tuned, 0..tuned.len())?,
            difference: draws.difference(1, 0)?,
            ratio: draws.ratio(1, 0),
            parts,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(current: &[f32], tuned: &[f32]) -> Reported {
        let askers = Askers::new(0..current.len() as u32);
        Reported::of(&askers, &[current.to_vec(), tuned.to_vec()], &[], 1).expect("figures")
    }

    #[test]
    fn better_is_what_is_above_nothing_with_its_whole_interval() {
        let outcome = |report| Outcome {
            seed: 1,
            spans: Vec::new(),
            generations: Vec::new(),
            finalists: 1,
            keys: Vec::new(),
            train: Compared { current: 0.1, tuned: 0.9 },
            choose: Compared { current: 0.1, tuned: 0.9 },
            report,
        };
        let low: Vec<f32> = (0..200).map(|user| (user % 10) as f32 / 10.0).collect();
        let higher: Vec<f32> = low.iter().map(|value| value + 0.01).collect();
        let other: Vec<f32> = (0..200).map(|user| (user * 7 % 10) as f32 / 10.0 + 0.001).collect();
        assert!(outcome(Some(reported(&low, &higher))).is_better());
        assert!(!outcome(Some(reported(&higher, &low))).is_better());
        assert!(!outcome(Some(reported(&low, &low))).is_better(), "the same is no better");
        assert!(!outcome(Some(reported(&low, &other))).is_better(), "it may be chance");
        assert!(!outcome(None).is_better(), "it was not even chosen");
    }
}
