//! `headwater publish`: sends files of events and items to a running server, or straight to Kafka.

mod sink;
mod times;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};

use super::client::ServerArgs;
use super::error::CliError;
use crate::clock::wall_clock;
use crate::codec::{Encoding, decode_event, decode_item};
use crate::engine::events::event::{EventDraft, EventTypes, Timestamp};
use crate::files::{EventContent, EventFile, FileError, FileFormat, ItemContent, ItemFile, Progress};
use sink::Sink;
use times::{Span, Unit};

/// How many bad rows are named before the rest is only counted.
const NAMED: u64 = 20;

/// Send files of events and items to a server, or straight to Kafka
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headwater publish events.jsonl --items items.jsonl
  headwater publish events.csv.zst --server 127.0.0.1:7400
  headwater publish events.jsonl --kafka 127.0.0.1:9092
  headwater publish clicks-of-2018.csv.zst --shift-to-now
  tail -f clicks.jsonl | headwater publish - --format jsonl

Files are JSON Lines or CSV with a header row, plain or packed with gzip or zstd. Items are sent
first. A row that is not valid is named and left out, the others are sent, and the exit code is 1. Files of
which no event is young enough to count are refused before anything is sent.")]
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
    rejected: u64,
}

/// How events are read.
struct Reading {
    format: Option<FileFormat>,
    unit: Unit,
    /// What is added to each time, in ms.
    shift: i64,
}

pub(super) async fn run(args: &PublishArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let reading = reading(args)?;
    let mut sink = match &args.kafka {
        Some(brokers) => Sink::kafka(brokers, &args.clicks_topic, &args.items_topic, &args.property).await?,
        None => Sink::server(&args.server).await?,
    };
    let mut rejects = Rejects::default();
    for path in &args.items {
        publish_items(path, args.format, &mut sink, &mut rejects).await?;
    }
    sink.flush().await?;
    let mut span = Span::default();
    for path in &args.events {
        publish_events(path, &reading, &mut sink, &mut rejects, &mut span).await?;
    }
    sink.flush().await?;
    for (location, reason) in sink.rejected() {
        rejects.add(&location, &reason);
    }
    let summary = Summary {
        events: sink.events,
        first_event: span.ends.map(|(first, _)| first.0),
        last_event: span.ends.map(|(_, last)| last.0),
        items: sink.items,
        rejected: rejects.count,
    };
    if args.json {
        let json = serde_json::to_string(&summary).map_err(|error| CliError::Failed(error.to_string()))?;
        writeln!(out, "{json}")?;
    } else {
        let Summary { events, items, rejected, .. } = summary;
        let times = span.ends.map(|(first, last)| format!(" of {first} to {last}")).unwrap_or_default();
        writeln!(out, "{events} events{times}, {items} items sent; {rejected} rejected")?;
    }
    match summary.rejected {
        0 => Ok(()),
        rejected => Err(CliError::Failed(format!("{rejected} rows were rejected"))),
    }
}

async fn publish_items(
    path: &Path,
    format: Option<FileFormat>,
    sink: &mut Sink,
    rejects: &mut Rejects,
) -> Result<(), CliError> {
    let file = ItemFile::open(path, format)?;
    let bar = Bar::new(file.progress(), path);
    for row in file {
        bar.update();
        let (line, item) = match row {
            Ok(row) => match row.content {
                ItemContent::Item(item) => (row.line, item.check().map_err(|error| error.to_string())),
                ItemContent::Json(json) => {
                    (row.line, decode_item(&json, Encoding::Json).map_err(|error| error.to_string()))
                }
            },
            Err(error) => {
                rejects.row(error)?;
                continue;
            }
        };
        match item {
            Ok(item) => sink.item(&item).await?,
            Err(reason) => rejects.add(&location(path, line), &reason),
        }
    }
    Ok(())
}

/// Whether a path can be read once only: standard input, a pipe.
fn is_stream(path: &Path) -> bool {
    path.as_os_str() == "-" || std::fs::metadata(path).is_ok_and(|is| !is.is_file() && !is.is_dir())
}

