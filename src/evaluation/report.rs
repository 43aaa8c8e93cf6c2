//! What a run has shown: figures of all contenders, what they make of each kind of question, and how they compare.

use serde::Serialize;

use super::cohort::COHORTS;
use super::interval::{Askers, Draws, Estimate};
use super::stream::Stream;
use super::tally::{Asked, Column, NOT_ASKED};

/// Everything that a run has shown. The same run makes the same report, to the byte.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How it was asked.
    pub protocol: Protocol,
    /// What was replayed.
    pub data: Data,
    /// How many items a list has.
    pub n: usize,
    /// What random choices are made from.
    pub seed: u64,
    /// Whom all are compared with.
    pub base: String,
    /// The popularity with the greatest MRR.
    pub best_window: Option<String>,
    /// All who were asked, in order.
    pub contenders: Vec<Contender>,
    /// The same figures by kind of question.
    pub cohorts: Vec<Cohort>,
}

/// A protocol by its rules.
#[derive(Clone, Debug, Serialize)]
pub struct Protocol {
    /// Its name.
    pub name: String,
    /// What holds for every question, in sentences.
    pub rules: Vec<String>,
}

/// What was replayed.
#[derive(Clone, Debug, Serialize)]
pub struct Data {
    /// How many events.
    pub events: u64,
    /// Of how many users.
    pub users: u64,
    /// How many items there are that may ever be listed.
    pub items: u64,
    /// The time of the first event.
    pub first: String,
    /// That of the last one.
    pub last: String,
    /// How many rows of the files can't be used.
    pub rejected: u64,
    /// How many events repeat the `event_id` of another one of their user.
    pub repeated: u64,
    /// How many questions were asked.
    pub asked: u64,
    /// Of how many users.
    pub askers: u64,
    /// How many questions could have been asked.
    pub eligible: u64,
    /// Of how many events there is no question, by the first reason.
    pub left_out: super::protocol::stream::LeftOut,
}

/// One of those who were asked.
#[derive(Clone, Debug, Serialize)]
pub struct Contender {
    /// What it is called.
    pub name: String,
    /// The version of a model; none of a baseline.
    pub model_version: Option<String>,
    /// Over all questions.
    pub figures: Figures,
    /// Against the base; none of the base itself.
    pub against_base: Option<Against>,
    /// Which of its sources had what was clicked among its candidates; none if it can't tell.
    pub recall: Option<Recall>,
}

/// What lists are worth, and what is in them.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// The mean of 1 / rank.
    pub mrr: Option<Estimate>,
    /// The share of lists that have what was clicked.
    pub hr: Option<Estimate>,
    /// The mean of `1 / log2(1 + rank)`.
    pub ndcg: Option<Estimate>,
    /// How much two lists of different users have in common that were asked for one after the other: the mean of
    /// Jaccard's index of their top 10.
    pub overlap: Option<Estimate>,
    /// The mean share of all positive events of the last 24 h that were on a listed item.
    pub popularity: Option<Estimate>,
    /// The mean of `-log2` of that share, in bits.
    pub novelty: Option<Estimate>,
    /// How many different items were in some list.
    pub listed: u64,
    /// Their share of all that might have been.
    pub coverage: f64,
    /// How many different items were first in some list.
    pub first_places: u64,
    /// The share of lists that begin with the item that most of them begin with.
    pub commonest_first: f64,
}

/// Differences and ratios on the same questions.
#[derive(Clone, Debug, Serialize)]
pub struct Against {
    /// By MRR.
    pub mrr: Comparison,
    /// By HR.
    pub hr: Comparison,
    /// By NDCG.
    pub ndcg: Comparison,
}

/// How one figure compares with that of the base.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Less that of the base.
    pub difference: Option<Estimate>,
    /// Over that of the base.
    pub ratio: Option<Estimate>,
}

/// What was among the candidates.
#[derive(Clone, Debug, Serialize)]
pub struct Recall {
    /// Of so many questions.
    pub asked: u64,
    /// The share of which some source had what was clicked.
    pub any: Option<Estimate>,
    /// The same by source.
    pub by_source: Vec<(String, Option<Estimate>)>,
}

/// Figures by one kind of question.
#[derive(Clone, Debug, Serialize)]
pub struct Cohort {
    /// By what.
    pub by: String,
    /// The groups, in order, those without a question too.
    pub groups: Vec<Group>,
}

/// The questions of one kind.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// Which kind.
    pub name: String,
    /// How many there are.
    pub asked: u64,
    /// What each contender makes of them, in the order of all contenders.
    pub contenders: Vec<InGroup>,
}

/// What one contender makes of the questions of a group.
#[derive(Clone, Debug, Serialize)]
pub struct InGroup {
    /// What it is called.
    pub name: String,
    /// See [`Figures::mrr`].
    pub mrr: Option<Estimate>,
    /// See [`Figures::hr`].
    pub hr: Option<Estimate>,
    /// See [`Figures::ndcg`].
    pub ndcg: Option<Estimate>,
    /// Its MRR over that of the base on the same questions.
    pub mrr_ratio: Option<Estimate>,
}

/// The columns of a contender that are compared.
struct Scores {
    mrr: Vec<f32>,
    hr: Vec<f32>,
    ndcg: Vec<f32>,
}

/// How many of them there are.
const SCORES: usize = 3;

