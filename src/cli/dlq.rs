//! `headwater dlq`: the records that could not be applied, and back to where they came from.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::Arc;

use indicatif::ProgressBar;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::config::ConfigArgs;
use super::error::CliError;
use super::print::{counted, write_table, write_value};
use super::terminal::clipped;
use crate::config::Config;
use crate::engine::time::Timestamp;
use crate::ingest::dead_letters::reader::{DeadLetter, read_dead_letters};
use crate::log::kafka::KafkaSettings;
use crate::log::open::open;
use crate::log::{Log, LogError, NewRecord, Topic};

/// Records of one append.
const BATCH: usize = 1000;
/// Columns of a record and of a reason that a line shows. What helps is at the end of a reason.
const RECORD: usize = 80;
const REASON: usize = 240;

const EXAMPLES: &str = "\
Examples:
  headwater dlq list --set kafka.brokers=127.0.0.1:9092
  headwater dlq list --class decode --from 2026-01-31T12:00:00Z --json
  headwater dlq replay --class unknown_event_type --dry-run
  headwater dlq replay --class unknown_event_type

With Kafka the service may be running. The embedded journal belongs to one process: stop the
service first.";

/// List dead letters, or send them back to where they came from
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct DlqCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand, Clone, Debug)]
enum Action {
    /// List dead letters: where each came from, why it failed, and how the record begins
    #[command(
        after_help = "Examples:\n  headwater dlq list\n  headwater dlq list --class schema --limit 10 --json"
    )]
    List {
        #[command(flatten)]
        which: Which,
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u64,
    },
    /// Append the records, as they came, to the topic that they came from
    #[command(after_help = "\
Examples:
  headwater dlq replay --dry-run
  headwater dlq replay --class unknown_event_type --from 2026-01-31T12:00:00Z

