//! `headwater generate`: writes a synthetic clickstream, its catalog and its ground truth.

mod error;
mod output;

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

pub use error::GenerateError;
pub use output::Compression;
use output::Output;

use crate::clock::wall_clock;
use crate::engine::events::event::Timestamp;
use crate::files::FileFormat;
use crate::generate::{
    Causes, GenerateSettings, GeneratedEvent, Generator, ITEM_CSV_HEADER, Lateness, write_item_csv,
    write_item_json,
};

const EXAMPLES: &str = "\
Examples:
  headwater generate --out data
  headwater generate --out data --ending-now          so that live windows cover it
  headwater generate --out big --users 1000000 --events-per-user 12 --compress zstd
  headwater generate --out planted --causes interest=60,related=25,popular=10,new=5
  headwater generate --out odd --late-share 0.1 --duplicate-share 0.05 --seed 7 --format csv

Writes items.*, events.* (in the order of arrival) and truth.jsonl* (settings, personas, bursts,
items by popularity, users with the instants at which their tastes change, and every event that is
late, sent twice or part of a burst). The same options give the same bytes on every machine.";

/// Make a synthetic clickstream and catalog, with its ground truth
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct GenerateArgs {
    /// Folder to write into; made if it is not there
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// How many users
    #[arg(long, default_value_t = GenerateSettings::default().users)]
    pub users: u32,
    /// How many items
    #[arg(long, default_value_t = GenerateSettings::default().items)]
    pub items: u32,
    /// How many distinct events; duplicates come on top
    #[arg(long, default_value_t = GenerateSettings::default().events)]
    pub events: u64,
    /// Give every user exactly this many events
    #[arg(long, value_name = "N", conflicts_with = "events")]
    pub events_per_user: Option<u32>,
    /// Names the data set
    #[arg(long, default_value_t = GenerateSettings::default().seed)]
    pub seed: u64,
    /// When the first event may happen (RFC 3339)
    #[arg(long, value_name = "TIME", default_value = "2026-01-05T00:00:00Z", value_parser = instant)]
    pub start: Timestamp,
    /// Let the span end now
    #[arg(long, conflicts_with = "start")]
    pub ending_now: bool,
    /// How long events go on, such as 7d or 36h
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = humantime::parse_duration)]
    pub span: Duration,
    /// Share of events that arrive up to 30 s late
    #[arg(long, value_name = "SHARE", default_value_t = GenerateSettings::default().late_share)]
    pub late_share: f64,
    /// Share of events that arrive up to 6 h late
    #[arg(long, value_name = "SHARE", default_value_t = GenerateSettings::default().very_late_share)]
    pub very_late_share: f64,
    /// Share of events that are sent twice
    #[arg(long, value_name = "SHARE", default_value_t = GenerateSettings::default().duplicate_share)]
    pub duplicate_share: f64,
    /// Share of users whose taste changes
    #[arg(long, value_name = "SHARE", default_value_t = GenerateSettings::default().drift_share)]
    pub drift_share: f64,
    /// How many times an item is suddenly hot for a while
    #[arg(long, value_name = "N", default_value_t = GenerateSettings::default().bursts)]
    pub bursts: u32,
    /// Plant why people look at an item, in parts, such as interest=60,related=25,popular=10,new=5: each from a handful of
    /// items, without bursts
    #[arg(long, value_name = "PARTS")]
    pub causes: Option<Causes>,
    /// Share of items that are created during the span
    #[arg(long, value_name = "SHARE", default_value_t = GenerateSettings::default().new_item_share)]
    pub new_item_share: f64,
    /// How events and items are written; the truth is always JSON Lines
    #[arg(long, value_enum, default_value_t = FileFormat::Jsonl)]
    pub format: FileFormat,
    /// Compress all files
    #[arg(long, value_enum)]
    pub compress: Option<Compression>,
    /// Overwrite files that are there
    #[arg(long)]
    pub force: bool,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
}

