//! From a model to a better one: generations on the first span, the choice on the second, the proof on the third.

use std::sync::Arc;

use super::file::ModelFile;
use super::outcome::{Compared, Generation, Moved, Outcome, Reported, SpanTold};
use super::sep_cma::SepCma;
use super::space::Space;
use super::trial::{Trial, mean};
use crate::engine::rank::features::FEATURES;
use crate::engine::rank::model::Model;
use crate::engine::rank::scorer::Scorer;
use crate::models::ModelError;

/// How far the first generation looks, in parts of the bounds of each number: on a scale of four decades a factor of two.
/// From a model that is good already, most of what is twice as far is worse.
const STEP: f64 = 0.07;
/// How many of the best of the first span are asked on the second, beside the middle of the last generation.
const FINALISTS: usize = 5;

/// How long to search.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How many generations there are; each is one replay of the first span.
    pub generations: usize,
    /// How many models there are in each.
    pub population: usize,
    /// What random choices are made from.
    pub seed: u64,
}

/// The three spans, each later than the one before.
#[derive(Clone, Copy, Debug)]
pub struct Trials<'a> {
    /// Where to search.
    pub train: &'a Trial<'a>,
    /// Where to choose from the best.
    pub choose: &'a Trial<'a>,
    /// Where to find out what that one is worth.
    pub report: &'a Trial<'a>,
}

impl Trials<'_> {
    /// How many steps a watcher of [`tune`] is told of at the most.
    pub fn steps(&self, effort: &Effort) -> u64 {
        self.train.steps() * (effort.generations as u64 + 1) + self.choose.steps() + self.report.steps()
    }
}

/// Whoever is told how far it is.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// So many more steps are done.
    pub steps: &'a (dyn Fn(u64) + Sync),
    /// A generation is over.
    pub generation: &'a dyn Fn(&Generation),
}

/// A model that was asked on the first span.
struct Candidate {
    file: ModelFile,
    value: f64,
}

/// Searches, chooses and proves. The best model is told with what came of it, whether or not it is better.
///
/// # Errors
/// A point of the space is no model; none is known to be.
pub fn tune(
    base: &ModelFile,
    space: &Space<'_>,
    trials: Trials<'_>,
    effort: &Effort,
    watch: Watch<'_>,
) -> Result<(ModelFile, Outcome), ModelError> {
    let current = Arc::new(Model { name: "current".to_owned(), ..base.model().clone() });
    let (generations, finalists) = search(&current, space, trials.train, effort, watch)?;

    let asked: Vec<Arc<Model>> =
        std::iter::once(Arc::clone(&current)).chain(finalists.iter().map(model)).collect();
    let values = trials.choose.values(&asked, watch.steps);
    let chosen: Vec<f64> = values.iter().map(|values| mean(values)).collect();
    // Of two that are worth the same, the one that was better before.
    let ranked = || chosen.iter().copied().enumerate().skip(1);
    let (best, value) =
        ranked().fold((1, f64::NEG_INFINITY), |best, next| if next.1 > best.1 { next } else { best });
    let best = &finalists[best - 1];
    let before = generations.first().map_or(f64::NAN, |first| first.current);

    let better = value > chosen[0];
    let report = better.then(|| {
        let (names, without): (Vec<&str>, Vec<Arc<Model>>) = without_each(&model(best)).into_iter().unzip();
        let models: Vec<Arc<Model>> =
            [Arc::clone(&current), model(best)].into_iter().chain(without).collect();
        let values = trials.report.values(&models, watch.steps);
        Reported::of(&trials.report.askers(), &values, &names, effort.seed)
    });
    let moved = space.values(base).into_iter().zip(space.values(&best.file));
    let moved = moved.map(|((key, before), (_, after))| Moved { key, before, after });
    let told = |name: &str, trial: &Trial<'_>| SpanTold::of(name, trial);
    let outcome = Outcome {
        seed: effort.seed,
        spans: vec![
            told("train", trials.train),
            told("choose", trials.choose),
            told("report", trials.report),
        ],
        generations,
        finalists: finalists.len(),
        keys: moved.collect(),
        train: Compared { current: before, tuned: best.value },
        choose: Compared { current: chosen[0], tuned: value },
        report: report.flatten(),
    };
    Ok((best.file.clone(), outcome))
}

