//! `headwater features`: a table to train a forest on, from a replay of what has happened.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indicatif::ProgressBar;

use super::config::{CheckError, ConfigArgs};
use super::error::CliError;
use super::inputs::{Inputs, model_file, positive};
use super::print::counted;
use super::span::Span;
use super::terminal::visible;
use crate::engine::config::StreamConfig;
use crate::engine::rank::forest::signal::Named;
use crate::engine::rank::model::Model;
use crate::evaluation::features::{Candidate, Sink, Told, export};
use crate::evaluation::protocol::stream::Rules;
use crate::models::{BUILT_IN_MODEL, ModelsError, Written, parse_written};

/// How many candidates of a question are told where the model does not say it.
const CANDIDATES: usize = 200;
const ZSTD_LEVEL: i32 = 3;

/// Write a table to train a forest on: the best candidates right before each scored event, and which was clicked
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headwater features events.jsonl --items items.jsonl --model models/news.toml --out train.csv.zst
  headwater features events.csv.zst --items items.csv.zst --from 2026-01-01T00:00:00Z --until 2026-01-06T00:00:00Z --every 10 --out train.csv.zst
  headwater features --data /var/lib/headwater --last 2d --out train.csv

Events are replayed as `headwater evaluate` does. Right before a scored event is told, the model's linear score gives its best
candidates, whose numbers are written as they would be looked at in serving: one row a candidate, with the number of its
question (query), the instant (ts, in ms) and whether it is what was turned to (clicked). The rows of a question
come one after the other, best first. Questions whose event is on none of the candidates are left out. The same files and
options write the same bytes. docs/forest.md says what the columns mean, and how to train on them.")]
pub(super) struct FeaturesArgs {
    #[command(flatten)]
    inputs: Inputs,
    /// The model whose candidates they are [default: the built-in model]
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// The file to write, packed with zstd if its name ends in .zst; `-` for standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Overwrite the file if it is there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    span: Span,
    /// Score one in so many of the events that could be
    #[arg(long, value_name = "K", default_value = "1")]
    every: NonZeroUsize,
    /// How many candidates of each question are written [default: as many as the model's forest ranks, or 200]
    #[arg(long, value_name = "CANDIDATES", value_parser = clap::value_parser!(u16).range(2..=1000))]
    rerank: Option<u16>,
    #[command(flatten)]
    from_config: ConfigArgs,
}

pub(super) fn run(
    args: &FeaturesArgs,
    environment: &BTreeMap<String, String>,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let mut from_config = args.from_config.clone();
    from_config.set.extend(args.inputs.set());
    let whole = from_config.load(environment)?;
    let refresh = i64::try_from(whole.server.pool_refresh.as_millis()).unwrap_or(i64::MAX);
    let config = Arc::new(whole.stream.clone());
    let model = args.model(&config)?;
    let positive = positive(Some(&model), &config);
    let types = args.span.types(&config, positive)?;
    let mut table = Table::create(&args.out, args.force, out)?;
    let (stream, _) = args.inputs.read(&[], &whole, positive, &tell)?;
    let (from, until) = args.span.of(&stream)?;
    let forest = model.reranking.as_ref().map_or(CANDIDATES, |reranking| reranking.candidates);
    let rules = Rules {
        n: args.rerank.map_or(forest, usize::from),
        from,
        until,
        types,
        every: args.every.get(),
        first_clicks: false,
        seen: false,
        strangers: false,
    };
    let bar = match std::io::stderr().is_terminal() {
        true => ProgressBar::new(0),
        false => ProgressBar::hidden(),
    };
    let progress = |done, of| {
        bar.set_length(of);
        bar.set_position(done);
    };
    let written = |error: io::Error| match args.out == Path::new("-") {
        true => CliError::Output(error),
        false => CliError::Failed(format!("--out: can't write {}: {error}", args.out.display())),
    };
    let told = export(&stream, &model, &rules, refresh, &mut table, &progress).map_err(written)?;
    table.finish().map_err(written)?;
    bar.finish_and_clear();
    said(&told)
}

