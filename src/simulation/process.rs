//! A process, from its start until the plug is pulled or it is stopped: the shipping
//! recovery, workers, schedule and writer, a step at a time in an order that is drawn.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::engine::rank::models::ModelSet;
use crate::ingest::IngestError;
use crate::ingest::apply::{Clicks, Items, Progress};
use crate::ingest::breaker::Breaking;
use crate::ingest::factory::{IngestParts, WorkerFactory};
use crate::ingest::recovery::restore;
use crate::ingest::worker::{Next, Worker};
use crate::log::{Log, LogError, Partition, Positions, Topic};
use crate::simulation::disk::SimDisk;
use crate::simulation::faults::FaultInjector;
use crate::simulation::log::SimLog;
use crate::simulation::producer::Producer;
use crate::simulation::tables::FAULT;
use crate::simulation::time::Time;
use crate::snapshot::schedule::{Job, Schedule};
use crate::snapshot::{Location, SnapshotError, SnapshotStore};
use crate::state::State;
use crate::telemetry::{Exposition, Metrics};

/// How often a start tries to have the dead letters of items acknowledged.
const PATIENCE: u32 = 50;

/// What outlives a process.
pub struct World {
    pub faults: FaultInjector,
    pub time: Time,
    pub log: Arc<dyn SimLog>,
    pub disk: SimDisk,
    pub producer: Producer,
    pub config: Config,
    pub models: Arc<ModelSet>,
    pub runtime: Runtime,
    /// The monotonic clock at the beginning of the world, and the world's then.
    pub epoch: (Instant, i64),
}

impl World {
    /// Lets time pass, but not so much that retention takes what no snapshot covers.
    pub fn pass(&self, ms: i64) {
        self.time.pass(ms.min(self.log.patience()));
    }

    /// Waits for every answer that the producer is owed.
    pub fn settle(&mut self) {
        while !self.producer.is_done() {
            self.log.work();
            self.producer.look();
        }
        self.log.work();
    }
}

/// A worker of some partitions, and how its last step went.
struct Reading {
    worker: Worker<Breaking<Clicks<Schedule>>>,
    partitions: Vec<Partition>,
    next: Next,
}

/// A process, running.
pub struct Process {
    factory: WorkerFactory,
    progress: Arc<Progress>,
    items: Worker<Items>,
    clicks: Vec<Reading>,
    jobs: mpsc::Receiver<Job>,
    state: Arc<State>,
}

/// Why a process is over.
pub enum Ended {
    /// It may be started again: the plug was pulled, or what it needs is away.
    Down,
    /// It would not go on by itself.
    Broken(String),
}

impl From<IngestError> for Ended {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Log(LogError::Unavailable(_))
            | IngestError::Snapshot(SnapshotError::Store { .. }) => Self::Down,
            IngestError::Log(LogError::Fatal(why)) if why.contains(FAULT) => Self::Down,
            error => Self::Broken(error.to_string()),
        }
    }
}

impl From<LogError> for Ended {
    fn from(error: LogError) -> Self {
        IngestError::from(error).into()
    }
}

