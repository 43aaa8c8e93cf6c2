//! `headwater snapshot`: which snapshots there are, what is in them, and whether they are whole.
//!
//! Reads only, so it may be used while a service runs on the same folder.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::config::ConfigArgs;
use super::error::CliError;
use super::print::write_table;
use crate::config::Config;
use crate::engine::config::StreamConfig;
use crate::engine::events::event::Timestamp;
use crate::snapshot::format::Header;
use crate::snapshot::inspect::{Contents, Damage, Inspected, Object, SnapshotReader, parse_name};

const EXAMPLES: &str = "\
Examples:
  headwater snapshot list                                   those under ./headwater-data/snapshots
  headwater snapshot list --set data.dir=/var/lib/headwater --json
  headwater snapshot inspect o=00000000000000000120.snap    by the end of its name
  headwater snapshot inspect /backup/copy.snap              a file anywhere
  headwater snapshot verify                                 exit code 1 if any is damaged

Only reads, and needs no lock: a service may be running meanwhile.";

/// List, inspect and verify snapshots
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct SnapshotCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand, Clone, Debug)]
enum Action {
    /// List all snapshots: a line each, and whether its bytes are as they were written
    #[command(after_help = "Examples:\n  headwater snapshot list\n  headwater snapshot list --json")]
    List(Common),
    /// Show what a snapshot says of itself and what is in it
    #[command(
        after_help = "Examples:\n  headwater snapshot inspect o=00000000000000000120.snap\n  headwater snapshot inspect /backup/copy.snap --json"
    )]
    Inspect {
        /// A file, or a name that `list` shows, or the end of one
        #[arg(value_name = "PATH-OR-NAME")]
        snapshot: String,
        #[command(flatten)]
        common: Common,
    },
    /// Decode every snapshot whole; exit code 1 if one is damaged or there is none
    #[command(after_help = "Examples:\n  headwater snapshot verify\n  headwater snapshot verify --json")]
    Verify(Common),
}

#[derive(clap::Args, Clone, Debug)]
struct Common {
    #[command(flatten)]
    from: ConfigArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Where snapshots are, and how to look at them.
struct Inspector {
    snapshots: SnapshotReader,
    /// For messages.
    at: String,
    stream: Arc<StreamConfig>,
    json: bool,
}

impl SnapshotCommand {
    pub(super) async fn run(
        &self,
        environment: &BTreeMap<String, String>,
        out: &mut dyn Write,
    ) -> Result<(), CliError> {
        let inspector = |common: &Common| Inspector::new(&common.from.load(environment)?, common.json);
        match &self.action {
            Action::List(common) => inspector(common)?.list(out).await,
            Action::Inspect { snapshot, common } => inspector(common)?.inspect(snapshot, out).await,
            Action::Verify(common) => inspector(common)?.verify(out).await,
        }
    }
}

impl Inspector {
    fn new(config: &Config, json: bool) -> Result<Self, CliError> {
        let (location, s3) = (&config.snapshot.location, &config.snapshot.s3);
        let (snapshots, at) = (SnapshotReader::open(location, s3)?, location.to_string());
        Ok(Self { snapshots, at, stream: Arc::new(config.stream.clone()), json })
    }

    async fn list(&self, out: &mut dyn Write) -> Result<(), CliError> {
        let titles = ["partition", "next offset", "written at", "bytes", "state", "name"];
        let mut rows = vec![titles.map(str::to_owned).to_vec()];
        let mut list = Vec::new();
        for name in self.snapshots.names().await? {
            let Some(object) = self.snapshots.read(&name).await? else { continue };
            let header = object.header();
            list.push(self.summary(&object, header.as_ref()));
            rows.push(self.row(&object, header.as_ref()));
        }
        match (self.json, list.is_empty()) {
            (true, _) => writeln!(out, "{:#}", json!({ "snapshots": list }))?,
            (false, true) => writeln!(out, "no snapshots in {}", self.at)?,
            (false, false) => write_table(&rows, out)?,
        }
        Ok(())
    }