/// How to read the events, by what their files hold. What can't be read twice is taken as it is.
fn reading(args: &PublishArgs) -> Result<Reading, CliError> {
    let mut reading = Reading { format: args.format, unit: args.ts_unit, shift: 0 };
    let from_stream = args.events.iter().any(|path| is_stream(path));
    if from_stream && args.shift_to_now {
        let why = "`--shift-to-now` has to know the newest event before the first one is sent: it takes files, not standard input or a pipe";
        return Err(CliError::Failed(why.to_owned()));
    }
    if from_stream || args.any_time && !args.shift_to_now {
        return Ok(reading);
    }
    let mut span = Span::default();
    for path in &args.events {
        for row in EventFile::open(path, reading.format)? {
            match row {
                Ok(mut row) => {
                    let draft = reading.draft(&mut row.content);
                    draft.into_iter().filter_map(|draft| draft.ts).for_each(|ts| span.add(Timestamp(ts)));
                }
                Err(error) if error.is_final() => return Err(error.into()),
                // It is named when the others are sent.
                Err(_) => {}
            }
        }
    }
    let now = Timestamp(wall_clock());
    match span.ends {
        Some((_, newest)) if args.shift_to_now => reading.shift = now.0 - newest.0,
        _ => span.check(now)?,
    }
    Ok(reading)
}

impl Reading {
    /// An event as it is to be sent, or why it can't be.
    fn draft<'a>(&self, content: &'a mut EventContent) -> Result<EventDraft<'a>, String> {
        let mut draft = match content {
            EventContent::Event(draft) => std::mem::take(draft),
            EventContent::Json(line) => {
                decode_event(line, Encoding::Json).map_err(|error| error.to_string())?
            }
        };
        draft.ts = draft.ts.map(|ts| self.unit.millis(ts).saturating_add(self.shift));
        // Which types there are is the server's to say: here any will do.
        let types = EventTypes::new(draft.kind.as_deref());
        draft.check(&types).map_err(|error| error.to_string())?;
        Ok(draft)
    }
}

async fn publish_events(
    path: &Path,
    reading: &Reading,
    sink: &mut Sink,
    rejects: &mut Rejects,
    span: &mut Span,
) -> Result<(), CliError> {
    let file = EventFile::open(path, reading.format)?;
    let bar = Bar::new(file.progress(), path);
    for row in file {
        bar.update();
        let mut row = match row {
            Ok(row) => row,
            Err(error) => {
                rejects.row(error)?;
                continue;
            }
        };
        match reading.draft(&mut row.content) {
            Ok(draft) => {
                draft.ts.into_iter().for_each(|ts| span.add(Timestamp(ts)));
                sink.event(&draft, || location(path, row.line)).await?;
            }
            Err(reason) => rejects.add(&location(path, row.line), &reason),
        }
    }
    Ok(())
}

fn location(path: &Path, line: u64) -> String {
    format!("{}:{line}", path.display())
}

/// Rows that could not be sent, named on standard error.
#[derive(Default)]
struct Rejects {
    count: u64,
}

impl Rejects {
    fn add(&mut self, location: &str, reason: &str) {
        self.report(&format!("{location}: {reason}"));
    }

    /// A row that could not be read. A file that can't be read on is an error.
    fn row(&mut self, error: FileError) -> Result<(), FileError> {
        if error.is_final() {
            return Err(error);
        }
        self.report(&error.to_string());
        Ok(())
    }

    fn report(&mut self, line: &str) {
        self.count += 1;
        let mut stderr = std::io::stderr();
        // With standard error gone there is still the count.
        let _ = match self.count {
            ..=NAMED => writeln!(stderr, "rejected: {line}"),
            count if count == NAMED + 1 => writeln!(stderr, "rejected: more rows, which are only counted"),
            _ => Ok(()),
        };
    }
}

/// Shows how much of a file is done, on a terminal.
struct Bar {
    bar: ProgressBar,
    progress: Progress,
}

impl Bar {
    fn new(progress: Progress, path: &Path) -> Self {
        let bar = match (std::io::stderr().is_terminal(), progress.total()) {
            (false, _) => ProgressBar::hidden(),
            (true, Some(total)) => ProgressBar::new(total),
            (true, None) => ProgressBar::new_spinner(),
        };
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}") {
            bar.set_style(style);
        }
        bar.set_message(path.display().to_string());
        Self { bar, progress }
    }

    fn update(&self) {
        self.bar.set_position(self.progress.position());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
