//! `headwater tune`: better numbers for a model, found on one part of a log and proven on a later one.

mod args;
mod command;
mod text;
mod told;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{IsTerminal, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use indicatif::ProgressBar;

pub(super) use args::TuneArgs;
pub(super) use command::command_line;
use told::{Data, Told};

use super::config::CheckError;
use super::error::CliError;
use super::inputs::{model_file, positive};
use super::print::{counted, write_value};
use super::terminal::visible;
use crate::engine::config::StreamConfig;
use crate::evaluation::stream::Stream;
use crate::models::{BUILT_IN_MODEL, ModelError, ModelsError, Written};
use crate::tuning::file::ModelFile;
use crate::tuning::outcome::{Generation, Outcome};
use crate::tuning::provenance::{Provenance, data_hash};
use crate::tuning::search::{Effort, Trials, Watch, tune};
use crate::tuning::space::Space;
use crate::tuning::trial::{Asking, Trial};

pub(super) fn run(
    args: &TuneArgs,
    command: &str,
    environment: &BTreeMap<String, String>,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    args.may_write()?;
    let mut from_config = args.from_config.clone();
    from_config.set.extend(args.inputs.set());
    let whole = from_config.load(environment)?;
    let refresh = i64::try_from(whole.server.pool_refresh.as_millis()).unwrap_or(i64::MAX);
    let config = Arc::new(whole.stream.clone());
    let (base, model) = base(args, &config)?;
    let space =
        Space::new(&base, &config, &args.keep).map_err(|why| CliError::Failed(format!("--keep: {why}")))?;
    let positive = positive(Some(base.model()), &config);
    let (stream, rejected) = args.inputs.read(&[], &whole, positive, &|what| args.tell(what))?;

    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = args.threads.map_or(threads, NonZeroUsize::get);
    let asking = Asking { stream: &stream, metric: args.metric, types: positive, refresh, threads };
    let [train, choose, report] = args.spans(&stream)?.map(|span| Trial::new(asking, span));
    for (name, trial) in [("train", &train), ("choose", &choose), ("report", &report)] {
        args.has_questions(name, trial)?;
    }
    let trials = Trials { train: &train, choose: &choose, report: &report };
    let (best, outcome) = searched(args, &base, &space, trials)?;

    let told = Told {
        metric: args.metric.to_string(),
        model,
        model_version: &base.model().version,
        data: data(&stream, rejected),
        outcome: &outcome,
        written: outcome.is_better().then(|| args.out.display().to_string()),
    };
    if outcome.is_better() {
        args.write(&told, command, &best, &config)?;
    }
    if args.json {
        write_value(&told, out)?
    } else {
        text::write(&told, out)?
    }
    // What was measured is told first: whoever is refused must see why.
    out.flush()?;
    outcome.is_better().then_some(()).ok_or_else(|| refusal(&outcome))
}

/// The model that is to be tuned, and what it is called.
fn base(args: &TuneArgs, config: &StreamConfig) -> Result<(ModelFile, String), CliError> {
    let (path, text) = match &args.model {
        Some(path) => (path.as_path(), without_forest(path, model_file(path)?)?),
        None => (Path::new("the built-in model"), BUILT_IN_MODEL.to_owned()),
    };
    let base = ModelFile::read("current", path, &text, config).map_err(refused)?;
    Ok((base, path.display().to_string()))
}

/// The text of a model's file. A forest was trained for the numbers that its model has: with others it is none.
fn without_forest(path: &Path, written: Written) -> Result<String, CliError> {
    match written.forest {
        None => Ok(written.text),
        Some(_) => Err(CliError::Failed(format!(
            "--model: {} has a forest, which was trained for the numbers of this model: tune a copy without [forest], and \
             train a forest for what comes of it",
            path.display()
        ))),
    }
}

fn refused(error: ModelError) -> CliError {
    CheckError::from(ModelsError { mistakes: error.mistakes }).into()
}

fn searched(
    args: &TuneArgs,
    base: &ModelFile,
    space: &Space<'_>,
    trials: Trials<'_>,
) -> Result<(ModelFile, Outcome), CliError> {
    let effort =
        Effort { generations: args.generations.get(), population: args.population.get(), seed: args.seed };
    let bar = match std::io::stderr().is_terminal() {
        true => ProgressBar::new(trials.steps(&effort)),
        false => ProgressBar::hidden(),
    };
    args.tell(&format!(
        "{} move: {}",
        counted(space.start().len() as u64, "number"),
        space.keys().join(", ")
    ));
    let said = |generation: &Generation| {
        let Generation { number, best, mean, current } = generation;
        let of = args.generations;
        let what = format!(
            "generation {number} of {of}: {} {best:.4} at best, {mean:.4} on average; the current model {current:.4}",
            args.metric
        );
        bar.suspend(|| args.tell(&what));
    };
    let watch = Watch { steps: &|steps| bar.inc(steps), generation: &said };
    let found = tune(base, space, trials, &effort, watch).map_err(refused);
    bar.finish_and_clear();
    found
}

fn data(stream: &Stream, rejected: u64) -> Data {
    let (events, users, items) = (stream.events().len(), stream.users(), stream.catalog().count());
    Data { events, users, items, rejected, hash: data_hash(stream) }
}

/// Why nothing was written, and what to do.
fn refusal(outcome: &Outcome) -> CliError {
    let why = match &outcome.report {
        None => "none of the best models of the train span is better than the current one on the choose span: ask more \
                 questions (--every), search longer (--generations, --population), or keep the current model"
            .to_owned(),
        Some(report) if report.difference.value <= 0.0 => "on the report span it is no better than the current one: what \
                 it has learnt does not last. Train on a longer span (--train) or ask more questions (--every), or keep \
                 the current model"
            .to_owned(),
        Some(report) => format!(
            "on the report span its gain may be chance, as the interval goes from {:.4} to {:.4}: ask more questions there \
             (--every, --report), or keep the current model",
            report.difference.low, report.difference.high
        ),
    };
    CliError::Failed(format!("the tuned model was not written: {why}"))
}

impl TuneArgs {
    /// Writes the model with its provenance, whole or not at all.
    fn write(
        &self,
        told: &Told<'_>,
        command: &str,
        best: &ModelFile,
        config: &StreamConfig,
    ) -> Result<(), CliError> {
        let provenance = Provenance {
            version: env!("CARGO_PKG_VERSION"),
            command,
            base: &visible(&told.model),
            base_version: told.model_version,
            data: &told.data.hash,
            events: told.data.events,
            metric: &told.metric,
        };
        let text = format!("{}\n{}", provenance.lines(told.outcome), best.text());
        // It was measured without its head; with it, it is read once more by whoever will serve it.
        ModelFile::read("tuned", &self.out, &text, config).map_err(refused)?;
        let failed = |error: std::io::Error| {
            CliError::Failed(format!("--out: can't write {}: {error}", self.out.display()))
        };
        let partial = self.out.with_extension("toml.partial");
        let mut file = File::create(&partial).map_err(failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        fs::rename(&partial, &self.out).map_err(failed)
    }

    /// Something for people, beside the answer.
    fn tell(&self, what: &str) {
        if !self.json {
            // Nobody is left to tell if this fails.
            let _ = writeln!(std::io::stderr(), "{}", visible(what));
        }
    }
}