    /// A line of the list. What can't be read is told by the name.
    fn row(&self, object: &Object, header: Result<&Header, &Damage>) -> Vec<String> {
        let named = parse_name(&object.name);
        let named = named.as_ref().map(|named| (named.partition.to_string(), named.next_offset.to_string()));
        let (partition, next_offset) = named.unwrap_or_default();
        let (written_at, state) = match header {
            Ok(header) => (Timestamp(header.written_at).to_string(), self.state(header)),
            Err(damage) => ("-".to_owned(), format!("damaged: {damage}")),
        };
        vec![partition, next_offset, written_at, object.bytes.len().to_string(), state, object.name.clone()]
    }

    fn summary(&self, object: &Object, header: Result<&Header, &Damage>) -> Value {
        let mut value = match header {
            Ok(header) => show_header(header),
            Err(damage) => json!({ "damage": damage.to_string() }),
        };
        value["name"] = json!(object.name);
        value["bytes"] = json!(object.bytes.len());
        value["whole"] = json!(header.is_ok());
        let differs = header.ok().map(|header| self.stream.differs_from(&header.stream));
        value["current_stream"] = json!(differs == Some(None));
        value["differs"] = json!(differs.flatten());
        value
    }

    fn state(&self, header: &Header) -> String {
        match self.stream.differs_from(&header.stream) {
            None => "whole".to_owned(),
            Some(differs) => format!("whole, of another stream configuration: {differs}"),
        }
    }

    async fn inspect(&self, wanted: &str, out: &mut dyn Write) -> Result<(), CliError> {
        let object = self.find(wanted).await?;
        let inspected = object.inspect(&self.stream);
        if self.json {
            let mut value = self.summary(&object, inspected.as_ref().map(|inspected| &inspected.header));
            if let Ok(inspected) = &inspected {
                value["sections"] = show_sections(inspected);
                value["contents"] = inspected.contents.as_ref().map_or(Value::Null, show_contents);
            }
            writeln!(out, "{value:#}")?;
        }
        let inspected = inspected.map_err(|damage| damaged(&object.name, &damage))?;
        if self.json { Ok(()) } else { self.print(&object, &inspected, out) }
    }

    fn print(&self, object: &Object, inspected: &Inspected, out: &mut dyn Write) -> Result<(), CliError> {
        let Inspected { header, sections, contents } = inspected;
        let mut rows: Vec<Vec<String>> = Vec::new();
        let mut fact = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
        fact("name", object.name.clone());
        fact("state", self.state(header));
        fact("bytes", object.bytes.len().to_string());
        fact("topic", header.topic.clone());
        fact("partition", format!("{} of {}", header.partition, header.partitions));
        fact("fingerprint", format!("{:016x}", header.fingerprint()));
        fact("next offset", header.next_offset.to_string());
        fact("written at", Timestamp(header.written_at).to_string());
        if let Some(contents) = contents {
            fact("watermark", contents.watermark.map_or_else(|| "none".to_owned(), |time| time.to_string()));
            for (name, count) in counts(contents) {
                fact(&name.replace('_', " "), count.to_string());
            }
        }
        write_table(&rows, out)?;
        let mut rows =
            vec![["section", "version", "stored", "plain", "crc32c", ""].map(str::to_owned).to_vec()];
        rows.extend(sections.iter().map(|frame| {
            let checksum = format!("{:08x}", frame.checksum);
            let known = if frame.family().is_some() { "" } else { "not known to this version, skipped" };
            let numbers = [frame.version.to_string(), frame.stored.to_string(), frame.plain.to_string()];
            [std::slice::from_ref(&frame.tag), &numbers[..], &[checksum, known.to_owned()]].concat()
        }));
        Ok(write_table(&rows, out)?)
    }

