//! The protocols by their names: what each asks, and what it says of itself.

use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use indicatif::ProgressBar;

use super::super::error::CliError;
use super::args::{EvaluateArgs, ProtocolName};
use crate::engine::events::event::{EventTypeSet, Timestamp};
use crate::engine::rank::model::Model;
use crate::evaluation::baselines::Baseline;
use crate::evaluation::contender::{Contender, Observed};
use crate::evaluation::model::{self, As};
use crate::evaluation::protocol::stream::{
    CLOSE, LeftOut, Questions, Rules, SOURCES_EVERY, questions, replay, steps,
};
use crate::evaluation::protocol::{chameleon, sessions};
use crate::evaluation::ranks::Ranks;
use crate::evaluation::report::Protocol;
use crate::evaluation::stream::Stream;
use crate::evaluation::tally::{Asked, Column};

/// Who is asked about what.
pub(super) struct Contest<'a> {
    pub args: &'a EvaluateArgs,
    pub stream: &'a Stream,
    pub models: &'a [Arc<Model>],
    pub baselines: &'a [Baseline],
    /// What is scored.
    pub types: EventTypeSet,
    /// How old pools of models may be, in ms.
    pub refresh: i64,
}

/// What was asked and answered.
pub(super) struct Answers {
    pub asked: Vec<Asked>,
    pub columns: Vec<Column>,
    pub eligible: u64,
    pub left_out: LeftOut,
    pub n: usize,
    pub protocol: Protocol,
}

/// The protocol in which some events are not asked about.
pub(super) const STREAM: &str = "stream";

const INTERVALS: &str = "intervals are of 95 %, by user: normal for means and cohorts, 1,000 Poisson bootstraps for comparisons with the base";

