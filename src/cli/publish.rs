//! `headwater publish`: sends files of events and items to a running server, or straight to Kafka.

mod interrupt;
mod ledger;
mod rejects;
mod rows;
mod sink;
mod times;

use std::io::Write;
use std::path::{Path, PathBuf};

use super::client::ServerArgs;
use super::error::CliError;
use super::print::counted;
use crate::clock::wall_clock;
use crate::engine::events::event::Timestamp;
use crate::files::{FileFormat, Reading, Renames};
use interrupt::Interrupt;
use ledger::{Before, Ledger};
use rejects::{Notices, Rejects};
use rows::Rows;
use sink::Sink;
use times::Span;
pub(super) use times::Unit;

/// Send files of events and items to a server, or straight to Kafka
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headwater publish events.jsonl --items items.jsonl
  headwater publish events.csv.zst --server 127.0.0.1:7400
  headwater publish events.jsonl --kafka 127.0.0.1:9092
  headwater publish clicks-of-2018.csv.zst --shift-to-now
  headwater publish export.csv --separator ';' --map userId=user_id,when=ts --ts-unit s
  headwater publish events.jsonl --resume
  tail -f clicks.jsonl | headwater publish - --format jsonl

Files are JSON Lines, a JSON array or CSV with a header row, plain or packed with gzip or zstd. Items are sent
first. A row that is not valid is named and left out, the others are sent, and the exit code is 1. Files of
which no event is young enough to count are refused before anything is sent. ctrl-c sends what was read and says
how to go on from there (exit code 130).

What was sent of a file of events is kept beside it, in FILE.sent: a file that was sent already is refused; with
--resume what follows what was sent is sent, with --again all of it.")]
pub(super) struct PublishArgs {
    /// Files of events, `-` for standard input
    #[arg(value_name = "EVENTS", required_unless_present = "items")]
    events: Vec<PathBuf>,
    /// A file of items; may be repeated
    #[arg(long, value_name = "FILE")]
    items: Vec<PathBuf>,
    /// What the files are [default: what their names end with]
    #[arg(long)]
    format: Option<FileFormat>,
    #[command(flatten)]
    server: ServerArgs,
    /// Send straight to this Kafka
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "server")]
    kafka: Option<String>,
    /// The topic of events in Kafka
    #[arg(long, default_value = "clicks", requires = "kafka")]
    clicks_topic: String,
    /// The topic of items in Kafka
    #[arg(long, default_value = "items", requires = "kafka")]
    items_topic: String,
    /// A librdkafka property; may be repeated
    #[arg(long, value_name = "NAME=VALUE", requires = "kafka")]
    property: Vec<String>,
    /// What times of events that are numbers count
    #[arg(long, value_enum, default_value_t)]
    ts_unit: Unit,
    /// Move the times of all events by the same length, so that the newest one is of now
    #[arg(long, requires = "events")]
    shift_to_now: bool,
    /// Send events though no window would count any of them
    #[arg(long)]
    any_time: bool,
    /// What a file calls the fields of events and items: THEIRS=OURS, several separated by commas; may be repeated
    #[arg(long, value_name = "THEIRS=OURS", value_delimiter = ',')]
    map: Vec<String>,
    /// What is between two cells of CSV
    #[arg(long, value_name = "CHARACTER", default_value = ",", value_parser = parse_separator)]
    separator: u8,
    /// Leave out so many rows of the first file of events, which were sent before
    #[arg(long, value_name = "ROWS", default_value_t = 0, requires = "events")]
    skip: u64,
    /// Leave out what was sent of each file of events before, as FILE.sent beside it says
    #[arg(long, requires = "events", conflicts_with_all = ["again", "skip"])]
    resume: bool,
    /// Send files of events though they were sent before, so that they count again
    #[arg(long, requires = "events", conflicts_with = "skip")]
    again: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What became of the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
struct Summary {
    events: u64,
    /// Of the oldest event and of the newest, in ms since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_event: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_event: Option<i64>,
    items: u64,
    items_without_category: u64,
    rejected: u64,
}

/// A file of events that was begun, and how many rows were read before it.
struct Begun<'a> {
    path: &'a Path,
    before: u64,
    /// Whether account is kept of it.
    is_kept: bool,
}