/// What was written.
#[derive(Debug, Default, Serialize)]
struct Summary {
    /// Rows of the events file, duplicates included.
    events: u64,
    duplicates: u64,
    late: u64,
    very_late: u64,
    in_bursts: u64,
    users: u32,
    items: usize,
    start: String,
    end: String,
    files: Vec<String>,
}

/// What is told of an event that is late, sent twice or part of a burst.
#[derive(Serialize)]
struct EventTruthLine {
    event_id: String,
    arrival: Timestamp,
    #[serde(flatten)]
    truth: crate::generate::EventTruth,
}

/// Generates the files and prints one line about them.
///
/// # Errors
/// An option is out of its range, a file exists already, or something cannot be written.
pub fn run(args: &GenerateArgs, out: &mut dyn Write) -> Result<(), GenerateError> {
    let generator = Generator::new(args.settings())?;
    let format = match args.format {
        FileFormat::Jsonl => "jsonl",
        FileFormat::Csv => "csv",
    };
    let paths = [("items", format), ("events", format), ("truth", "jsonl")].map(|(name, format)| {
        args.out.join(format!("{name}.{format}{}", Compression::suffix(args.compress)))
    });
    if let Some(taken) = paths.iter().find(|path| !args.force && path.exists()) {
        return Err(GenerateError::Exists(taken.clone()));
    }
    fs::create_dir_all(&args.out)
        .map_err(|source| GenerateError::Write { path: args.out.clone(), source })?;
    let [mut items, mut events, mut truth] = {
        let [items, events, truth] = &paths;
        let create = |path| Output::create(path, args.compress, args.force);
        [create(items)?, create(events)?, create(truth)?]
    };

    write_items(&generator, args.format, &mut items)?;
    write_truth(&generator, &mut truth)?;
    let mut summary = write_events(&generator, args.format, &mut events, &mut truth)?;
    for file in [items, events, truth] {
        file.finish()?;
    }
    summary.files = paths.iter().map(|path| path.display().to_string()).collect();
    summary.print(args.json, out).map_err(GenerateError::Print)
}

impl GenerateArgs {
    fn settings(&self) -> GenerateSettings {
        let span_ms = i64::try_from(self.span.as_millis()).unwrap_or(i64::MAX);
        let start = if self.ending_now { Timestamp(wall_clock()).minus(span_ms) } else { self.start };
        GenerateSettings {
            seed: self.seed,
            users: self.users,
            items: self.items,
            events: self.events,
            events_per_user: self.events_per_user,
            start,
            span_ms,
            late_share: self.late_share,
            very_late_share: self.very_late_share,
            duplicate_share: self.duplicate_share,
            drift_share: self.drift_share,
            bursts: self.bursts,
            causes: self.causes,
            new_item_share: self.new_item_share,
            ..GenerateSettings::default()
        }
    }
}

fn write_items(generator: &Generator, format: FileFormat, file: &mut Output) -> Result<(), GenerateError> {
    if format == FileFormat::Csv {
        file.write(|row| row.write_all(ITEM_CSV_HEADER.as_bytes()))?;
    }
    for item in generator.items() {
        file.write(|row| match format {
            FileFormat::Csv => write_item_csv(item, row),
            FileFormat::Jsonl => write_item_json(item, row).and_then(|()| row.write_all(b"\n")),
        })?;
    }
    Ok(())
}

fn write_truth(generator: &Generator, file: &mut Output) -> Result<(), GenerateError> {
    let truth = generator.truth();
    file.write_truth("settings", generator.settings())?;
    truth.personas().try_for_each(|persona| file.write_truth("persona", persona))?;
    truth.bursts().try_for_each(|burst| file.write_truth("burst", burst))?;
    truth.items().try_for_each(|item| file.write_truth("item", item))?;
    truth.users().try_for_each(|user| file.write_truth("user", user))
}

