//! `headwater evaluate`: what lists would have been worth, by a replay of what has happened.

mod html;
mod inputs;
mod protocols;
mod text;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use inputs::Inputs;
use protocols::{Answers, Contest, ProtocolName};

use super::config::{CheckError, ConfigArgs};
use super::error::CliError;
use super::print::{counted, write_value};
use super::terminal::visible;
use crate::engine::config::StreamConfig;
use crate::engine::events::event::{EventType, EventTypeSet, Timestamp};
use crate::engine::rank::model::Model;
use crate::evaluation::baselines::Baseline;
use crate::evaluation::protocol::stream::Rules;
use crate::evaluation::report::{Data, Report, Run};
use crate::evaluation::stream::Stream;
use crate::files::small::read_text;
use crate::models::{BUILT_IN_MODEL, ModelError, ModelsError, parse_model};

/// The largest model file, in bytes.
const MAX_MODEL: u64 = 1 << 20;
/// Whom all are compared with unless another one is named.
const BASE: &str = "popular-1h";
/// Which part of the events is scored unless a span is named, in percent: the last.
const LAST_EVENTS: usize = 20;
/// How many items a list has unless told otherwise.
const LENGTH: usize = 20;

/// Replay a log and tell what the lists of models and of simple rivals would have been worth
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headwater evaluate events.jsonl --items items.jsonl
  headwater evaluate events.csv.zst --items items.csv.zst --model models/default.toml --model models/news.toml --last 2d
  headwater evaluate events.jsonl --items items.jsonl --model before=old.toml --model after=new.toml --base before
  headwater evaluate events.jsonl --items items.jsonl --every 10 --json > report.json
  headwater evaluate events.jsonl --items items.jsonl --last 1d --report report.html
  headwater evaluate train.txt --test test.txt --protocol sessions --baseline vsknn:m=1502,k=288,last=4,idf=1
  headwater evaluate --data /var/lib/headwater --last 1d
  headwater evaluate --log --set kafka.brokers=127.0.0.1:9092 --since 2026-01-05T00:00:00Z --last 1d

Events are replayed in the order of their times, through the same code that serves. Right before a scored event is
told, each contender is asked for its list of that instant; all live items are candidates. Scored are events of
positive types in the span, of users who have an earlier event and have never had the item, which somebody else has.
So does the stream protocol; --protocol names others, each of which stands with its rules at the head of every output.
A log is read as far as it goes when it is opened. The same files and options print the same bytes.
docs/evaluation.md says what each figure means.")]
pub(super) struct EvaluateArgs {
    #[command(flatten)]
    inputs: Inputs,
    /// A model file, called by its name unless another one is given; may be repeated [default: the built-in model]
    #[arg(long, value_name = "[NAME=]FILE")]
    model: Vec<String>,
    /// A simple rival: random, recent, newest, popular-all, popular-WINDOW, or one that was published: transitions, rules,
    /// sknn, vsknn, vstan, with parameters as in vsknn:m=500,k=100; several separated by commas, may be repeated, `none`
    /// for none [default: popular-5m,15m,1h,6h,24h,all, recent and random]
    #[arg(long, value_name = "NAME")]
    baseline: Vec<String>,
    /// How questions are asked
    #[arg(long, value_enum, default_value_t)]
    protocol: ProtocolName,
    /// Score events of this instant or later (RFC 3339 or ms) [default: of the last fifth of all events]
    #[arg(long, value_name = "TIME", conflicts_with = "last", value_parser = instant)]
    from: Option<Timestamp>,
    /// Score events before this instant [default: to the end]
    #[arg(long, value_name = "TIME", value_parser = instant)]
    until: Option<Timestamp>,
    /// Score events of so long before the end, such as 2d
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    last: Option<Duration>,
    /// Score events of these types [default: those that weigh something positive in the first model]
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    types: Vec<String>,
    /// How many items a list has [default: 20; 10 for `chameleon`]
    #[arg(short, long, value_name = "ITEMS")]
    n: Option<NonZeroUsize>,
    /// Score one in so many of the events that could be; for `chameleon` ask about one in so many hours [default: 1; 5 hours]
    #[arg(long, value_name = "K")]
    every: Option<NonZeroUsize>,
    /// Score also the first event of anybody on an item
    #[arg(long)]
    first_clicks: bool,
    /// Score also events on items that the user has had
    #[arg(long)]
    seen: bool,
    /// Ask without telling who asks
    #[arg(long)]
    strangers: bool,
    /// Whom all are compared with [default: popular-1h, or else the first rival, or the first model]
    #[arg(long, value_name = "NAME")]
    base: Option<String>,
    /// What random choices are made from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many threads ask [default: one a processor]
    #[arg(long, value_name = "THREADS")]
    threads: Option<NonZeroUsize>,
    #[command(flatten)]
    from_config: ConfigArgs,
    /// Write the report with plots into this file, a page of HTML that needs nothing else
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

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
    let positive = positive(&models, &config);
    let types = args.types(&config, positive)?;