The dead letters stay where they are, so it can be repeated: events with an `event_id` still count
once within `stream.dedup_horizon`, those without count again.")]
    Replay {
        #[command(flatten)]
        which: Which,
        /// How many at most [default: all]
        #[arg(long, value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
        limit: u64,
        /// Only say how many there are
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(clap::Args, Clone, Debug)]
struct Which {
    /// Only those of this class of error; may be repeated
    #[arg(long, value_name = "CLASS")]
    class: Vec<String>,
    /// Only those that came from this topic
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Only those dead-lettered at this instant or later (RFC 3339 or ms since the epoch)
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    #[command(flatten)]
    config: ConfigArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl DlqCommand {
    pub(super) fn run(
        &self,
        environment: &BTreeMap<String, String>,
        out: &mut dyn Write,
    ) -> Result<(), CliError> {
        match &self.action {
            Action::List { which, limit } => {
                let log = open_log(&which.config.load(environment)?)?;
                list(&*log, which, *limit, out)
            }
            Action::Replay { which, limit, dry_run } => {
                let log = open_log(&which.config.load(environment)?)?;
                replay(&*log, which, *limit, *dry_run, out)
            }
        }
    }
}

impl Which {
    fn wants(&self, letter: &DeadLetter) -> bool {
        (self.class.is_empty() || self.class.contains(&letter.class))
            && self.topic.as_ref().is_none_or(|topic| *topic == letter.topic)
            && self.from.is_none_or(|from| letter.written_at.is_some_and(|written| written >= from.0))
    }
}

/// Opens the log that is configured, without making one.
fn open_log(config: &Config) -> Result<Arc<dyn Log>, CliError> {
    let kafka = config.kafka().map(|kafka| KafkaSettings { create_topics: false, ..kafka.clone() });
    let embedded = kafka.is_none();
    let dir = &config.journal.dir;
    if embedded && !dir.is_dir() {
        return Err(CliError::Failed(format!(
            "there is no journal in {}: name its folder with --set data.dir=DIR, or Kafka with --set kafka.brokers=HOST:PORT",
            dir.display()
        )));
    }
    open(kafka, config.journal.clone(), Arc::default()).map_err(|error| match embedded {
        false => error.into(),
        true => CliError::Failed(format!(
            "log: {error}. The dead letters of the embedded journal can be reached while the service is stopped"
        )),
    })
}

fn list(log: &dyn Log, which: &Which, limit: u64, out: &mut dyn Write) -> Result<(), CliError> {
    let titles = ["at", "topic", "partition", "offset", "class", "attempt", "reason", "record"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    let (mut letters, mut more) = (Vec::new(), false);
    let mut left = limit;
    read_dead_letters(log, |letter| {
        if !which.wants(&letter) {
            return Ok(true);
        }
        if left == 0 {
            more = true;
            return Ok(false);
        }
        left -= 1;
        match which.json {
            true => letters.push(show(&letter)),
            false => rows.push(row(&letter)),
        }
        Ok(true)
    })?;
    if which.json {
        return write_value(&json!({ "dead_letters": letters, "more": more }), out);
    }
    match rows.len() {
        1 => writeln!(out, "no dead letters in {}", log.name(Topic::DeadLetters))?,
        _ => write_table(&rows, out)?,
    }
    if more {
        writeln!(out, "there are more: see them with --limit")?;
    }
    Ok(())
}

fn replay(
    log: &dyn Log,
    which: &Which,
    limit: u64,
    dry_run: bool,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let runtime = Runtime::new()?;
    let bar =
        if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    let (mut replayed, mut foreign) = (0_u64, 0_u64);
    let mut waiting: [(Topic, Vec<NewRecord>); 2] =
        [Topic::Clicks, Topic::Items].map(|topic| (topic, Vec::new()));
    let send = |topic: Topic, records: &mut Vec<NewRecord>| -> Result<(), LogError> {
        let records = std::mem::take(records);
        if !dry_run && !records.is_empty() {
            runtime.block_on(log.append(topic, records))?;
        }
        Ok(())
    };
    let read = read_dead_letters(log, |letter| {
        if !which.wants(&letter) {
            return Ok(true);
        }
        if replayed >= limit {
            return Ok(false);
        }
        let Some((topic, records)) = waiting.iter_mut().find(|(topic, _)| log.name(*topic) == letter.topic)
        else {
            foreign += 1;
            return Ok(true);
        };
        records.push(letter.record);
        if records.len() >= BATCH {
            send(*topic, records)?;
        }
        replayed += 1;
        bar.set_position(replayed);
        Ok(true)
    });
    read?;
    for (topic, records) in &mut waiting {
        send(*topic, records)?;
    }
    bar.finish_and_clear();
    if which.json {
        let summary = json!({ "replayed": replayed, "of_other_topics": foreign, "dry_run": dry_run });
        return write_value(&summary, out);
    }
    match dry_run {
        true => writeln!(out, "{} would be replayed", counted(replayed, "dead letter"))?,
        false => writeln!(out, "{} replayed", counted(replayed, "dead letter"))?,
    }
    if foreign > 0 {
        writeln!(out, "{foreign} left out, which came from no topic of this configuration")?;
    }
    Ok(())
}

fn row(letter: &DeadLetter) -> Vec<String> {
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let at = letter.written_at.map_or_else(|| "-".to_owned(), |ms| Timestamp(ms).to_string());
    let value = letter.record.value.as_ref();
    vec![
        at,
        letter.topic.clone(),
        number(letter.partition.map(|partition| partition.0.into())),
        number(letter.offset.map(|offset| offset.0)),
        letter.class.clone(),
        letter.attempt.to_string(),
        clipped(&letter.message, REASON),
        value.map_or_else(|| "(none)".to_owned(), |value| clipped(&String::from_utf8_lossy(value), RECORD)),
    ]
}

fn show(letter: &DeadLetter) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    json!({
        "written_at": letter.written_at.map(|ms| Timestamp(ms).to_string()),
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "class": letter.class,
        "message": letter.message,
        "attempt": letter.attempt,
        "key": text(&letter.record.key),
        "value": letter.record.value.as_deref().map(text),
    })
}
