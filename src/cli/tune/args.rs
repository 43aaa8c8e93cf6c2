//! What `headwater tune` is asked for.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use super::super::config::ConfigArgs;
use super::super::error::CliError;
use super::super::inputs::{Inputs, instant};
use crate::engine::events::event::Timestamp;
use crate::evaluation::stream::Stream;
use crate::tuning::trial::{Metric, Span, Trial};

/// Where the three spans begin unless it is said, in percent of all events.
const BEGIN: [usize; 3] = [60, 80, 90];
/// About how many questions are asked on each span unless it is said.
const QUESTIONS: [usize; 3] = [2_000, 4_000, 20_000];
/// The most models of a generation: each has pools of its own.
const MOST: u64 = 200;

/// Find better numbers for a model on a log, and prove that they are better on a later part of it
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headwater tune events.jsonl --items items.jsonl --out models/tuned.toml
  headwater tune events.jsonl --items items.jsonl --model models/default.toml --keep weights --out models/mine.toml
  headwater tune events.csv.zst --items items.csv.zst --train 4d --choose 2d --report 1d --out models/week.toml
  headwater tune events.jsonl --items items.jsonl --metric hr@10 --generations 40 --seed 7 --out models/hits.toml
  headwater tune --data /var/lib/headwater --out models/tuned.toml

Numbers of the model move within bounds by an evolution strategy: weights, parts of an interest, evidence, shares of
windows, half-lives and what is related. All models of a generation are asked on the train span, in one replay through
the code that serves. The best of all are asked on the choose span, and the best one there on the report span, beside the
model as it is. It is written only if it is better there, by the lower end of an interval of 95 %; else the command says
what was measured and ends with 1. The same files and options write the same bytes, however many threads ask.
docs/tuning.md says what moves, what it costs and how to read what comes out.")]
pub(in super::super) struct TuneArgs {
    #[command(flatten)]
    pub(super) inputs: Inputs,
    /// The model to begin with, and to be better than [default: the built-in model]
    #[arg(long, value_name = "FILE")]
    pub(super) model: Option<PathBuf>,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub(super) out: PathBuf,
    /// Overwrite the file if it is there
    #[arg(long)]
    pub(super) force: bool,
    /// Keep what the model says by this key, or by all that begin with it, such as `weights`; may be repeated
    #[arg(long, value_name = "KEY", value_delimiter = ',')]
    pub(super) keep: Vec<String>,
    /// What is to become greater: mrr@20, hr@20, ndcg@20, or for a list of another length
    #[arg(long, value_name = "METRIC", default_value = "mrr@20")]
    pub(super) metric: Metric,
    /// Search from this instant on (RFC 3339 or ms), or from so long before the end, such as 4d [default: after three
    /// fifths of all events]
    #[arg(long, value_name = "TIME", value_parser = when)]
    pub(super) train: Option<When>,
    /// Choose from then on, where the search ends [default: after four fifths]
    #[arg(long, value_name = "TIME", value_parser = when)]
    pub(super) choose: Option<When>,
    /// Prove from then on, where the choice ends [default: after nine tenths]
    #[arg(long, value_name = "TIME", value_parser = when)]
    pub(super) report: Option<When>,
    /// Ask about one in so many of the events that could be, on all three spans [default: about 2,000 questions on the first,
    /// 4,000 on the second and 20,000 on the third]
    #[arg(long, value_name = "K")]
    pub(super) every: Option<NonZeroUsize>,
    /// How many generations there are, each a replay of the log up to the end of the train span
    #[arg(long, value_name = "N", default_value = "20", value_parser = at_most(1000))]
    pub(super) generations: NonZeroUsize,
    /// How many models there are in a generation
    #[arg(long, value_name = "N", default_value = "16", value_parser = at_most(MOST))]
    pub(super) population: NonZeroUsize,
    /// What random choices are made from
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// How many threads ask [default: one a processor]
    #[arg(long, value_name = "THREADS")]
    pub(super) threads: Option<NonZeroUsize>,
    #[command(flatten)]
    pub(super) from_config: ConfigArgs,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Where a span begins.
#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    At(Timestamp),
    BeforeTheEnd(Duration),
}

fn when(text: &str) -> Result<When, String> {
    match humantime::parse_duration(text) {
        Ok(length) => Ok(When::BeforeTheEnd(length)),
        Err(_) => {
            instant(text).map(When::At).map_err(|error| format!("{error}, or a length of time such as 2d"))
        }
    }
}

fn at_most(most: u64) -> impl Fn(&str) -> Result<NonZeroUsize, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number: Option<NonZeroUsize> = text.parse().ok();
        number
            .filter(|number| number.get() as u64 <= most)
            .ok_or_else(|| format!("expected a number from 1 to {most}"))
    }
}

impl TuneArgs {
    /// Whether the file may be written, before an hour is spent on what is in it.
    pub(super) fn may_write(&self) -> Result<(), CliError> {
        let out = self.out.display();
        if self.out.extension().is_none_or(|end| end != "toml") {
            return Err(CliError::Failed(format!(
                "--out: {out} is no name of a model file, which ends with .toml"
            )));
        }
        if !self.force && self.out.exists() {
            return Err(CliError::Failed(format!(
                "--out: {out} exists; choose another one, or add --force to overwrite it"
            )));
        }
        match self.out.parent() {
            Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
                Err(CliError::Failed(format!("--out: there is no folder {}", folder.display())))
            }
            _ => Ok(()),
        }
    }

    /// The spans to search, to choose and to prove on.
    pub(super) fn spans(&self, stream: &Stream) -> Result<[Span; 3], CliError> {
        let events = stream.events();
        let end = events.last().map_or(0, |event| event.ts);
        let begin = |given: Option<When>, percent: usize| match given {
            Some(When::At(instant)) => instant.0,
            Some(When::BeforeTheEnd(length)) => {
                end.saturating_sub(i64::try_from(length.as_millis()).unwrap_or(i64::MAX))
            }
            None => events.get(events.len() * percent / 100).map_or(end, |event| event.ts),
        };
        let [train, choose, report] = [self.train, self.choose, self.report];
        let [train, choose, report] =
            [begin(train, BEGIN[0]), begin(choose, BEGIN[1]), begin(report, BEGIN[2])];
        if !(train < choose && choose < report) {
            let told = |ts| Timestamp(ts);
            return Err(CliError::Failed(format!(
                "each span begins later than the one before, but --train begins {}, --choose {} and --report {}",
                told(train),
                told(choose),
                told(report)
            )));
        }
        let every = self.every.map_or(0, NonZeroUsize::get);
        let span = |from, until, at_most| Span { from, until, every, at_most };
        let [first, second, third] = QUESTIONS;
        Ok([span(train, choose, first), span(choose, report, second), span(report, i64::MAX, third)])
    }

    /// Refuses a span on which nothing can be asked.
    pub(super) fn has_questions(&self, name: &str, trial: &Trial<'_>) -> Result<(), CliError> {
        if trial.questions() > 0 {
            return Ok(());
        }
        let (from, until) = trial.span();
        let until = if until == i64::MAX { "the end".to_owned() } else { Timestamp(until).to_string() };
        Err(CliError::Failed(format!(
            "nothing can be asked on the {name} span, from {} until {until}: no event there is of a positive type, by a user \
             with an earlier event who has never had the item, which somebody has had; see --train, --choose and --report",
            Timestamp(from)
        )))
    }
}