impl Contest<'_> {
    pub fn run(&self) -> Result<Answers, CliError> {
        match self.args.protocol {
            ProtocolName::Stream => self.stream(),
            ProtocolName::Sessions => self.sessions(),
            ProtocolName::Chameleon => self.chameleon(),
        }
    }

    fn contenders(&self, asked: As) -> Vec<Box<dyn Contender + '_>> {
        let rivals = self.baselines.iter().map(|baseline| baseline.make(self.stream, self.args.seed));
        model::contenders_as(self.stream, self.models, self.refresh, asked)
            .into_iter()
            .chain(rivals)
            .collect()
    }

    fn types(&self) -> String {
        self.types.names(&self.stream.config().event_types).collect::<Vec<_>>().join(", ")
    }

    fn stream(&self) -> Result<Answers, CliError> {
        let args = self.args;
        let rules = args.rules(self.stream, self.types)?;
        let Questions { asked, eligible, left_out } = questions(self.stream, &rules);
        if asked.is_empty() {
            return Err(CliError::Failed(format!(
                "nothing is scored: {} is of the span from {} on, of the types {}, by a user with an earlier event who \
                 has never had the item, which somebody has had; see --from, --last, --types, --first-clicks and --seen",
                if left_out == Default::default() { "no event" } else { "no event that is left" },
                Timestamp(rules.from),
                self.types(),
            )));
        }
        let threads = args
            .threads
            .map_or_else(|| thread::available_parallelism().map_or(1, NonZeroUsize::get), NonZeroUsize::get);
        let aligned = [self.refresh.max(1)];
        let bar = bar(steps(&asked, threads, &aligned));
        let make = || self.contenders(As::User);
        let columns =
            replay(self.stream, &rules, &asked, &make, (threads, &aligned), &|steps| bar.inc(steps));
        bar.finish_and_clear();
        let protocol = self.stream_rules(&rules);
        Ok(Answers { asked, columns, eligible, left_out, n: rules.n, protocol })
    }

    fn stream_rules(&self, rules: &Rules) -> Protocol {
        let until = if rules.until == i64::MAX {
            "to the end".to_owned()
        } else {
            format!("before {}", Timestamp(rules.until))
        };
        let every = match rules.every {
            1 => "each of them".to_owned(),
            every => format!("one in {every} of them"),
        };
        let item = match (rules.seen, rules.first_clicks) {
            (false, false) => "who have never had the item, which somebody has",
            (true, false) => "on items that somebody has had, they themselves perhaps",
            (false, true) => "who have never had the item, whether or not anybody has",
            (true, true) => "on any item",
        };
        let who = if rules.strangers { "nothing is told of who asks" } else { "the user is told" };
        let rules = vec![
            "everything learns as it goes: whoever is asked has been told of all that happened before, and of nothing else".to_owned(),
            format!("scored: events of the types {}, from {} {until}", self.types(), Timestamp(rules.from)),
            format!("by users with an earlier event, {item}; {every}"),
            format!("asked right before each: the top {} of all items that may be listed then, none sampled; {who}", rules.n),
            format!("pools of models are at most {} old", humantime::format_duration(Duration::from_millis(self.refresh.unsigned_abs()))),
            format!("which sources had what was clicked is asked for one question in {SOURCES_EVERY}; lists of different users are compared if they were asked for one after the other in the same {} min", CLOSE / 60_000),
            INTERVALS.to_owned(),
        ];
        Protocol { name: STREAM.to_owned(), rules }
    }

    fn sessions(&self) -> Result<Answers, CliError> {
        let (train, test) = self.stream.split();
        let n = self.args.n.map_or(sessions::LENGTH, NonZeroUsize::get);
        let test: Vec<Observed> =
            test.iter().filter(|event| self.types.contains(event.kind)).copied().collect();
        let bar = bar((train.len() + test.len()) as u64);
        let mut contenders = self.contenders(As::Session);
        let ranks = sessions::evaluate(train, &test, &mut contenders, n, &|steps| bar.inc(steps));
        bar.finish_and_clear();
        let rules = vec![
            format!("learnt, in the order of times: {} events, and nothing more", train.len()),
            format!(
                "asked for the very next item at each position but the first of each session of the test, told the items \
                 before: the top {n} of all items that were learnt but the last one of the session, none sampled"
            ),
            format!(
                "scored: events of the types {}; what was never learnt is missed, and counts",
                self.types()
            ),
            MODELS.to_owned(),
            INTERVALS.replace("user", "session"),
        ];
        let why = "no session of --test has two events of the types";
        self.answers(ranks, n, Protocol { name: "sessions".to_owned(), rules }, why)
    }

    fn chameleon(&self) -> Result<Answers, CliError> {
        let every = self.args.every.map_or(5, NonZeroUsize::get);
        let settings = chameleon::Settings {
            every: i64::try_from(every).unwrap_or(i64::MAX),
            seed: self.args.seed,
            ..chameleon::Settings::default()
        };
        let n = self.args.n.map_or(chameleon::LENGTH as usize, NonZeroUsize::get);
        let events = self.stream.events();
        let bar = bar(events.len() as u64);
        let mut contenders = self.contenders(As::Among);
        let ranks = chameleon::evaluate(events, &mut contenders, &settings, n, &|steps| bar.inc(steps));
        bar.finish_and_clear();
        let rules = vec![
            "for comparison with published tables only: among so few items everybody looks good".to_owned(),
            format!(
                "asked about the visits that begin in one hour in {every}, told what was before each began: where the item \
                 is among itself and {} others, drawn from the clicks of the last hour; the first {n} count",
                settings.negatives
            ),
            "scored: every event of a visit but its first".to_owned(),
            MODELS.to_owned(),
            INTERVALS.to_owned(),
        ];
        let why =
            "no visit of two events begins after the first hour in one that is asked about; see --every";
        self.answers(ranks, n, Protocol { name: "chameleon".to_owned(), rules }, why)
    }

    fn answers(&self, ranks: Ranks, n: usize, protocol: Protocol, why: &str) -> Result<Answers, CliError> {
        let Ranks { told, columns, .. } = ranks;
        if told.is_empty() {
            return Err(CliError::Failed(format!("nothing is scored: {why}")));
        }
        let eligible = told.len() as u64;
        Ok(Answers { asked: told, columns, eligible, left_out: LeftOut::default(), n, protocol })
    }
}

const MODELS: &str = "nobody is told who asks: models are asked as for a stranger, with the items so far as \
                      context_item_ids, as of the last event that they were told of";

fn bar(steps: u64) -> ProgressBar {
    match std::io::stderr().is_terminal() {
        true => ProgressBar::new(steps),
        false => ProgressBar::hidden(),
    }
}