impl Process {
    /// Starts a process in a world.
    pub fn start(world: &World) -> Result<Self, Ended> {
        let log: Arc<dyn Log> = Arc::<dyn SimLog>::clone(&world.log);
        let metrics = Arc::new(Metrics::new());
        let partitions = log.partitions(Topic::Clicks)?;
        let (stream, keep) = (Arc::new(world.config.stream.clone()), world.config.snapshot.keep);
        let disk = Arc::new(world.disk.clone());
        let snapshots = SnapshotStore::new(
            disk,
            &Location::Folder("disk".into()),
            log.name(Topic::Clicks),
            partitions,
            stream,
            keep,
        );
        let state = world.runtime.block_on(restore(&snapshots, &log, &metrics, false))?;
        let gap = |line: &str| line.contains(r#"class="gap""#) && !line.ends_with(" 0");
        if metrics.encode(Exposition::Text).lines().any(gap) {
            return Err(Ended::Broken("records are gone that no snapshot covers".to_owned()));
        }
        let progress = Arc::new(Progress::default());
        let time = world.time.clone();
        let parts = IngestParts {
            state: Arc::clone(&state),
            snapshots,
            log,
            metrics,
            clock: Arc::new(move || time.now()),
            stopped: Arc::default(),
            progress: Arc::clone(&progress),
        };
        let (settings, interval) = (world.config.ingest.clone(), world.config.snapshot.interval);
        let mut factory = WorkerFactory::new(settings, interval, parts);
        let (epoch, then) = world.epoch;
        let time = world.time.clone();
        factory.now = Arc::new(move || epoch + Duration::from_millis((time.now() - then) as u64));
        let items = world.runtime.block_on(factory.items(&CancellationToken::new()))?;
        let (_, jobs) = mpsc::channel(1);
        Ok(Self { factory, progress, items, clicks: Vec::new(), jobs, state })
    }

    /// Reads the catalog, then starts on the clicks.
    pub fn begin(&mut self, world: &World) -> Result<(), Ended> {
        let log = &world.log;
        let mut patience = PATIENCE;
        for partition in Partition::all(log.partitions(Topic::Items)?) {
            let high = log.bounds(Topic::Items, partition)?.high;
            while self.progress.position(partition) < high {
                if self.items.step()? == Next::Later {
                    patience -= 1;
                }
                alive(world)?;
                // A journal that takes no more records does so until it is started again.
                if patience == 0 {
                    return Err(Ended::Down);
                }
            }
        }
        self.progress.completed();
        let (sender, jobs) = mpsc::channel(1);
        self.jobs = jobs;
        let partitions: Vec<Partition> = Partition::all(log.partitions(Topic::Clicks)?).collect();
        for mine in partitions.chunks(2) {
            let stop = CancellationToken::new();
            let worker = self.factory.clicks(mine, sender.clone(), &stop, Arc::default());
            let worker = world.runtime.block_on(worker)?;
            self.clicks.push(Reading { worker, partitions: mine.to_vec(), next: Next::Now });
        }
        Ok(())
    }

    /// Does some things in an order that is drawn.
    pub fn go_on(&mut self, world: &mut World, steps: u64) -> Result<(), Ended> {
        for _ in 0..steps {
            match world.faults.below(20) {
                0..6 => self.step_clicks(world)?,
                6 => drop(self.items.step()?),
                7..10 => (0..world.faults.below(5)).for_each(|_| world.producer.send()),
                10..13 => self.write_a_snapshot(world),
                13 => {
                    let ms = world.faults.below(4000) as i64;
                    world.pass(ms);
                }
                14 => self.note_items(world),
                15..17 => world.log.work(),
                _ => (0..world.faults.below(5)).for_each(|_| world.producer.look()),
            }
            alive(world)?;
        }
        Ok(())
    }

    /// Reads all that there is.
    pub fn catch_up(&mut self, world: &World) -> Result<(), Ended> {
        let ends = |topic: Topic| -> Result<Positions, LogError> {
            let partitions = Partition::all(world.log.partitions(topic)?);
            partitions.map(|partition| Ok((partition, world.log.bounds(topic, partition)?.high))).collect()
        };
        let (clicks, items) = (ends(Topic::Clicks)?, ends(Topic::Items)?);
        while !self.progress.covers(&items) {
            self.items.step()?;
            alive(world)?;
        }
        while clicks.iter().any(|(partition, end)| self.state.position(partition) < end) {
            self.step_clicks(world)?;
            alive(world)?;
        }
        Ok(())
    }

    /// Stops as SIGTERM does.
    pub fn stop(mut self, world: &World) {
        self.write_a_snapshot(world);
        let (writer, store) = (&self.factory.writer, &self.state);
        for Reading { partitions, next, .. } in &self.clicks {
            // A worker that stops before its dead letters are acknowledged ends with an error, and
            // then no last snapshot is taken.
            for partition in partitions.iter().filter(|_| *next == Next::Now) {
                // A failure is told, and the next start replays more.
                let _ = world.runtime.block_on(writer.finish(store, *partition));
            }
        }
        self.note_items(world);
    }

    /// The state that it has.
    pub fn store(&self) -> &State {
        &self.state
    }

    fn step_clicks(&mut self, world: &World) -> Result<(), Ended> {
        let place = world.faults.below(self.clicks.len() as u64) as usize;
        let Reading { worker, next, .. } = &mut self.clicks[place];
        *next = worker.step()?;
        Ok(())
    }

    fn write_a_snapshot(&mut self, world: &World) {
        if let Ok(job) = self.jobs.try_recv() {
            // As in the writer's own loop: the next one will cover more.
            let _ = world.runtime.block_on(self.factory.writer.write(job));
        }
    }

    fn note_items(&self, world: &World) {
        let store = &self.factory.writer.store;
        let reported = self.progress.reported();
        let noting = store.put_items_read(world.log.name(Topic::Items), &reported);
        // As in the service: told, and tried again later.
        let _ = world.runtime.block_on(noting);
    }
}

fn alive(world: &World) -> Result<(), Ended> {
    match world.log.wrong() {
        Some(why) => Err(Ended::Broken(why)),
        None if world.faults.is_off() => Err(Ended::Down),
        None => Ok(()),
    }
}