pub(super) async fn run(args: &PublishArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let notices = Notices { json: args.json };
    let mut rows = rows(args, notices)?;
    let mut ledgers = ledgers(args, &rows)?;
    let rejects = Rejects::new(notices);
    let mut sink = match &args.kafka {
        Some(brokers) => {
            let (clicks, items) = (&args.clicks_topic, &args.items_topic);
            Sink::kafka(brokers, clicks, items, &args.property, rejects).await?
        }
        None => Sink::server(&args.server, rejects).await?,
    };
    let mut begun = Vec::new();
    begin(&mut ledgers, args, notices)?;
    let sent = send(args, &mut rows, &mut sink, (&mut ledgers, &mut begun)).await;
    let rejected = sink.finish_rejects();
    if rows.interrupt.came() || sent.is_err() && sink.acknowledged().row > 0 {
        notices.tell("sent before that", &how_to_go_on(&sink, &begun, args.skip));
    }
    sent?;
    // What was sent just now may not be in the catalog yet.
    if args.items.is_empty() && !rows.interrupt.came() {
        warn_of_strangers(&sink, notices).await;
    }
    let done = sink.acknowledged();
    let summary = Summary {
        events: done.events,
        first_event: rows.span.ends.map(|(first, _)| first.0),
        last_event: rows.span.ends.map(|(_, last)| last.0),
        items: done.items,
        items_without_category: rows.bare_items,
        rejected,
    };
    summary.print(rows.span, args.json, out)?;
    match (rows.interrupt.came(), rejected) {
        (true, _) => Err(CliError::Interrupted("ended by ctrl-c".to_owned())),
        (_, 0) => Ok(()),
        (_, 1) => Err(CliError::Failed("1 row was rejected".to_owned())),
        (_, rejected) => Err(CliError::Failed(format!("{rejected} rows were rejected"))),
    }
}

async fn send<'a>(
    args: &'a PublishArgs,
    rows: &mut Rows,
    sink: &mut Sink,
    (ledgers, begun): (&mut [Option<Ledger>], &mut Vec<Begun<'a>>),
) -> Result<(), CliError> {
    for path in &args.items {
        rows.items(path, sink).await?;
    }
    sink.flush().await?;
    if rows.bare_items > 0 {
        let (bare, all) = (rows.bare_items, counted(sink.acknowledged().items, "item"));
        let why = format!(
            "{bare} of {all} came without a category: no interest leads to such an item, and one that had \
             categories before has lost them"
        );
        rows.notices.tell("warning", &why);
    }
    for (index, (path, ledger)) in args.events.iter().zip(ledgers).enumerate() {
        if rows.interrupt.came() {
            break;
        }
        let is_kept = ledger.as_ref().is_some_and(Ledger::is_kept);
        begun.push(Begun { path, before: rows.count, is_kept });
        rows.events(path, if index == 0 { args.skip } else { 0 }, sink, ledger.as_mut()).await?;
    }
    Ok(())
}

/// Warns if the events name nothing that the catalog has.
async fn warn_of_strangers(sink: &Sink, notices: Notices) {
    if let Some((item_id, count)) = sink.strangers().await {
        let items =
            if count == 1 { "the item".to_owned() } else { format!("any of the first {count} items") };
        let why = format!(
            "the catalog does not have {items} that these events name, such as `{item_id}`: only items of the \
             catalog are in lists. Are these its ids?"
        );
        notices.tell("warning", &why);
    }
}

/// What was sent before of each file of events that can be read again.
fn ledgers(args: &PublishArgs, rows: &Rows) -> Result<Vec<Option<Ledger>>, CliError> {
    let target = match &args.kafka {
        Some(brokers) => format!("{brokers} {}", args.clicks_topic),
        None => args.server.address()?.to_string(),
    };
    let twice = (0..).zip(&args.events).find(|(index, path)| args.events[..*index].contains(path));
    if let Some((_, path)) = twice.filter(|(_, path)| !args.again && !is_stream(path)) {
        let why = format!("nothing was sent: {} is named twice, and would count twice", path.display());
        return Err(CliError::Failed(why));
    }
    let open = |(index, path): (usize, &PathBuf)| {
        if is_stream(path) {
            return Ok(None);
        }
        let before = match args {
            PublishArgs { resume: true, .. } => Before::LeaveOut,
            PublishArgs { again: true, .. } => Before::SendAnew,
            // Whoever says so knows what was sent.
            PublishArgs { skip: 1.., .. } if index == 0 => Before::SendAnew,
            _ => Before::Refuse,
        };
        Ledger::open(path, &target, (&rows.reading, rows.shift), before).map(Some)
    };
    args.events.iter().enumerate().map(open).collect()
}

