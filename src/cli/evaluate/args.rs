//! What `headwater evaluate` is asked for.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use super::super::config::ConfigArgs;
use super::super::error::CliError;
use super::super::inputs::Inputs;
use super::super::span::Span;
use crate::engine::events::event::EventTypeSet;
use crate::engine::rank::model::Model;
use crate::evaluation::baselines::Baseline;
use crate::evaluation::protocol::stream::Rules;
use crate::evaluation::stream::Stream;

/// Whom all are compared with unless another one is named.
const BASE: &str = "popular-1h";
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
pub(in super::super) struct EvaluateArgs {
    #[command(flatten)]
    pub(super) inputs: Inputs,
    /// A file of sessions to be asked about, for `--protocol sessions`: those of EVENTS are what is learnt; may be repeated
    #[arg(long, value_name = "FILE", conflicts_with_all = ["data", "log"])]
    pub(super) test: Vec<PathBuf>,
    /// A model file, called by its name unless another one is given; may be repeated [default: the built-in model]
    #[arg(long, value_name = "[NAME=]FILE")]
    pub(super) model: Vec<String>,
    /// A simple rival: random, recent, newest, popular-all, popular-WINDOW, or one that was published: transitions, rules,
    /// sknn, vsknn, vstan, with parameters as in vsknn:m=500,k=100; several separated by commas, may be repeated, `none`
    /// for none [default: popular-5m,15m,1h,6h,24h,all, recent and random]
    #[arg(long, value_name = "NAME")]
    pub(super) baseline: Vec<String>,
    /// How questions are asked
    #[arg(long, value_enum, default_value_t)]
    pub(super) protocol: ProtocolName,
    #[command(flatten)]
    pub(super) span: Span,
    /// How many items a list has [default: 20; 10 for `chameleon`]
    #[arg(short, long, value_name = "ITEMS")]
    pub(super) n: Option<NonZeroUsize>,
    /// Score one in so many of the events that could be; for `chameleon` ask about one in so many hours [default: 1; 5 hours]
    #[arg(long, value_name = "K")]
    pub(super) every: Option<NonZeroUsize>,
    /// Score also the first event of anybody on an item
    #[arg(long)]
    pub(super) first_clicks: bool,
    /// Score also events on items that the user has had
    #[arg(long)]
    pub(super) seen: bool,
    /// Ask without telling who asks
    #[arg(long)]
    pub(super) strangers: bool,
    /// Whom all are compared with [default: popular-1h, or else the first rival, or the first model]
    #[arg(long, value_name = "NAME")]
    pub(super) base: Option<String>,
    /// What random choices are made from
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// How many threads ask [default: one a processor]
    #[arg(long, value_name = "THREADS")]
    pub(super) threads: Option<NonZeroUsize>,
    #[command(flatten)]
    pub(super) from_config: ConfigArgs,
    /// Write the report with plots into this file, a page of HTML that needs nothing else
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// How questions are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ProtocolName {
    /// Everything learns as it goes
    #[default]
    Stream,
    /// EVENTS are learnt, and then the next item is asked for at each position of the sessions of --test
    Sessions,
    /// Hour by hour, the item among 50 others: for comparison with published tables only
    Chameleon,
}

impl EvaluateArgs {
    /// Whether all that is asked for is of the protocol.
    pub(super) fn fits(&self) -> Result<(), CliError> {
        let refused = |what: &str, of: &str| CliError::Failed(format!("{what} is of --protocol {of}"));
        let is_stream = self.protocol == ProtocolName::Stream;
        let of_stream = [
            ("--from", self.span.from.is_some()),
            ("--until", self.span.until.is_some()),
            ("--last", self.span.last.is_some()),
            ("--first-clicks", self.first_clicks),
            ("--seen", self.seen),
            ("--strangers", self.strangers),
            ("--every", self.every.is_some() && self.protocol == ProtocolName::Sessions),
        ];
        if let Some((option, _)) = of_stream.iter().find(|(_, given)| *given && !is_stream) {
            return Err(refused(option, "stream"));
        }
        match (self.protocol == ProtocolName::Sessions, self.test.is_empty()) {
            (true, true) => Err(CliError::Failed(
                "--protocol sessions needs the sessions to be asked about: name their file with --test FILE"
                    .to_owned(),
            )),
            (false, false) => Err(refused("--test", "sessions")),
            _ => Ok(()),
        }
    }

    /// The place of the base among all who are asked.
    pub(super) fn base(&self, models: &[Arc<Model>], baselines: &[Baseline]) -> Result<usize, CliError> {
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

    pub(super) fn rules(&self, stream: &Stream, types: EventTypeSet) -> Result<Rules, CliError> {
        let (from, until) = self.span.of(stream)?;
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
