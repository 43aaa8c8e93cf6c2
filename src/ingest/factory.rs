//! Workers, made of their parts.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::ingest::apply::{Clicks, Items, Progress};
use crate::ingest::breaker::{BreakerParts, Breaking, StoppedPartitions};
use crate::ingest::recovery::ask;
use crate::ingest::worker::{Consumer, Tools, Worker};
use crate::ingest::{IngestError, IngestSettings};
use crate::log::{Bounds, Log, LogError, Offset, Partition, Positions, Topic};
use crate::snapshot::SnapshotStore;
use crate::snapshot::schedule::{Job, Now, Schedule, Writer};
use crate::state::State;
use crate::telemetry::Metrics;

/// What ingestion reads from, writes to and tells.
pub struct IngestParts {
    /// Where records become state.
    pub state: Arc<State>,
    /// Where state is saved.
    pub snapshots: SnapshotStore,
    /// Where records come from.
    pub log: Arc<dyn Log>,
    /// Where metrics go.
    pub metrics: Arc<Metrics>,
    /// The wall clock.
    pub clock: Clock,
    /// Partitions that a flood of bad records has stopped.
    pub stopped: Arc<StoppedPartitions>,
    /// How far items were read.
    pub progress: Arc<Progress>,
}

/// Makes workers, and holds what they share.
pub(crate) struct WorkerFactory {
    pub state: Arc<State>,
    pub log: Arc<dyn Log>,
    pub metrics: Arc<Metrics>,
    clock: Clock,
    pub stopped: Arc<StoppedPartitions>,
    pub progress: Arc<Progress>,
    pub writer: Writer,
    pub settings: IngestSettings,
    pub snapshot_interval: Duration,
    pub now: Now,
}

impl WorkerFactory {
    pub fn new(settings: IngestSettings, snapshot_interval: Duration, parts: IngestParts) -> Self {
        let IngestParts { state, snapshots, log, metrics, clock, stopped, progress } = parts;
        Self {
            writer: Writer {
                store: snapshots,
                log: Arc::clone(&log),
                metrics: Arc::clone(&metrics),
                covered: Arc::default(),
                room: Arc::default(),
                clock: Arc::clone(&clock),
            },
            state,
            log,
            metrics,
            clock,
            stopped,
            progress,
            settings,
            snapshot_interval,
            now: Arc::new(Instant::now),
        }
    }

    /// Partitions of clicks, as they were at the start.
    pub fn partitions(&self) -> u32 {
        self.writer.store.partitions()
    }

    /// How many workers read clicks.
    pub fn workers(&self) -> u32 {
        self.settings.workers_for(self.partitions())
    }

    pub fn items_topic(&self) -> &str {
        self.log.name(Topic::Items)
    }

    /// A worker that reads the catalog, and goes on with it.
    pub async fn items(&self, stop: &CancellationToken) -> Result<Worker<Items>, IngestError> {
        let bounds = self.items_bounds().await?;
        let reported = self.writer.store.items_read(self.items_topic()).await?;
        // A topic that is shorter than what was read is another one by the same name.
        let has = |(partition, read): &(Partition, Offset)| {
            bounds.get(partition.index()).is_some_and(|(_, bounds)| *read <= bounds.high)
        };
        self.progress.resume(reported.iter().filter(has).collect());
        let consumer = Items::new(
            Arc::clone(&self.state),
            self.settings.items_format,
            Arc::clone(&self.metrics),
            Arc::clone(&self.progress),
            Arc::clone(&self.clock),
        );
        let from = bounds.into_iter().map(|(partition, bounds)| (partition, bounds.low)).collect();
        self.worker(Topic::Items, from, consumer, stop, Arc::default()).await
    }

    /// What each partition of the items log holds now, in order.
    pub async fn items_bounds(&self) -> Result<Vec<(Partition, Bounds)>, IngestError> {
        let bounds = |log: &dyn Log| {
            let partitions = Partition::all(log.partitions(Topic::Items)?);
            partitions.map(|partition| Ok((partition, log.bounds(Topic::Items, partition)?))).collect()
        };
        ask(&self.log, bounds).await
    }

    /// A worker that reads partitions of clicks from where their states end.
    pub async fn clicks(
        &self,
        partitions: &[Partition],
        jobs: mpsc::Sender<Job>,
        stop: &CancellationToken,
        unfinished: Arc<AtomicBool>,
    ) -> Result<Worker<Breaking<Clicks<Schedule>>>, IngestError> {
        let state = Arc::clone(&self.state);
        let next = |partition: &Partition| {
            let positioned = state.partition(*partition);
            (*partition, positioned.map_or(Offset::ZERO, |positioned| positioned.next_offset))
        };
        let from: Positions = partitions.iter().map(next).collect();
        self.writer.cover(partitions);
        let dealt_with = self.dealt_with(partitions).await?;
        let now = Arc::clone(&self.now);
        let schedule = Schedule::new(jobs, self.snapshot_interval, partitions, &self.writer, now);
        let metrics = Arc::clone(&self.metrics);
        let told = Arc::clone(&metrics);
        let consumer = Clicks::new(
            state,
            self.settings.clicks_format,
            metrics,
            Arc::clone(&self.clock),
            schedule,
            dealt_with,
        )
        .leaving_out(self.settings.skip.clone());
        let topic = self.log.name(Topic::Clicks).to_owned();
        let parts = BreakerParts {
            settings: self.settings.breaker,
            stopped: Arc::clone(&self.stopped),
            metrics: told,
            now: Arc::clone(&self.now),
        };
        let consumer = Breaking::new(consumer, topic, partitions, parts);
        self.worker(Topic::Clicks, from, consumer, stop, unfinished).await
    }

    /// Where partitions are shared: before which offsets each was dealt with by whoever had it.
    async fn dealt_with(&self, partitions: &[Partition]) -> Result<Positions, IngestError> {
        if !self.state.is_shared() {
            return Ok(Positions::default());
        }
        let partitions = partitions.to_vec();
        let committed = move |log: &dyn Log| {
            let told = partitions.iter().map(|partition| Ok((*partition, log.dealt_with(*partition)?)));
            let told = told.collect::<Result<Vec<_>, LogError>>()?;
            Ok(told.into_iter().filter_map(|(partition, offset)| Some((partition, offset?))).collect())
        };
        ask(&self.log, committed).await
    }

    async fn worker<F: Consumer + 'static>(
        &self,
        topic: Topic,
        from: Positions,
        consumer: F,
        stop: &CancellationToken,
        unfinished: Arc<AtomicBool>,
    ) -> Result<Worker<F>, IngestError> {
        let tools = Tools {
            log: Arc::clone(&self.log),
            metrics: Arc::clone(&self.metrics),
            runtime: Handle::current(),
            stop: stop.clone(),
            slow_batch: self.settings.slow_batch,
            unfinished,
        };
        let made = tokio::task::spawn_blocking(move || Worker::new(tools, topic, from, consumer)).await;
        let made = made.map_err(|_| IngestError::Died("making a worker"))?;
        made.map_err(|error| IngestError::reading(error, self.snapshots_of(topic).as_deref()))
    }

    /// Where the snapshots are that are made of a topic.
    pub fn snapshots_of(&self, topic: Topic) -> Option<String> {
        (topic == Topic::Clicks).then(|| self.writer.store.location().to_string())
    }
}
