//! What the benches share: the data they run on, and how figures are gathered and printed.

#![allow(dead_code, reason = "each bench uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use headwater::engine::config::StreamConfig;
use headwater::engine::events::catalog::Catalog;
use headwater::engine::events::event::EventDraft;
use headwater::engine::events::item::{Item, ItemChange};
use headwater::engine::rank::model::{CandidateLimits, Model};
use headwater::files::{EventContent, EventFile, ItemContent, ItemFile};
use headwater::generate::{GenerateSettings, Generator};
use headwater::models::BUILT_IN_MODEL;
use headwater::models::parse_model;

#[path = "../../src/allocator.rs"]
mod allocator;

/// Names the folder of the data sets.
const DATA: &str = "HEADWATER_DATA";

/// A catalog and a clickstream in memory.
pub struct Data {
    pub items: Vec<Item>,
    /// As if they had been decoded.
    pub events: Vec<EventDraft<'static>>,
}

impl Data {
    /// A week of clicks on a news portal, or generated ones of the same size where it is not there.
    pub fn news() -> Self {
        Self::real("news").unwrap_or_else(|| {
            println!("data: generated, of the size of news");
            Self::generated().told()
        })
    }

    /// A real data set, where it is there.
    pub fn real(name: &str) -> Option<Self> {
        let root = std::env::var_os(DATA).map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from);
        let folder = root.join(name);
        if !folder.is_dir() {
            println!("data: {} is not there ({DATA} names its folder)", folder.display());
            return None;
        }
        println!("data: {name}");
        Some(Self::read(&folder).told())
    }

    fn told(self) -> Self {
        println!("      {} items, {} events", self.items.len(), self.events.len());
        self
    }

    fn read(folder: &Path) -> Self {
        let items = ItemFile::open(&folder.join("items.csv.zst"), None).expect("the items");
        let events = EventFile::open(&folder.join("events.csv.zst"), None).expect("the events");
        let item = |item: Result<headwater::files::OwnedItem, _>| match item.expect("an item").content {
            ItemContent::Item(item) => item,
            ItemContent::Json(_) => unreachable!("the file is CSV"),
        };
        let event = |event: Result<headwater::files::OwnedEvent, _>| match event.expect("an event").content {
            EventContent::Event(event) => event,
            EventContent::Json(_) => unreachable!("the file is CSV"),
        };
        Self { items: items.map(item).collect(), events: events.map(event).collect() }
    }

    fn generated() -> Self {
        let settings = GenerateSettings {
            users: 113_536,
            items: 16_092,
            events: 710_736,
            ..GenerateSettings::default()
        };
        let generator = Generator::new(settings).expect("settings in their ranges");
        let events = generator.events().map(|event| event.draft()).collect();
        Self { items: generator.items().to_vec(), events }
    }

    pub fn catalog(&self) -> Catalog {
        let mut catalog = Catalog::default();
        for item in &self.items {
            catalog.apply(ItemChange::Put(item.clone()), usize::MAX);
        }
        catalog
    }

    /// Users, each once, those who acted last first, thinned out to about so many.
    pub fn users(&self, about: usize) -> Vec<&str> {
        let mut seen = std::collections::HashSet::new();
        let ids = self.events.iter().rev().filter_map(|event| event.user_id.as_deref());
        let all: Vec<&str> = ids.filter(|id| seen.insert(*id)).collect();
        let step = (all.len() / about).max(1);
        all.into_iter().step_by(step).collect()
    }
}

/// The default model with other candidates.
pub fn model(stream: &StreamConfig, candidates: CandidateLimits) -> Arc<Model> {
    let path = Path::new("models/default.toml");
    let mut model = parse_model("default", path, BUILT_IN_MODEL, stream).expect("the default model");
    model.candidates = candidates;
    Arc::new(model)
}

/// The middle of some figures.
pub fn median(mut figures: Vec<f64>) -> f64 {
    percentile(&mut figures, 0.5)
}

/// The figure that a share of the figures does not exceed.
pub fn percentile(figures: &mut [f64], share: f64) -> f64 {
    figures.sort_by(f64::total_cmp);
    let last = figures.len().checked_sub(1).expect("some figures");
    figures[(last as f64 * share).round() as usize]
}

/// A duration in microseconds.
pub fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// Prints what `benches/run` compares.
pub fn bar(name: &str, value: f64, unit: &str) {
    match unit {
        "ratio" => println!("bar {name} {value:.3} {unit}"),
        "us" | "percent" => println!("bar {name} {value:.1} {unit}"),
        "s" => println!("bar {name} {value:.2} {unit}"),
        _ => println!("bar {name} {value:.0} {unit}"),
    }
}

/// What a process has used of all cores, all threads together, those that have ended too.
pub fn cpu_seconds(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("Linux");
    let (_, fields) = stat.rsplit_once(')').expect("the name of the program");
    let fields: Vec<&str> = fields.split_whitespace().collect();
    // utime and stime, in the 100 ticks a second of Linux's user space.
    let ticks = |field: usize| fields[field].parse::<f64>().expect("a number");
    (ticks(11) + ticks(12)) / 100.0
}

/// The memory of a process that is in RAM, in bytes.
pub fn resident_bytes(process: u32) -> f64 {
    memory_bytes(process, "VmRSS:")
}

/// The most that a process ever had in RAM, in bytes.
pub fn peak_bytes(process: u32) -> f64 {
    memory_bytes(process, "VmHWM:")
}

fn memory_bytes(process: u32, name: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a figure");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") * 1024.0
}

/// Another run of this bench in a part of its own, which ends when we drop it or end.
pub struct Part {
    pub child: Child,
    stdin: Option<ChildStdin>,
}

impl Part {
    /// Starts this program with an argument, on one core if one is named.
    pub fn start(part: &str, core: Option<usize>) -> Self {
        let program = std::env::current_exe().expect("our own path");
        let mut command = match core {
            Some(core) => {
                let mut command = Command::new("taskset");
                command.args(["--cpu-list", &core.to_string()]).arg(program);
                command
            }
            None => Command::new(program),
        };
        let spawned = command.arg(part).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdin = child.stdin.take();
        Self { child, stdin }
    }

    /// Closes its input, which tells it to end.
    pub fn stop(&mut self) {
        drop(self.stdin.take());
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// To be called first of all: the part of this program that was asked for, if it is a part.
pub fn part() -> Option<String> {
    // `cargo bench` adds an argument of its own.
    std::env::args().nth(1).filter(|argument| argument != "--bench")
}