/// What was written, in words.
fn said(told: &Told) -> Result<(), CliError> {
    let Told { queries, missed, candidates } = *told;
    if queries == 0 {
        return Err(CliError::Failed(format!(
            "nothing was written: of {} none was on a candidate of the linear score; see --from, --last, --types and --rerank",
            counted(missed, "scored event")
        )));
    }
    tell(&format!(
        "{} of {}; {} left out, as what was clicked was not among the candidates",
        counted(candidates, "row"),
        counted(queries, "question"),
        counted(missed, "question"),
    ));
    Ok(())
}

/// Something for people, beside the table.
fn tell(what: &str) {
    // Nobody is left to tell if this fails.
    let _ = writeln!(std::io::stderr(), "{}", visible(what));
}

impl FeaturesArgs {
    fn model(&self, config: &StreamConfig) -> Result<Arc<Model>, CliError> {
        let (path, written) = match &self.model {
            Some(path) => (path.as_path(), model_file(path)?),
            None => {
                let written = Written { text: BUILT_IN_MODEL.to_owned(), forest: None };
                (Path::new("the built-in model"), written)
            }
        };
        let model = parse_written("model", path, &written, config);
        model.map(Arc::new).map_err(|error| CheckError::from(ModelsError { mistakes: error.mistakes }).into())
    }
}

/// A table as CSV.
struct Table<'a> {
    sink: Packed<'a>,
    row: Vec<u8>,
}

enum Packed<'a> {
    Plain(&'a mut dyn Write),
    File(BufWriter<File>),
    Zstd(zstd::Encoder<'static, BufWriter<File>>),
}

impl<'a> Table<'a> {
    /// Creates a file. Without `force` there must be none yet.
    fn create(path: &Path, force: bool, out: &'a mut dyn Write) -> Result<Self, CliError> {
        if path == Path::new("-") {
            return Ok(Self { sink: Packed::Plain(out), row: Vec::new() });
        }
        let failed = |error: io::Error| {
            let remedy =
                if error.kind() == io::ErrorKind::AlreadyExists { " (--force overwrites it)" } else { "" };
            CliError::Failed(format!("--out: can't write {}: {error}{remedy}", path.display()))
        };
        let mut options = OpenOptions::new();
        options.write(true).create(force).truncate(force).create_new(!force);
        let file = BufWriter::new(options.open(path).map_err(failed)?);
        let sink = match path.extension().is_some_and(|ending| ending == "zst") {
            true => Packed::Zstd(zstd::Encoder::new(file, ZSTD_LEVEL).map_err(failed)?),
            false => Packed::File(file),
        };
        Ok(Self { sink, row: Vec::new() })
    }

    fn write_row(&mut self) -> io::Result<()> {
        self.row.push(b'\n');
        match &mut self.sink {
            Packed::Plain(out) => out.write_all(&self.row)?,
            Packed::File(file) => file.write_all(&self.row)?,
            Packed::Zstd(encoder) => encoder.write_all(&self.row)?,
        }
        self.row.clear();
        Ok(())
    }

    fn finish(self) -> io::Result<()> {
        match self.sink {
            Packed::Plain(out) => out.flush(),
            Packed::File(mut file) => file.flush(),
            Packed::Zstd(encoder) => encoder.finish()?.flush(),
        }
    }
}

impl Sink for Table<'_> {
    fn begin(&mut self, signals: &[Named]) -> io::Result<()> {
        write!(self.row, "query,ts,clicked")?;
        signals.iter().try_for_each(|named| write!(self.row, ",{}", named.name))?;
        self.write_row()
    }

    fn add(&mut self, candidate: &Candidate<'_>) -> io::Result<()> {
        let Candidate { query, ts, chosen, signals } = candidate;
        write!(self.row, "{query},{ts},{}", u8::from(*chosen))?;
        // The shortest text that is read as the same float.
        signals.iter().try_for_each(|value| write!(self.row, ",{value}"))?;
        self.write_row()
    }
}