    let (stream, rejected) = args.inputs.read(&whole, positive, &|what| args.tell(what))?;
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

    /// The place of the base among all who are asked.
    fn base(&self, models: &[Arc<Model>], baselines: &[Baseline]) -> Result<usize, CliError> {
        let names = || {
            let models = models.iter().map(|model| &model.name);
            models.chain(baselines.iter().map(|baseline| &baseline.name))
        };
        let mut taken: Vec<&String> = Vec::new();
        for name in names() {
            if taken.contains(&name) {
                return Err(CliError::Failed(format!(
                    "two are called `{name}`: call a model otherwise, as in --model NAME=FILE"
                )));
            }
            taken.push(name);
        }
        let place = |name: &str| names().position(|known| known == name);
        match &self.base {
            None => Ok(place(BASE).unwrap_or(if baselines.is_empty() { 0 } else { models.len() })),
            Some(name) => place(name).ok_or_else(|| {
                let known = names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                CliError::Failed(format!("--base: nobody is called `{name}`, expected one of {known}"))
            }),
        }
    }

    fn types(&self, config: &StreamConfig, positive: EventTypeSet) -> Result<EventTypeSet, CliError> {
        if self.types.is_empty() {
            return Ok(positive);
        }
        let kind = |name: &String| {
            config.event_types.get(name).ok_or_else(|| {
                let known = config.event_types.names().join(", ");
                CliError::Failed(format!("--types: there is no type `{name}`, expected some of {known}"))
            })
        };
        self.types.iter().map(kind).collect()
    }

    fn rules(&self, stream: &Stream, types: EventTypeSet) -> Result<Rules, CliError> {
        let events = stream.events();
        let end = events.last().map_or(0, |event| event.ts);
        let from = match (self.from, self.last) {
            (Some(from), _) => from.0,
            (None, Some(last)) => end.saturating_sub(i64::try_from(last.as_millis()).unwrap_or(i64::MAX)),
            (None, None) => events[events.len() * (100 - LAST_EVENTS) / 100].ts,
        };
        let until = self.until.map_or(i64::MAX, |until| until.0);
        if from >= until {
            return Err(CliError::Failed(format!(
                "the span is empty: it is from {} until {}",
                Timestamp(from),
                Timestamp(until)
            )));
        }
        Ok(Rules {
            n: self.n.map_or(LENGTH, NonZeroUsize::get),
            from,
            until,
            types,
            every: self.every.map_or(1, NonZeroUsize::get),
            first_clicks: self.first_clicks,
            seen: self.seen,
            strangers: self.strangers,
        })
    }
}

fn instant(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|error: crate::engine::time::NoInstant| error.to_string())
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
        let text = read_text(path, "a model", MAX_MODEL)
            .map_err(|why| CliError::Failed(format!("--model: {}: {why}", path.display())))?;
        Ok(Arc::new(parse_model(&name, path, &text, config).map_err(refused)?))
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

/// The types that say that a user likes an item: those that the first model weighs so.
fn positive(models: &[Arc<Model>], config: &StreamConfig) -> EventTypeSet {
    let mask = models.first().map_or(0, |model| model.positive_types());
    let kinds = (0..config.event_types.names().len() as u8).map(EventType);
    kinds.filter(|kind| mask >> kind.0 & 1 == 1).collect()
}