    /// The one that is meant: a file, a name, or the end of one.
    async fn find(&self, wanted: &str) -> Result<Object, CliError> {
        if Path::new(wanted).is_file() {
            let bytes = std::fs::read(wanted)
                .map_err(|error| CliError::Failed(format!("can't read {wanted}: {error}")))?;
            return Ok(Object { name: wanted.to_owned(), bytes });
        }
        let mut names = self.snapshots.names().await?;
        names.retain(|name| name == wanted || name.ends_with(&format!("/{wanted}")));
        match names.as_slice() {
            [name] => {
                let gone =
                    || CliError::Failed(format!("{name} was removed just now: a newer one took its place"));
                self.snapshots.read(name).await?.ok_or_else(gone)
            }
            [] => Err(CliError::Failed(format!(
                "no file and no snapshot in {} is called `{wanted}`: `headwater snapshot list` shows their names",
                self.at
            ))),
            several => Err(CliError::Failed(format!(
                "`{wanted}` is the end of {} names; name one whole:\n  {}",
                several.len(),
                several.join("\n  ")
            ))),
        }
    }

    async fn verify(&self, out: &mut dyn Write) -> Result<(), CliError> {
        let (mut whole, mut broken, mut list) = (0, 0, Vec::new());
        for name in self.snapshots.names().await? {
            let Some(object) = self.snapshots.read(&name).await? else { continue };
            let inspected = object.inspect(&self.stream);
            list.push(self.summary(&object, inspected.as_ref().map(|inspected| &inspected.header)));
            match &inspected {
                Ok(inspected) => {
                    whole += 1;
                    if !self.json {
                        writeln!(out, "{}: {name}", self.state(&inspected.header))?;
                    }
                }
                Err(damage) => {
                    broken += 1;
                    if !self.json {
                        writeln!(out, "damaged: {name}: {damage}")?;
                    }
                }
            }
        }
        let ok = broken == 0 && whole > 0;
        if self.json {
            writeln!(out, "{:#}", json!({ "ok": ok, "whole": whole, "damaged": broken, "snapshots": list }))?;
        }
        match (whole, broken) {
            // A check of the wrong folder must not look like a good one.
            (0, 0) => Err(CliError::Failed(format!("no snapshots in {}", self.at))),
            (_, 0) => Ok(()),
            _ => Err(CliError::Failed(format!("{broken} of {} snapshots are damaged", whole + broken))),
        }
    }
}

fn damaged(name: &str, damage: &Damage) -> CliError {
    CliError::Failed(format!("{name} is damaged: {damage}"))
}

fn show_header(header: &Header) -> Value {
    json!({
        "topic": header.topic,
        "partition": header.partition,
        "partitions": header.partitions,
        // As text, as it is in the name: it may be larger than JSON's numbers are exact.
        "fingerprint": format!("{:016x}", header.fingerprint()),
        "stream": header.stream.lines().collect::<Vec<_>>(),
        "next_offset": header.next_offset,
        "written_at": Timestamp(header.written_at).to_string(),
    })
}

fn show_sections(inspected: &Inspected) -> Value {
    let section = |frame: &crate::snapshot::format::SectionFrame| {
        json!({
            "section": frame.tag,
            "version": frame.version,
            "known": frame.family().is_some(),
            "stored_bytes": frame.stored,
            "plain_bytes": frame.plain,
            "crc32c": format!("{:08x}", frame.checksum),
        })
    };
    inspected.sections.iter().map(section).collect()
}

fn show_contents(contents: &Contents) -> Value {
    let mut value: Value =
        counts(contents).into_iter().map(|(name, count)| (name.to_owned(), json!(count))).collect();
    value["watermark"] = json!(contents.watermark.map(|watermark| watermark.to_string()));
    value
}

fn counts(contents: &Contents) -> [(&'static str, u64); 15] {
    let Contents {
        users, items, categories, acted_items, event_ids, postings, recent_events, counters, ..
    } = *contents;
    [
        ("users", users as u64),
        ("items", items as u64),
        ("categories", categories as u64),
        ("acted_items", acted_items as u64),
        ("event_ids", event_ids as u64),
        ("postings", postings as u64),
        ("recent_events", recent_events as u64),
        ("applied", counters.applied),
        ("duplicates", counters.duplicates),
        ("late", counters.late),
        ("item_limit", counters.item_limit),
        ("clamped", counters.clamped),
        ("users_expired", counters.users_expired),
        ("users_evicted", counters.users_evicted),
        ("counts_dropped", counters.counts_dropped),
    ]
}