fn write_events(
    generator: &Generator,
    format: FileFormat,
    file: &mut Output,
    truth: &mut Output,
) -> Result<Summary, GenerateError> {
    let settings = generator.settings();
    let mut summary = Summary {
        users: settings.users,
        items: generator.items().len(),
        start: settings.start.to_string(),
        end: settings.end().to_string(),
        ..Summary::default()
    };
    if format == FileFormat::Csv {
        file.write(|row| row.write_all(GeneratedEvent::CSV_HEADER.as_bytes()))?;
    }
    let bar = progress_bar(settings.distinct_events());
    for event in generator.events() {
        file.write(|row| match format {
            FileFormat::Csv => event.write_csv(row),
            FileFormat::Jsonl => event.write_json(row).and_then(|()| row.write_all(b"\n")),
        })?;
        let about = event.truth;
        summary.count(&about);
        if about.duplicate || about.burst || about.lateness != Lateness::OnTime {
            let event_id = event.event_id();
            truth.write_truth("event", EventTruthLine { event_id, arrival: event.arrival, truth: about })?;
        }
        if summary.events.is_multiple_of(4096) {
            bar.set_position(summary.events - summary.duplicates);
        }
    }
    bar.finish_and_clear();
    Ok(summary)
}

/// A bar on a terminal, and nothing anywhere else.
fn progress_bar(events: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} events, {per_sec}, {eta} left");
    ProgressBar::new(events).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

impl Summary {
    fn count(&mut self, truth: &crate::generate::EventTruth) {
        self.events += 1;
        self.duplicates += u64::from(truth.duplicate);
        self.late += u64::from(truth.lateness == Lateness::Late && !truth.duplicate);
        self.very_late += u64::from(truth.lateness == Lateness::VeryLate && !truth.duplicate);
        self.in_bursts += u64::from(truth.burst && !truth.duplicate);
    }

    fn print(&self, as_json: bool, out: &mut dyn Write) -> io::Result<()> {
        if as_json {
            serde_json::to_writer(&mut *out, self)?;
            return writeln!(out);
        }
        let Self { events, duplicates, late, very_late, in_bursts, users, items, start, end, files } = self;
        writeln!(
            out,
            "wrote {events} events ({late} late, {very_late} very late, {duplicates} sent twice, {in_bursts} \
             in bursts) by {users} users on {items} items from {start} to {end}: {}",
            files.join(", ")
        )
    }
}

