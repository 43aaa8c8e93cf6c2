//! What models are worth on one span of a stream, all of them asked the same in one replay.

use std::sync::Arc;

use crate::engine::events::event::EventTypeSet;
use crate::engine::rank::model::Model;
use crate::evaluation::contender::{Contender, Observed, Question};
use crate::evaluation::interval::Askers;
use crate::evaluation::model::contenders;
use crate::evaluation::protocol::stream::{Rules, questions, replay, steps};
use crate::evaluation::stream::Stream;
use crate::evaluation::tally::{Asked, Column};

/// What is to become greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Which figure of a list.
    pub figure: Figure,
    /// How many items a list has.
    pub n: usize,
}

/// A figure of a list, by the rank of what was clicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// 1 / rank.
    Mrr,
    /// Whether it is there.
    Hr,
    /// 1 / log2(1 + rank).
    Ndcg,
}

/// The longest list that a metric may be of.
const MAX_N: usize = 1000;

impl std::str::FromStr for Metric {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected mrr@20, hr@20 or ndcg@20, with a number from 1 to {MAX_N}");
        let (figure, n) = text.split_once('@').ok_or_else(expected)?;
        let figure = match figure {
            "mrr" => Figure::Mrr,
            "hr" => Figure::Hr,
            "ndcg" => Figure::Ndcg,
            _ => return Err(expected()),
        };
        let n = n.parse().ok().filter(|n| (1..=MAX_N).contains(n)).ok_or_else(expected)?;
        Ok(Self { figure, n })
    }
}

impl std::fmt::Display for Metric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let figure = match self.figure {
            Figure::Mrr => "mrr",
            Figure::Hr => "hr",
            Figure::Ndcg => "ndcg",
        };
        write!(f, "{figure}@{}", self.n)
    }
}

/// Which events are asked about.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Those of this instant or later, in ms since the epoch.
    pub from: i64,
    /// Those before this instant.
    pub until: i64,
    /// One in so many of them; 0: as many as leave about `at_most`.
    pub every: usize,
    /// How many questions are enough where `every` does not say it.
    pub at_most: usize,
}

/// How models are asked, on every span the same.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// What is replayed.
    pub stream: &'a Stream,
    /// What is to become greater.
    pub metric: Metric,
    /// Which types are scored.
    pub types: EventTypeSet,
    /// How old pools of models may be, in ms.
    pub refresh: i64,
    /// How many threads ask. What comes out does not hang on it.
    pub threads: usize,
}

/// A span whose questions are known.
#[derive(Clone, Debug)]
pub struct Trial<'a> {
    asking: Asking<'a>,
    rules: Rules,
    asked: Vec<Asked>,
    eligible: u64,
}

impl<'a> Trial<'a> {
    /// Finds the questions of a span.
    pub fn new(asking: Asking<'a>, span: Span) -> Self {
        let all = Rules {
            n: asking.metric.n,
            from: span.from,
            until: span.until,
            types: asking.types,
            every: span.every.max(1),
            first_clicks: false,
            seen: false,
            strangers: false,
        };
        let mut found = questions(asking.stream, &all);
        let mut rules = all;
        if span.every == 0 {
            rules.every = found.asked.len().div_ceil(span.at_most.max(1)).max(1);
            let mut place = 0;
            found.asked.retain(|_| {
                place += 1;
                (place - 1) % rules.every == 0
            });
        }
        Self { asking, rules, asked: found.asked, eligible: found.eligible }
    }

    /// How many questions there are.
    pub fn questions(&self) -> usize {
        self.asked.len()
    }

    /// How many there could be.
    pub fn eligible(&self) -> u64 {
        self.eligible
    }

    /// One in how many of them is asked.
    pub fn every(&self) -> usize {
        self.rules.every
    }

    /// From when on and before when, in ms since the epoch.
    pub fn span(&self) -> (i64, i64) {
        (self.rules.from, self.rules.until)
    }

    /// Who asks the questions.
    pub fn askers(&self) -> Askers {
        Askers::new(self.asked.iter().map(|asked| asked.user))
    }

    /// How many steps a watcher of [`Self::values`] is told of.
    pub fn steps(&self) -> u64 {
        steps(&self.asked, self.asking.threads, &[self.asking.refresh.max(1)])
    }

    /// The value of each question for each of these models, which have names of their own.
    pub fn values(&self, models: &[Arc<Model>], progress: &(dyn Fn(u64) + Sync)) -> Vec<Vec<f32>> {
        let Asking { stream, metric, refresh, threads, .. } = self.asking;
        let make = || {
            let models = contenders(stream, models, refresh).into_iter();
            models.map(|model| Box::new(ListsOnly(model)) as Box<dyn Contender + '_>).collect()
        };
        let aligned = [refresh.max(1)];
        let columns = replay(stream, &self.rules, &self.asked, &make, (threads, &aligned), progress);
        let value = |column: &Column| match metric.figure {
            Figure::Mrr => column.reciprocals(),
            Figure::Hr => column.hits(),
            Figure::Ndcg => column.gains(),
        };
        columns.iter().map(value).collect()
    }
}

/// The mean over all questions.
pub fn mean(values: &[f32]) -> f64 {
    values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len() as f64
}

/// A contender that is not asked for the sources of its candidates, which takes longer than a list.
struct ListsOnly<'a>(Box<dyn Contender + 'a>);

impl Contender for ListsOnly<'_> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn observe(&mut self, event: &Observed) {
        self.0.observe(event);
    }

    fn list(&mut self, question: &Question<'_>, list: &mut Vec<u32>) {
        self.0.list(question, list);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_read_as_it_is_written() {
        for text in ["mrr@20", "hr@1", "ndcg@1000"] {
            assert_eq!(text.parse::<Metric>().map(|metric| metric.to_string()), Ok(text.to_owned()));
        }
        for wrong in ["mrr", "mrr@0", "mrr@1001", "map@20", "mrr@", "@20", "mrr@-1"] {
            let refused = wrong.parse::<Metric>().expect_err("no metric");
            assert!(refused.starts_with("expected mrr@20, hr@20 or ndcg@20"), "{refused}");
        }
    }
}
