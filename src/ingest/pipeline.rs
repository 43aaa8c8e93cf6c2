//! What feeds state: the workers, made of their parts, and the order in which they start and stop.
//!
//! Clicks are read once the catalog is complete, so that replay finds the categories that the first
//! run found.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::ingest::IngestError;
use crate::ingest::IngestSettings;
use crate::ingest::apply::{Clicks, Items, Progress};
use crate::ingest::assignment::Crew;
use crate::ingest::breaker::Breaking;
use crate::ingest::breaker::Stopped;
use crate::ingest::recovery::ask;
use crate::ingest::worker::{Feed, Tools, Worker};
use crate::log::{Bounds, Log, Offset, Partition, Topic};
use crate::snapshot::SnapshotStore;
use crate::snapshot::schedule::{Job, Now, Schedule, Writer};
use crate::state::Store;
use crate::telemetry::Metrics;

/// How often to look whether the catalog is complete.
const LOOK: Duration = Duration::from_millis(10);
/// Decisions of a group that wait to be followed.
const NOTICES: usize = 16;

/// What ingestion reads from, writes to and tells.
pub struct IngestParts {
    /// Where records become state.
    pub state: Arc<Store>,
    /// Where state is saved.
    pub snapshots: SnapshotStore,
    /// Where records come from.
    pub log: Arc<dyn Log>,
    /// Where metrics go.
    pub metrics: Arc<Metrics>,
    /// The wall clock.
    pub clock: Clock,
    /// Partitions that a flood of bad records has stopped.
    pub stopped: Arc<Stopped>,
    /// How far items were read.
    pub progress: Arc<Progress>,
}

/// The workers, ready to start.
pub struct Ingestion {
    pub(crate) state: Arc<Store>,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) metrics: Arc<Metrics>,
    clock: Clock,
    pub(crate) stopped: Arc<Stopped>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) writer: Writer,
    pub(crate) workers: u32,
    /// Where this process answers, for those who share its log.
    address: String,
    pub(crate) settings: IngestSettings,
    snapshot_interval: Duration,
    pub(crate) now: Now,
}

impl Ingestion {
    /// Workers that are not started yet. `address` is where this process answers.
    ///
    /// # Errors
    /// The log can't be asked how many partitions it has.
    pub fn new(
        settings: IngestSettings,
        snapshot_interval: Duration,
        parts: IngestParts,
        address: String,
    ) -> Result<Self, IngestError> {
        let IngestParts { state, snapshots, log, metrics, clock, stopped, progress } = parts;
        let partitions = log.partitions(Topic::Clicks)?;
        Ok(Self {
            writer: Writer {
                store: snapshots,
                log: Arc::clone(&log),
                metrics: Arc::clone(&metrics),
                covered: Arc::default(),
                clock: Arc::clone(&clock),
            },
            workers: settings.workers_for(partitions),
            state,
            log,
            metrics,
            clock,
            stopped,
            progress,
            address,
            settings,
            snapshot_interval,
            now: Arc::new(Instant::now),
        })
    }

    /// Feeds state until told to stop, then writes the last snapshots.
    ///
    /// # Errors
    /// A part of it has failed for good, or a snapshot can't be written.
    pub async fn run(self, stop: watch::Receiver<bool>) -> Result<(), IngestError> {
        let (jobs, waiting) = mpsc::channel(1);
        let writing = tokio::spawn(self.writer.clone().run(waiting));
        let noting = self.note_items_read();
        let mut crew = Crew::new(&self, jobs);
        let worked = self.work(&mut crew, stop).await;
        // Whatever happened, no worker outlives this, and what those that ended well held is saved.
        let (partitions, dismissed) = crew.dismiss().await;
        // The workers held the senders: what was under way is written first.
        let written = writing.await.map_err(|_| IngestError::Died("writing snapshots"));
        noting.abort();
        let saved = self.save(partitions).await;
        // Only then may others go on where we have stopped.
        let leave = |log: &dyn Log| {
            log.leave();
            Ok(())
        };
        let left = ask(&self.log, leave).await;
        worked.and(dismissed).and(written).and(saved).and(left)
    }

    async fn save(&self, partitions: Vec<Partition>) -> Result<(), IngestError> {
        for partition in partitions {
            self.writer.finish(&self.state, partition).await?;
        }
        Ok(self.writer.store.put_items_read(self.items_topic(), &self.progress.reported()).await?)
    }

    /// Keeps a crew at work until told to stop, or until one of it fails.
    async fn work(&self, crew: &mut Crew<'_>, mut stop: watch::Receiver<bool>) -> Result<(), IngestError> {
        let stopped = async {
            // Without a sender there is nobody left to work for.
            let _ = stop.wait_for(|stop| *stop).await;
            Ok(())
        };
        tokio::select! {
            stopped = stopped => stopped,
            worked = self.work_on(crew) => worked,
        }
    }