/// What a report is made of.
pub struct Run<'a> {
    /// What was replayed.
    pub stream: &'a Stream,
    /// The questions.
    pub asked: &'a [Asked],
    /// The answers, of one contender after the other.
    pub columns: &'a [Column],
    /// Whom to compare with: its index.
    pub base: usize,
    /// The indices of those that are popularity of a window.
    pub windows: &'a [usize],
    /// By contender, if it is a model.
    pub versions: &'a [Option<String>],
    /// See [`Report::seed`].
    pub seed: u64,
}

impl Run<'_> {
    /// The report of the run.
    pub fn report(&self, protocol: Protocol, data: Data, n: usize) -> Report {
        let askers = Askers::new(self.asked.iter().map(|asked| asked.user));
        let scores: Vec<Scores> = self.columns.iter().map(Scores::of).collect();
        let flat: Vec<Vec<f32>> = scores
            .iter()
            .flat_map(|scores| [&scores.mrr, &scores.hr, &scores.ndcg].map(Vec::clone))
            .collect();
        let draws = askers.draw(&flat, self.seed);
        let contenders = (0..self.columns.len()).map(|index| self.contender(index, &askers, &scores, &draws));
        let contenders: Vec<Contender> = contenders.collect();
        let mrr = |index: &usize| contenders[*index].figures.mrr.map_or(0.0, |mrr| mrr.value);
        let best = self.windows.iter().copied().max_by(|a, b| mrr(a).total_cmp(&mrr(b)).then(b.cmp(a)));
        Report {
            protocol,
            data: Data { asked: self.asked.len() as u64, askers: askers.count() as u64, ..data },
            n,
            seed: self.seed,
            base: self.columns[self.base].name.clone(),
            best_window: best.map(|index| self.columns[index].name.clone()),
            contenders,
            cohorts: self.cohorts(&askers, &scores),
        }
    }

    fn contender(&self, index: usize, askers: &Askers, scores: &[Scores], draws: &Draws) -> Contender {
        let (column, own) = (&self.columns[index], &scores[index]);
        let mean = |values: &[f32]| askers.mean(values, 0..self.asked.len());
        let lists = column.ranks.len() as f64;
        let kinds = |of: &[u32]| of.iter().filter(|count| **count > 0).count() as u64;
        let within = |of: &[Asked]| Some((of.first()?.ts, of.last()?.ts));
        let live = within(self.asked).map_or(0, |(first, last)| self.stream.live_within(first, last));
        let compare = |score: usize| {
            let (own, base) = (index * SCORES + score, self.base * SCORES + score);
            Comparison { difference: draws.difference(own, base), ratio: draws.ratio(own, base) }
        };
        let against = || Against { mrr: compare(0), hr: compare(1), ndcg: compare(2) };
        Contender {
            name: column.name.clone(),
            model_version: self.versions.get(index).cloned().flatten(),
            figures: Figures {
                mrr: mean(&own.mrr),
                hr: mean(&own.hr),
                ndcg: mean(&own.ndcg),
                overlap: mean(&column.overlap),
                popularity: mean(&column.popularity),
                novelty: mean(&column.novelty),
                listed: kinds(&column.shown),
                coverage: kinds(&column.shown) as f64 / live.max(1) as f64,
                first_places: kinds(&column.first),
                commonest_first: f64::from(column.first.iter().copied().max().unwrap_or(0)) / lists.max(1.0),
            },
            against_base: (index != self.base).then(against),
            recall: (!column.sources.is_empty()).then(|| recall(column, &mean)),
        }
    }

    fn cohorts(&self, askers: &Askers, scores: &[Scores]) -> Vec<Cohort> {
        let cohort = |cohorts: &super::cohort::Cohorts| {
            let mut members: Vec<Vec<usize>> = vec![Vec::new(); cohorts.groups.len()];
            for (question, asked) in self.asked.iter().enumerate() {
                members[(cohorts.of)(asked)].push(question);
            }
            let groups = cohorts.groups.iter().zip(&members);
            let groups = groups.map(|(name, members)| self.group(name, members, askers, scores));
            Cohort { by: cohorts.by.to_owned(), groups: groups.collect() }
        };
        COHORTS.iter().map(cohort).collect()
    }

    fn group(&self, name: &str, members: &[usize], askers: &Askers, scores: &[Scores]) -> Group {
        let base = &scores[self.base];
        let contender = |(column, own): (&Column, &Scores)| {
            let members = || members.iter().copied();
            let mean = |values: &[f32]| askers.mean(values, members());
            InGroup {
                name: column.name.clone(),
                mrr: mean(&own.mrr),
                hr: mean(&own.hr),
                ndcg: mean(&own.ndcg),
                mrr_ratio: askers.ratio(&own.mrr, &base.mrr, members()),
            }
        };
        Group {
            name: name.to_owned(),
            asked: members.len() as u64,
            contenders: self.columns.iter().zip(scores).map(contender).collect(),
        }
    }
}

impl Scores {
    fn of(column: &Column) -> Self {
        Self { mrr: column.reciprocals(), hr: column.hits(), ndcg: column.gains() }
    }
}

fn recall(column: &Column, mean: &dyn Fn(&[f32]) -> Option<Estimate>) -> Recall {
    let share = |bits: u16| {
        let of = |gave: &u16| match *gave {
            NOT_ASKED => f32::NAN,
            gave => f32::from(u8::from(gave & bits != 0)),
        };
        mean(&column.gave.iter().map(of).collect::<Vec<f32>>())
    };
    let by_source = (0..).zip(&column.sources).map(|(bit, name)| ((*name).to_owned(), share(1 << bit)));
    Recall {
        asked: column.gave.iter().filter(|gave| **gave != NOT_ASKED).count() as u64,
        any: share(!0),
        by_source: by_source.collect(),
    }
}