/// Begins to keep account of what is sent, and says what is left out.
fn begin(ledgers: &mut [Option<Ledger>], args: &PublishArgs, notices: Notices) -> Result<(), CliError> {
    for (path, ledger) in args.events.iter().zip(ledgers) {
        let (path, Some(ledger)) = (path.display(), ledger) else { continue };
        if ledger.rows_sent() > 0 {
            let rows = counted(ledger.rows_sent(), "row");
            notices.tell("sent before", &format!("{rows} of {path}, which are left out"));
        }
        if let Err(error) = ledger.begin() {
            let why = format!(
                "what is sent of {path} can't be kept beside it ({error}): sent again, it counts again"
            );
            if args.resume {
                return Err(CliError::Failed(format!("nothing was sent: {why}")));
            }
            notices.tell("warning", &why);
        }
    }
    Ok(())
}

/// What was acknowledged, and what to call to send the rest.
fn how_to_go_on(sink: &Sink, begun: &[Begun<'_>], skipped: u64) -> String {
    let done = sink.acknowledged();
    let (events, items) = (counted(done.events, "event"), counted(done.items, "item"));
    let file = begun.iter().rev().find(|file| file.before < done.row).or(begun.first());
    let next = match file {
        None => "call it again: an item that comes twice changes nothing".to_owned(),
        Some(_) if begun.iter().all(|file| file.is_kept) => {
            "to go on, call it again with --resume".to_owned()
        }
        Some(Begun { path, before, .. }) => format!(
            "to go on, call it again without --items, with {} as the first file of events, and --skip {}",
            path.display(),
            done.row.checked_sub(*before).filter(|rows| *rows > 0).unwrap_or(skipped)
        ),
    };
    format!("{events}, {items}; {next}")
}

impl Summary {
    fn print(&self, span: Span, as_json: bool, out: &mut dyn Write) -> Result<(), CliError> {
        if as_json {
            let json = serde_json::to_string(self).map_err(|error| CliError::Failed(error.to_string()))?;
            return Ok(writeln!(out, "{json}")?);
        }
        let (events, items) = (counted(self.events, "event"), counted(self.items, "item"));
        let times = span.ends.map(|(first, last)| format!(" of {first} to {last}")).unwrap_or_default();
        Ok(writeln!(out, "{events}{times}, {items} sent; {} rejected", self.rejected)?)
    }
}

/// Whether a path can be read once only: standard input, a pipe.
fn is_stream(path: &Path) -> bool {
    path.as_os_str() == "-" || std::fs::metadata(path).is_ok_and(|is| !is.is_file() && !is.is_dir())
}

/// How to read rows, by what the files of events hold. What can't be read twice is taken as it is.
fn rows(args: &PublishArgs, notices: Notices) -> Result<Rows, CliError> {
    let mut renames = Renames::default();
    for field in &args.map {
        renames.add(field).map_err(|why| CliError::Failed(format!("--map: {why}")))?;
    }
    let mut rows = Rows {
        reading: Reading { format: args.format, separator: args.separator, renames },
        unit: args.ts_unit,
        shift: 0,
        interrupt: Interrupt::listen(notices)?,
        notices,
        count: 0,
        bare_items: 0,
        span: Span::default(),
    };
    let from_stream = args.events.iter().any(|path| is_stream(path));
    if from_stream && args.shift_to_now {
        let why = "`--shift-to-now` has to know the newest event before the first one is sent: it takes files, not standard input or a pipe";
        return Err(CliError::Failed(why.to_owned()));
    }
    if from_stream || args.any_time && !args.shift_to_now {
        return Ok(rows);
    }
    let span = rows.look(&args.events)?;
    let now = Timestamp(wall_clock());
    match span.ends {
        Some((_, newest)) if args.shift_to_now => rows.shift = now.0 - newest.0,
        _ => span.check(now)?,
    }
    Ok(rows)
}

pub(super) fn parse_separator(text: &str) -> Result<u8, String> {
    match (text, text.as_bytes()) {
        ("\\t", _) => Ok(b'\t'),
        (_, [one]) if one.is_ascii() && ![b'"', b'\n', b'\r'].contains(one) => Ok(*one),
        _ => Err("expected one character, such as `;`, or `\\t` for a tab".to_owned()),
    }
}