    async fn work_on(&self, crew: &mut Crew<'_>) -> Result<(), IngestError> {
        crew.start_items().await?;
        tokio::select! {
            complete = self.catalog_complete() => complete?,
            failed = crew.watch() => return failed,
        }
        let (sender, mut notices) = mpsc::channel(NOTICES);
        let address = self.address.clone();
        if ask(&self.log, move |log| log.join(&address, sender)).await? {
            return crew.follow(&mut notices).await;
        }
        crew.take((0..self.writer.store.partitions()).collect()).await?;
        crew.watch().await
    }

    /// Writes down now and then how far items were read.
    fn note_items_read(&self) -> JoinHandle<()> {
        let (store, progress) = (self.writer.store.clone(), Arc::clone(&self.progress));
        let (topic, interval) = (self.items_topic().to_owned(), self.snapshot_interval);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(interval).await;
                if let Err(error) = store.put_items_read(&topic, &progress.reported()).await {
                    tracing::warn!(%error, "can't note how far items were read");
                }
            }
        })
    }

    fn items_topic(&self) -> &str {
        self.log.name(Topic::Items)
    }

    pub(crate) async fn items(&self, stop: &Arc<AtomicBool>) -> Result<Worker<Items>, IngestError> {
        let bounds = self.items_bounds().await?;
        let mut reported = self.writer.store.items_read(self.items_topic()).await?;
        // A topic that is shorter than what was read is another one by the same name.
        reported.retain(|partition, read| {
            bounds.get(*partition as usize).is_some_and(|bounds| *read <= bounds.high)
        });
        self.progress.resume(reported);
        let feed = Items::new(
            Arc::clone(&self.state),
            self.settings.items_format,
            Arc::clone(&self.metrics),
            Arc::clone(&self.progress),
        );
        let from = (0..).zip(bounds).map(|(partition, bounds)| (partition, bounds.low)).collect();
        self.worker(Topic::Items, from, feed, stop).await
    }

    async fn items_bounds(&self) -> Result<Vec<Bounds>, IngestError> {
        let bounds = |log: &dyn Log| {
            let partitions = 0..log.partitions(Topic::Items)?;
            partitions.map(|partition| log.bounds(Topic::Items, partition)).collect()
        };
        ask(&self.log, bounds).await
    }

    /// Waits until the catalog holds everything that the items log held at the start.
    async fn catalog_complete(&self) -> Result<(), IngestError> {
        for (partition, bounds) in (0..).zip(self.items_bounds().await?) {
            while bounds.high > bounds.low && self.progress.position(partition) < bounds.high {
                tokio::time::sleep(LOOK).await;
            }
        }
        Ok(())
    }

    pub(crate) async fn clicks(
        &self,
        partitions: &[Partition],
        jobs: mpsc::Sender<Job>,
        stop: &Arc<AtomicBool>,
    ) -> Result<Worker<Breaking<Clicks<Schedule>>>, IngestError> {
        let store = Arc::clone(&self.state);
        let next = |partition: &Partition| {
            let positioned = store.partition(*partition as usize);
            (*partition, positioned.map_or(0, |positioned| positioned.next_offset))
        };
        let from: Vec<(Partition, Offset)> = partitions.iter().map(next).collect();
        self.writer.cover(partitions);
        let now = Arc::clone(&self.now);
        let schedule = Schedule::new(jobs, self.snapshot_interval, partitions, &self.writer, now);
        let metrics = Arc::clone(&self.metrics);
        let told = Arc::clone(&metrics);
        let feed =
            Clicks::new(store, self.settings.clicks_format, metrics, Arc::clone(&self.clock), schedule);
        let topic = self.log.name(Topic::Clicks).to_owned();
        let feed = Breaking::new(feed, topic, self.settings.breaker, Arc::clone(&self.stopped), told);
        self.worker(Topic::Clicks, from, feed, stop).await
    }

    async fn worker<F: Feed + 'static>(
        &self,
        topic: Topic,
        from: Vec<(Partition, Offset)>,
        feed: F,
        stop: &Arc<AtomicBool>,
    ) -> Result<Worker<F>, IngestError> {
        let tools = Tools {
            log: Arc::clone(&self.log),
            metrics: Arc::clone(&self.metrics),
            runtime: Handle::current(),
            stop: Arc::clone(stop),
        };
        let made = tokio::task::spawn_blocking(move || Worker::new(tools, topic, from, feed)).await;
        Ok(made.map_err(|_| IngestError::Died("a worker"))??)
    }
}
