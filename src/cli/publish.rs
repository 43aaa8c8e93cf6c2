//! `headwater publish`: sends files of events and items to a running server, or straight to Kafka.

mod sink;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};

use super::client::ServerArgs;
use super::error::CliError;
use crate::codec::{Encoding, decode_event, decode_item};
use crate::engine::events::event::EventTypes;
use crate::files::{EventContent, EventFile, FileError, FileFormat, ItemContent, ItemFile, Progress};
use sink::Sink;

/// How many bad rows are named before the rest is only counted.
const NAMED: u64 = 20;

/// Send files of events and items to a server, or straight to Kafka
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headwater publish events.jsonl --items items.jsonl
  headwater publish events.csv.zst --server 127.0.0.1:7400
  headwater publish events.jsonl --kafka 127.0.0.1:9092
  tail -f clicks.jsonl | headwater publish - --format jsonl

Files are JSON Lines or CSV with a header row, plain or packed with gzip or zstd. Items are sent
first. A row that is not valid is named and left out, the others are sent, and the exit code is 1.")]
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
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What became of the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
struct Summary {
    events: u64,
    items: u64,
    rejected: u64,
}

pub(super) async fn run(args: &PublishArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let mut sink = match &args.kafka {
        Some(brokers) => Sink::kafka(brokers, &args.clicks_topic, &args.items_topic, &args.property).await?,
        None => Sink::server(&args.server).await?,
    };
    let mut rejects = Rejects::default();
    for path in &args.items {
        publish_items(path, args.format, &mut sink, &mut rejects).await?;
    }
    sink.flush().await?;
    for path in &args.events {
        publish_events(path, args.format, &mut sink, &mut rejects).await?;
    }
    sink.flush().await?;
    for (location, reason) in sink.rejected() {
        rejects.add(&location, &reason);
    }
    let summary = Summary { events: sink.events, items: sink.items, rejected: rejects.count };
    if args.json {
        let json = serde_json::to_string(&summary).map_err(|error| CliError::Failed(error.to_string()))?;
        writeln!(out, "{json}")?;
    } else {
        writeln!(
            out,
            "{} events, {} items sent; {} rejected",
            summary.events, summary.items, summary.rejected
        )?;
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

async fn publish_events(
    path: &Path,
    format: Option<FileFormat>,
    sink: &mut Sink,
    rejects: &mut Rejects,
) -> Result<(), CliError> {
    let file = EventFile::open(path, format)?;
    let bar = Bar::new(file.progress(), path);
    for row in file {
        bar.update();
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                rejects.row(error)?;
                continue;
            }
        };
        let json;
        let draft = match row.content {
            EventContent::Event(draft) => Ok(draft),
            EventContent::Json(line) => {
                json = line;
                decode_event(&json, Encoding::Json).map_err(|error| error.to_string())
            }
        };
        // Which types there are is the server's to say: here any will do.
        let draft = draft.and_then(|draft| {
            let types = EventTypes::new(draft.kind.as_deref());
            draft.check(&types).map_err(|error| error.to_string())?;
            Ok(draft)
        });
        match draft {
            Ok(draft) => sink.event(&draft, || location(path, row.line)).await?,
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
