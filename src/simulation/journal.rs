//! The shipping journal on the disk of a world, its writer taking one step at a time; and an auditor
//! who reads all that a reader may see, and remembers it over crashes.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::log::journal::{JournalLog, JournalSettings, Writer};
use crate::log::{
    Appended, Bounds, Log, LogError, LogReader, NewRecord, Offset, Partition, PerTopic, Positions, Record,
    Topic,
};
use crate::simulation::broker::{MOST, away};
use crate::simulation::faults::FaultInjector;
use crate::simulation::log::{Part, SimLog, Stored};
use crate::simulation::tables::SimTables;
use crate::simulation::time::Time;

/// How long clicks and dead letters are kept: segments come and go within a life.
const RETENTION_MS: i64 = 30_000;
/// How long the items topic keeps a deletion.
pub const DELETION_MS: i64 = 24 * 60 * 60 * 1000;

/// The log. A clone is the same log.
#[derive(Clone)]
pub struct SimJournal {
    state: Arc<Mutex<State>>,
    disk: SimTables,
    settings: JournalSettings,
    faults: FaultInjector,
    time: Time,
}

struct State {
    running: Option<(JournalLog<SimTables>, Writer<SimTables>)>,
    seen: PerTopic<Vec<Part>>,
    /// Since when there may be records on disk that nobody has seen.
    hidden_since: Option<i64>,
    wrong: Option<String>,
}

impl SimJournal {
    pub fn new(faults: FaultInjector, time: Time, partitions: u32) -> Self {
        let parts = || vec![Part::default(); partitions as usize];
        let state =
            State { running: None, seen: PerTopic::new(|_| parts()), hidden_since: None, wrong: None };
        let settings = JournalSettings {
            dir: "journal".into(),
            partitions,
            retention: Duration::from_millis(RETENTION_MS as u64),
            retention_bytes: u64::MAX,
            keep_free: 1,
        };
        let disk = SimTables::new(faults.clone());
        Self { state: Arc::new(Mutex::new(state)), disk, settings, faults, time }
    }

    fn ask<T>(
        &self,
        answer: impl FnOnce(&JournalLog<SimTables>) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let state = self.state.lock();
        state.running.as_ref().map_or_else(|| Err(away()), |(log, _)| answer(log))
    }

    /// An append that the writer's next step, whoever makes it, writes and acknowledges.
    fn queue(&self, topic: Topic, records: Vec<NewRecord>) -> Appended {
        let state = self.state.lock();
        match &state.running {
            Some((log, _)) => log.append(topic, records),
            None => Box::pin(async { Err(away()) }),
        }
    }
}

impl State {
    /// Reads on, or all again after a start, and compares it with what was there.
    fn audit(&mut self, now: i64, again: bool) {
        let Some((log, _)) = &self.running else { return };
        for (topic, parts) in self.seen.iter_mut() {
            for (partition, part) in (0..).map(Partition).zip(parts) {
                let audited = look(log, (topic, partition), part, again.then_some(now));
                if let Err(why) = audited {
                    self.wrong.get_or_insert(format!("partition {partition} of {topic:?}: {why}"));
                }
            }
        }
        self.hidden_since = None;
    }
}

fn look(
    log: &JournalLog<SimTables>,
    (topic, partition): (Topic, Partition),
    part: &mut Part,
    again: Option<i64>,
) -> Result<(), String> {
    let told = |error: LogError| error.to_string();
    let Bounds { low, high } = log.bounds(topic, partition).map_err(told)?;
    if high < part.high {
        return Err(format!("offsets up to {} were seen and it ends at {high}", part.high));
    }
    if low > part.high {
        return Err(format!("it begins at {low}, and was seen up to {} only", part.high));
    }
    part.low = low;
    if high == part.high && again.is_none() {
        return Ok(());
    }
    let from = if again.is_some() { low } else { part.high };
    let mut reader = log.reader(topic, &Positions::from([(partition, from)])).map_err(told)?;
    let mut found = Vec::new();
    while reader.position(partition) != Some(high) {
        reader.poll(Duration::ZERO, 1000, &mut |record| found.push(Stored::of(&record))).map_err(told)?;
    }
    let new = found.split_off(found.partition_point(|stored| stored.offset < part.high));
    if let Some(now) = again {
        let known = part.records.iter().filter(|stored| stored.offset >= low);
        let known: Vec<&Stored> = match topic {
            Topic::Items => newest(known.chain(&new)).filter(|stored| stored.offset < part.high).collect(),
            _ => known.collect(),
        };
        // A deletion may be forgotten in the end.
        let forgotten = |stored: &&Stored| {
            let deletion = topic == Topic::Items && stored.record.value.is_none();
            deletion && stored.timestamp + DELETION_MS <= now && !found.contains(*stored)
        };
        let known: Vec<&Stored> = known.into_iter().filter(|stored| !forgotten(stored)).collect();
        if known != found.iter().collect::<Vec<_>>() {
            let offsets = |all: &[&Stored]| all.iter().map(|stored| stored.offset).collect::<Vec<_>>();
            let found: Vec<&Stored> = found.iter().collect();
            return Err(format!("{:?} were seen, now there are {:?}", offsets(&known), offsets(&found)));
        }
    }
    part.records.extend(new);
    part.high = high;
    Ok(())
}