/// The parts of a model, and the features that stand for each.
const PARTS: [(&str, &[&str]); 4] = [
    ("categories", &["interest"]),
    ("related", &["next", "covisits", "neighbours"]),
    ("popularity", &["popularity"]),
    ("recency", &["recency"]),
];

/// A model without each of the parts that it has.
fn without_each(model: &Model) -> Vec<(&'static str, Arc<Model>)> {
    let without = |(part, names): (&'static str, &[&str])| {
        let mut without = Model { name: format!("without {part}"), ..model.clone() };
        let Scorer::Linear(linear) = &mut without.scorer;
        let mut had = false;
        for (weight, feature) in linear.weights.iter_mut().zip(&FEATURES) {
            if names.contains(&feature.name) {
                had |= std::mem::take(weight) != 0.0;
            }
        }
        had.then(|| (part, Arc::new(without)))
    };
    PARTS.into_iter().filter_map(without).collect()
}

/// The generations, and the best models of all of them, the best first.
fn search(
    current: &Arc<Model>,
    space: &Space<'_>,
    trial: &Trial<'_>,
    effort: &Effort,
    watch: Watch<'_>,
) -> Result<(Vec<Generation>, Vec<Candidate>), ModelError> {
    let mut strategy = SepCma::new(space.start(), STEP, effort.population, effort.seed);
    let (mut generations, mut best): (Vec<Generation>, Vec<Candidate>) = (Vec::new(), Vec::new());
    for number in 1..=effort.generations {
        let points = strategy.ask();
        // It is worth the same in each.
        let beside = if number == 1 { std::slice::from_ref(current) } else { &[] };
        let (mut values, files) = ask(beside, space, trial, &points, watch)?;
        let now = values.split_off(points.len()).pop().unwrap_or(f64::NAN);
        strategy.tell(&points, &values);
        let generation = Generation {
            number,
            best: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            mean: values.iter().sum::<f64>() / values.len() as f64,
            current: generations.first().map_or(now, |first| first.current),
        };
        (watch.generation)(&generation);
        generations.push(generation);
        keep(&mut best, files.into_iter().zip(values));
    }
    // The middle of where it looks is worth more than most of what it looks at, and less by luck.
    let (values, files) = ask(&[], space, trial, &[strategy.mean().to_vec()], watch)?;
    let middle = files.into_iter().zip(values).map(|(file, value)| Candidate { file, value });
    let known = |candidate: &Candidate| best.iter().any(|other| other.file.text() == candidate.file.text());
    let middle: Vec<Candidate> = middle.filter(|candidate| !known(candidate)).collect();
    best.extend(middle);
    Ok((generations, best))
}

/// What the models of these points are worth, and behind them those beside.
fn ask(
    beside: &[Arc<Model>],
    space: &Space<'_>,
    trial: &Trial<'_>,
    points: &[Vec<f64>],
    watch: Watch<'_>,
) -> Result<(Vec<f64>, Vec<ModelFile>), ModelError> {
    let file = |(number, point): (usize, &Vec<f64>)| space.model(point, &format!("tuned-{number}"));
    let files: Vec<ModelFile> = points.iter().enumerate().map(file).collect::<Result<_, _>>()?;
    let models = files.iter().map(|file| Arc::new(file.model().clone())).chain(beside.iter().cloned());
    let values = trial.values(&models.collect::<Vec<_>>(), watch.steps);
    Ok((values.iter().map(|values| mean(values)).collect(), files))
}

/// Keeps the best, those that were asked first before others that are worth the same.
fn keep(best: &mut Vec<Candidate>, asked: impl Iterator<Item = (ModelFile, f64)>) {
    best.extend(asked.filter(|(_, value)| value.is_finite()).map(|(file, value)| Candidate { file, value }));
    best.sort_by(|a, b| b.value.total_cmp(&a.value));
    best.dedup_by(|a, b| a.file.text() == b.file.text());
    best.truncate(FINALISTS);
}

/// Its model, by a name of its own among all finalists.
fn model(candidate: &Candidate) -> Arc<Model> {
    let mut model = candidate.file.model().clone();
    model.name = format!("tuned-{}", model.version);
    Arc::new(model)
}
