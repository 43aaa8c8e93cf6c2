//! `headwater evaluate`: what lists would have been worth, by a replay of what has happened.

mod args;
mod html;
mod protocols;
mod text;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use protocols::{Answers, Contest};

pub(super) use args::EvaluateArgs;

use super::config::CheckError;
use super::error::CliError;
use super::inputs::{model_file, positive};
use super::print::{counted, write_value};
use super::terminal::visible;
use crate::engine::config::StreamConfig;
use crate::engine::events::event::Timestamp;
use crate::engine::rank::model::Model;
use crate::evaluation::baselines::Baseline;
use crate::evaluation::report::{Data, Report, Run};
use crate::models::{BUILT_IN_MODEL, ModelError, ModelsError, parse_model, parse_written};

pub(super) fn run(
    args: &EvaluateArgs,
    environment: &BTreeMap<String, String>,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    args.fits()?;
    let mut from_config = args.from_config.clone();
    from_config.set.extend(args.inputs.set());
    let whole = from_config.load(environment)?;
    let refresh = i64::try_from(whole.server.pool_refresh.as_millis()).unwrap_or(i64::MAX);
    let config = Arc::new(whole.stream.clone());
    let models = models(&args.model, &config)?;
    let baselines = baselines(&args.baseline)?;
    let base = args.base(&models, &baselines)?;
    let positive = positive(models.first().map(AsRef::as_ref), &config);
    let types = args.span.types(&config, positive)?;

    let (stream, rejected) = args.inputs.read(&args.test, &whole, positive, &|what| args.tell(what))?;
    let started = Instant::now();
    let (models, baselines, stream) = (&models[..], &baselines[..], &stream);
    let contest = Contest { args, stream, models, baselines, types, refresh };
    let Answers { asked, columns, eligible, left_out, n, protocol } = contest.run()?;
    let took = started.elapsed().as_secs_f64();
    let lists = (asked.len() * columns.len()) as f64;
    args.tell(&format!(
        "{lists} lists of {} in {took:.1} s: {:.0} lists/s",
        counted(columns.len() as u64, "contender"),
        lists / took
    ));

    let windows = (models.len()..).zip(baselines).filter(|(_, baseline)| baseline.is_window());
    let versions = models.iter().map(|model| Some(model.version.clone()));
    let run = Run {
        stream,
        asked: &asked,
        columns: &columns,
        base,
        windows: &windows.map(|(index, _)| index).collect::<Vec<_>>(),
        versions: &versions.chain(baselines.iter().map(|_| None)).collect::<Vec<_>>(),
        seed: args.seed,
    };
    let time = |event: Option<&crate::evaluation::contender::Observed>| {
        event.map(|event| Timestamp(event.ts).to_string()).unwrap_or_default()
    };
    let data = Data {
        events: stream.events().len() as u64,
        users: stream.users() as u64,
        items: stream.catalog().count() as u64,
        first: time(stream.events().first()),
        last: time(stream.events().last()),
        rejected,
        repeated: stream.repeated(),
        asked: 0,
        askers: 0,
        eligible,
        left_out,
    };
    args.print(&run.report(protocol, data, n), out)
}

impl EvaluateArgs {
    fn print(&self, report: &Report, out: &mut dyn Write) -> Result<(), CliError> {
        if let Some(path) = &self.report {
            fs::write(path, html::page(report)).map_err(|error| {
                CliError::Failed(format!("--report: can't write {}: {error}", path.display()))
            })?;
        }
        if self.json { write_value(report, out) } else { Ok(text::write(report, out)?) }
    }

    /// Something for people, beside the answer.
    fn tell(&self, what: &str) {
        if !self.json {
            // Nobody is left to tell if this fails.
            let _ = writeln!(std::io::stderr(), "{}", visible(what));
        }
    }
}

/// The models of these files, or the built-in one.
fn models(named: &[String], config: &StreamConfig) -> Result<Vec<Arc<Model>>, CliError> {
    let refused = |error: ModelError| CheckError::from(ModelsError { mistakes: error.mistakes });
    if named.is_empty() {
        let model = parse_model("default", Path::new("the built-in model"), BUILT_IN_MODEL, config);
        return Ok(vec![Arc::new(model.map_err(refused)?)]);
    }
    let model = |named: &String| {
        let (name, path) = match named.split_once('=') {
            Some((name, path)) => (name.to_owned(), Path::new(path)),
            None => {
                let path = Path::new(named);
                (path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), path)
            }
        };
        let written = model_file(path)?;
        Ok(Arc::new(parse_written(&name, path, &written, config).map_err(refused)?))
    };
    named.iter().map(model).collect()
}

fn baselines(named: &[String]) -> Result<Vec<Baseline>, CliError> {
    // A parameter belongs to the name before it.
    let mut names: Vec<String> = Vec::new();
    for piece in named.iter().flat_map(|names| names.split(',')) {
        match names.last_mut() {
            Some(name) if piece.contains('=') && !piece.contains(':') => *name = format!("{name},{piece}"),
            _ => names.push(piece.to_owned()),
        }
    }
    match names.as_slice() {
        [] => Ok(Baseline::usual()),
        [none] if none == "none" => Ok(Vec::new()),
        names => {
            let baseline = |name: &String| Baseline::named(name);
            let found: Result<_, String> = names.iter().map(baseline).collect();
            found.map_err(|why| CliError::Failed(format!("--baseline: {why}")))
        }
    }
}