/// The newest record of each key, in order.
pub fn newest<'a>(records: impl Iterator<Item = &'a Stored>) -> impl Iterator<Item = &'a Stored> {
    let by_key: BTreeMap<&[u8], &Stored> = records.map(|stored| (&*stored.record.key, stored)).collect();
    let by_offset: BTreeMap<Offset, &Stored> =
        by_key.into_values().map(|stored| (stored.offset, stored)).collect();
    by_offset.into_values()
}

impl SimLog for SimJournal {
    fn history(&self, topic: Topic) -> Vec<Part> {
        self.state.lock().seen[topic].clone()
    }

    fn publish(&self, topic: Topic, records: Vec<NewRecord>) -> Appended {
        self.queue(topic, records)
    }

    fn begin(&self) -> Result<(), LogError> {
        let clock = self.time.clone();
        let settings = self.settings.clone();
        let opened = JournalLog::on(self.disk.clone(), settings, Arc::new(move || clock.now()))?;
        let mut state = self.state.lock();
        state.running = Some(opened);
        let now = self.time.now();
        self.faults.quietly(|| state.audit(now, true));
        Ok(())
    }

    /// A group commit, and a look at what is too old.
    fn work(&self) {
        let mut state = self.state.lock();
        let Some((_, writer)) = &state.running else { return };
        let failed = writer.failure.get().is_some();
        writer.step(Duration::ZERO);
        if writer.failure.get().is_some() && !failed {
            state.hidden_since = Some(self.time.now());
        } else if !failed && !self.faults.is_off() {
            let now = self.time.now();
            self.faults.quietly(|| state.audit(now, false));
        }
    }

    fn end(&self, power: bool) {
        self.state.lock().running = None;
        self.disk.crash(power);
    }

    fn patience(&self) -> i64 {
        let state = self.state.lock();
        let clicks = state.seen[Topic::Clicks].iter();
        let uncovered =
            clicks.flat_map(|part| part.records.iter().filter(|stored| stored.offset >= part.covered));
        let oldest = uncovered.map(|stored| stored.timestamp).chain(state.hidden_since).min();
        oldest.map_or(i64::MAX, |oldest| (oldest + RETENTION_MS - self.time.now()).max(0))
    }

    fn wrong(&self) -> Option<String> {
        self.state.lock().wrong.clone()
    }
}

impl Log for SimJournal {
    fn name(&self, topic: Topic) -> &str {
        topic.row().name
    }

    fn partitions(&self, topic: Topic) -> Result<u32, LogError> {
        self.ask(|log| log.partitions(topic))
    }

    fn bounds(&self, topic: Topic, partition: Partition) -> Result<Bounds, LogError> {
        self.ask(|log| log.bounds(topic, partition))
    }

    fn reader(&self, topic: Topic, from: &Positions) -> Result<Box<dyn LogReader>, LogError> {
        let inner = self.ask(|log| log.reader(topic, from))?;
        Ok(Box::new(SimReader { inner, faults: self.faults.clone() }))
    }

    fn append(&self, topic: Topic, records: Vec<NewRecord>) -> Appended {
        let (journal, mut appended) = (self.clone(), self.queue(topic, records));
        Box::pin(poll_fn(move |context| {
            let queued = appended.as_mut().poll(context);
            if queued.is_pending() {
                journal.work();
                return appended.as_mut().poll(context);
            }
            queued
        }))
    }

    fn committed(&self, topic: Topic, positions: &Positions) {
        if self.faults.is_off() {
            return;
        }
        let parts = &mut self.state.lock().seen[topic];
        for (partition, position) in positions.iter() {
            let part = &mut parts[partition.index()];
            part.covered = part.covered.max(position);
        }
    }
}

/// A reader that is never waited for.
struct SimReader {
    inner: Box<dyn LogReader>,
    faults: FaultInjector,
}

impl LogReader for SimReader {
    fn poll(&mut self, _: Duration, max: usize, sink: &mut dyn FnMut(Record<'_>)) -> Result<usize, LogError> {
        let most = self.faults.below(MOST + 1).min(max as u64) as usize;
        let faults = self.faults.clone();
        let (mut handed, mut dead) = (0, faults.is_off());
        self.inner.poll(Duration::ZERO, most, &mut |record| {
            // The plug may be pulled between two records of a batch.
            dead = dead || (handed > 0 && faults.dies());
            if !dead {
                sink(record);
                handed += 1;
            }
        })
    }

    fn pause(&mut self, partition: Partition) -> Result<(), LogError> {
        self.inner.pause(partition)
    }

    fn position(&self, partition: Partition) -> Option<Offset> {
        self.inner.position(partition)
    }
}
