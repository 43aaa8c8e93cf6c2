//! Where a stream comes from: files, or the log of a service.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indicatif::ProgressBar;

use super::error::CliError;
use super::print::counted;
use super::progress::Bar;
use super::publish::{Unit, parse_separator};
use crate::config::Config;
use crate::engine::config::StreamConfig;
use crate::engine::events::event::{EventType, EventTypeSet, Timestamp};
use crate::engine::rank::model::Model;
use crate::evaluation::from_log::FromLog;
use crate::evaluation::load::{LeftOut, Loader};
use crate::evaluation::stream::{Builder, Stream};
use crate::files::{FileFormat, Progress, Reading, Renames};
use crate::log::kafka::KafkaSettings;
use crate::log::open::open;
use crate::models::Written;

#[derive(clap::Args, Clone, Debug)]
pub(super) struct Inputs {
    /// Files of events, `-` for standard input
    #[arg(value_name = "EVENTS", required_unless_present_any = ["data", "log"])]
    events: Vec<PathBuf>,
    /// A file of items; may be repeated. Without one the items are those that events name, each from its first event on
    #[arg(long, value_name = "FILE")]
    items: Vec<PathBuf>,
    /// In place of files: the data folder of a service that does not run, with its journal
    #[arg(long, value_name = "DIR", conflicts_with_all = ["events", "items", "log"])]
    data: Option<PathBuf>,
    /// In place of files: the log of the configuration, Kafka's topics where `kafka.brokers` is set, or else the journal
    #[arg(long, conflicts_with_all = ["events", "items"])]
    log: bool,
    /// Of a log, read events that were written at this instant or later (RFC 3339 or ms) [default: all that it holds]
    #[arg(long, value_name = "TIME", conflicts_with = "events", value_parser = instant)]
    since: Option<Timestamp>,
    /// What the files are [default: what their names end with]
    #[arg(long)]
    format: Option<FileFormat>,
    /// What times of events that are numbers count
    #[arg(long, value_enum, default_value_t)]
    ts_unit: Unit,
    /// What a file calls the fields of events and items: THEIRS=OURS, several separated by commas; may be repeated
    #[arg(long, value_name = "THEIRS=OURS", value_delimiter = ',')]
    map: Vec<String>,
    /// What is between two cells of CSV
    #[arg(long, value_name = "CHARACTER", default_value = ",", value_parser = parse_separator)]
    separator: u8,
}

impl Inputs {
    /// The option that sets the data folder, if one is named.
    pub fn set(&self) -> Option<String> {
        self.data.as_ref().map(|dir| format!("data.dir={}", dir.display()))
    }

    /// The stream, and how many rows or records were left out. Files of `test` come behind all others. `tell` says
    /// something to people.
    pub fn read(
        &self,
        test: &[PathBuf],
        config: &Config,
        positive: EventTypeSet,
        tell: &dyn Fn(&str),
    ) -> Result<(Stream, u64), CliError> {
        let mut builder = Builder::new(Arc::new(config.stream.clone()), positive);
        let from_log = self.log || self.data.is_some();
        let left_out =
            if from_log { self.log(config, &mut builder)? } else { self.files(test, &mut builder, tell)? };
        let what = if from_log { "record" } else { "row" };
        left_out.first.iter().for_each(|why| tell(&format!("left out: {why}")));
        let more = left_out.count - left_out.first.len() as u64;
        if more > 0 {
            tell(&format!("left out: {} more", counted(more, what)));
        }
        if builder.is_empty() {
            let rejected = counted(left_out.count, what);
            return Err(CliError::Failed(format!("there is no event: {rejected} can't be used")));
        }
        Ok((builder.finish(), left_out.count))
    }

    fn files(
        &self,
        test: &[PathBuf],
        builder: &mut Builder,
        tell: &dyn Fn(&str),
    ) -> Result<LeftOut, CliError> {
        let mut renames = Renames::default();
        for field in &self.map {
            renames.add(field).map_err(|why| CliError::Failed(format!("--map: {why}")))?;
        }
        let reading = Reading { format: self.format, separator: self.separator, renames };
        let millis = |ts| self.ts_unit.millis(ts);
        let watch = |progress: Progress, path: &Path| -> Box<dyn Fn()> {
            let bar = Bar::new(progress, path);
            Box::new(move || bar.update())
        };
        let mut loader = Loader::new(reading, &millis, &watch);
        for path in &self.items {
            loader.items(path, builder)?;
        }
        for path in &self.events {
            loader.events(path, builder)?;
        }
        if !test.is_empty() {
            builder.begin_test();
        }
        for path in test {
            loader.events(path, builder)?;
        }
        loader.warnings.iter().for_each(|warning| tell(&format!("warning: {warning}")));
        Ok(loader.left_out)
    }

    fn log(&self, config: &Config, builder: &mut Builder) -> Result<LeftOut, CliError> {
        // A folder that is named is a journal's, whatever else is configured.
        let kafka = config.kafka().filter(|_| self.data.is_none());
        let kafka = kafka.map(|kafka| KafkaSettings { create_topics: false, ..kafka.clone() });
        let (embedded, dir) = (kafka.is_none(), &config.journal.dir);
        if embedded && !dir.is_dir() {
            return Err(CliError::Failed(format!(
                "there is no journal in {}: name the data folder of a service with --data DIR, or Kafka with --log \
                 --set kafka.brokers=HOST:PORT",
                dir.display()
            )));
        }
        let log = open(kafka, config.journal.clone(), Arc::default()).map_err(|error| match embedded {
            false => error.into(),
            true => CliError::Failed(format!(
                "log: {error}. A journal is one process's at a time: stop the service, or evaluate a copy of its folder \
                 that was made while it was stopped"
            )),
        })?;
        let from = FromLog {
            events: config.ingest.clicks_format,
            items: config.ingest.items_format,
            since: self.since.map(|since| since.0),
        };
        let mut left_out = LeftOut::default();
        from.read(&*log, builder, &mut left_out, |records| {
            let bar = match std::io::stderr().is_terminal() {
                true => ProgressBar::new(records),
                false => ProgressBar::hidden(),
            };
            move |more| bar.inc(more)
        })?;
        Ok(left_out)
    }
}

/// The file that `--model` names, and its forest.
pub(super) fn model_file(path: &Path) -> Result<Written, CliError> {
    Written::read(path).map_err(|why| CliError::Failed(format!("--model: {}: {why}", path.display())))
}

/// The types that say that a user likes an item: those that a model weighs so.
pub(super) fn positive(model: Option<&Model>, config: &StreamConfig) -> EventTypeSet {
    let mask = model.map_or(0, Model::positive_types);
    let kinds = (0..config.event_types.names().len() as u8).map(EventType);
    kinds.filter(|kind| mask >> kind.0 & 1 == 1).collect()
}

/// An instant as options take it.
pub(super) fn instant(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|error: crate::engine::time::NoInstant| error.to_string())
}