fn instant(text: &str) -> Result<Timestamp, String> {
    Timestamp::from_rfc3339(text).ok_or_else(|| "expected a time like 2026-01-31T12:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use clap::Parser;

    use super::*;
    use crate::files::{EventContent, EventFile, ItemFile};

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: GenerateArgs,
    }

    fn generate(folder: &Path, options: &[&str]) -> Result<String, String> {
        let start = ["generate", "--users=50", "--items=80", "--out"].map(Into::into);
        let words = start.into_iter().chain([folder.as_os_str().to_owned()]);
        let words = words.chain(options.iter().map(Into::into));
        let command = Command::try_parse_from(words).map_err(|error| error.to_string())?;
        let mut out = Vec::new();
        run(&command.args, &mut out).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn truth(path: &Path) -> Vec<serde_json::Value> {
        let lines = EventFile::open(path, None).unwrap().map(|line| line.unwrap().content);
        let parse = |content| match content {
            EventContent::Json(line) => serde_json::from_slice(&line).unwrap(),
            EventContent::Event(event) => panic!("not a line: {event:?}"),
        };
        lines.map(parse).collect()
    }

    #[test]
    fn the_files_hold_what_the_summary_says_in_every_format_and_compression() {
        let folder = tempfile::tempdir().unwrap();
        for (format, compress) in [
            ("jsonl", None),
            ("csv", None),
            ("csv", Some(("zstd", ".zst"))),
            ("jsonl", Some(("gzip", ".gz"))),
        ] {
            let (name, end) = compress.unzip();
            let compress = name.map(|name| format!("--compress={name}"));
            let format_option = format!("--format={format}");
            let mut options = vec!["--events=3000", "--json", "--force", &format_option];
            options.extend(compress.as_deref());
            let summary = generate(folder.path(), &options).unwrap();
            let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
            let path =
                |name: &str, format| folder.path().join(format!("{name}.{format}{}", end.unwrap_or("")));
            let events = EventFile::open(&path("events", format), None).unwrap().map(Result::unwrap).count();
            assert_eq!(summary["events"], events);
            assert_eq!(events as u64, 3000 + summary["duplicates"].as_u64().unwrap());
            let items = ItemFile::open(&path("items", format), None).unwrap().map(Result::unwrap).count();
            assert_eq!((items, &summary["items"]), (80, &80.into()));

            let mut counts: BTreeMap<String, u64> = BTreeMap::new();
            let lines = truth(&path("truth", "jsonl"));
            for line in &lines {
                *counts.entry(line["truth"].as_str().unwrap().to_owned()).or_default() += 1;
            }
            assert_eq!((counts["settings"], counts["user"], counts["item"], counts["burst"]), (1, 50, 80, 6));
            let duplicates = lines.iter().filter(|line| line["duplicate"] == true).count();
            assert_eq!(summary["duplicates"], duplicates);
            assert!(duplicates > 0 && summary["late"].as_u64() > Some(0));
        }
    }

    #[test]
    fn files_that_are_there_are_only_overwritten_when_asked() {
        let folder = tempfile::tempdir().unwrap();
        generate(folder.path(), &["--events=10"]).unwrap();
        let before = fs::read(folder.path().join("events.jsonl")).unwrap();
        let refused = generate(folder.path(), &["--events=20"]).unwrap_err();
        assert!(
            refused.ends_with("items.jsonl exists; choose another --out, or add --force to overwrite it")
        );
        assert_eq!(fs::read(folder.path().join("events.jsonl")).unwrap(), before);
        let said = generate(folder.path(), &["--events=5", "--force", "--duplicate-share=0"]).unwrap();
        assert!(said.starts_with("wrote 5 events (") && said.ends_with("truth.jsonl\n"), "{said}");
        assert_eq!(EventFile::open(&folder.path().join("events.jsonl"), None).unwrap().count(), 5);
    }

    #[test]
    fn options_reach_the_settings_and_wrong_ones_are_explained() {
        let folder = tempfile::tempdir().unwrap();
        let options = ["--events-per-user=3", "--start=2026-06-01T00:00:00+02:00", "--span=36h", "--seed=9"];
        generate(folder.path(), &options).unwrap();
        let settings = truth(&folder.path().join("truth.jsonl")).swap_remove(0);
        assert_eq!((&settings["seed"], &settings["events_per_user"]), (&9.into(), &3.into()));
        assert_eq!(settings["start"], 1_780_264_800_000_i64);
        assert_eq!(settings["span_ms"], 129_600_000);

        let wrong = |option| generate(&folder.path().join("new"), &[option]).unwrap_err();
        assert_eq!(wrong("--late-share=2"), "`late_share` is 2, expected 0 to 1");
        assert!(wrong("--start=yesterday").contains("expected a time like 2026-01-31T12:00:00Z"));
        assert!(!folder.path().join("new").exists());
    }

    #[test]
    fn a_span_that_ends_now_does() {
        let folder = tempfile::tempdir().unwrap();
        let before = wall_clock();
        generate(folder.path(), &["--events=10", "--ending-now", "--span=2h"]).unwrap();
        let settings = truth(&folder.path().join("truth.jsonl")).swap_remove(0);
        let end = settings["start"].as_i64().unwrap() + 7_200_000;
        assert!((before..=wall_clock()).contains(&end));
    }
}
