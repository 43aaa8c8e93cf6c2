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

use super::crew::Crew;
use super::feeds::{Clicks, Items, Progress};
use super::recovery::{Recovered, ask};
use super::snapshots::{Job, Now, Schedule, Writer};
use super::{AppError, Ended, wall_clock};
use crate::config::{Config, RecordFormat};
use crate::ingest::breaker::{BreakerSettings, Breaking};
use crate::ingest::decode::Encoding;
use crate::ingest::worker::{Feed, Tools, Worker};
use crate::ingest::{Bounds, Log, Offset, Partition, Topic};
use crate::serving::Shared;

/// How often to look whether the catalog is complete.
const LOOK: Duration = Duration::from_millis(10);
/// Decisions of a group that wait to be followed.
const NOTICES: usize = 16;

/// The workers, ready to start.
pub(super) struct Ingestion {
    pub(super) shared: Arc<Shared>,
    pub(super) progress: Arc<Progress>,
    pub(super) writer: Writer,
    pub(super) workers: u32,
    /// Where this process answers, for those who share its log.
    address: String,
    clicks_encoding: Encoding,
    items_encoding: Encoding,
    snapshot_interval: Duration,
    pub(super) now: Now,
    breaker: BreakerSettings,
}

impl Ingestion {
    pub(super) fn new(
        config: &Config,
        shared: &Arc<Shared>,
        recovered: Recovered,
        progress: Arc<Progress>,
        address: String,
    ) -> Result<Self, AppError> {
        let partitions = shared.log.partitions(Topic::Clicks)?;
        Ok(Self {
            writer: Writer {
                store: recovered.snapshots,
                log: Arc::clone(&shared.log),
                metrics: Arc::clone(&shared.metrics),
                covered: Arc::default(),
            },
            shared: Arc::clone(shared),
            progress,
            workers: config.ingest.workers_for(partitions),
            address,
            clicks_encoding: encoding(config.ingest.clicks_format),
            items_encoding: encoding(config.ingest.items_format),
            snapshot_interval: config.snapshot.interval,
            now: Arc::new(Instant::now),
            breaker: config.ingest.breaker,
        })
    }

    /// Starts the workers. What is returned ends when they were told to stop and the last snapshots
    /// are written.
    pub(super) fn start(
        self,
        stop: watch::Receiver<bool>,
        ended: mpsc::UnboundedSender<Ended>,
    ) -> JoinHandle<Result<(), AppError>> {
        tokio::spawn(async move {
            let result = self.run(stop).await;
            if let Err(error) = &result {
                tracing::error!(%error, "ingestion ended");
            }
            // The app notices that ingestion is over, and takes the result from the join handle.
            let _ = ended.send(("ingestion", Err(AppError::Died("ingestion"))));
            result
        })
    }

    async fn run(self, stop: watch::Receiver<bool>) -> Result<(), AppError> {
        let (jobs, waiting) = mpsc::channel(1);
        let writing = tokio::spawn(self.writer.clone().run(waiting));
        let noting = self.note_items_read();
        let mut crew = Crew::new(&self, jobs);
        let worked = self.work(&mut crew, stop).await;
        // Whatever happened, no worker outlives this, and what those that ended well held is saved.
        let (partitions, dismissed) = crew.dismiss().await;
        // The workers held the senders: what was under way is written first.
        let written = writing.await.map_err(|_| AppError::Died("writing snapshots"));
        noting.abort();
        let saved = self.save(partitions).await;
        // Only then may others go on where we have stopped.
        let left = ask(&self.shared.log, |log| Ok(log.leave())).await;
        worked.and(dismissed).and(written).and(saved).and(left)
    }

    async fn save(&self, partitions: Vec<Partition>) -> Result<(), AppError> {
        for partition in partitions {
            self.writer.finish(&self.shared.store, partition).await?;
        }
        Ok(self.writer.store.put_items_read(self.items_topic(), &self.progress.reported()).await?)
    }

    /// Keeps a crew at work until told to stop, or until one of it fails.
    async fn work(&self, crew: &mut Crew<'_>, mut stop: watch::Receiver<bool>) -> Result<(), AppError> {
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

    async fn work_on(&self, crew: &mut Crew<'_>) -> Result<(), AppError> {
        crew.start_items().await?;
        tokio::select! {
            complete = self.catalog_complete() => complete?,
            failed = crew.watch() => return failed,
        }
        let (sender, mut notices) = mpsc::channel(NOTICES);
        let address = self.address.clone();
        if ask(&self.shared.log, move |log| log.join(&address, sender)).await? {
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
        self.shared.log.name(Topic::Items)
    }

    pub(super) async fn items(&self, stop: &Arc<AtomicBool>) -> Result<Worker<Items>, AppError> {
        let bounds = self.items_bounds().await?;
        let mut reported = self.writer.store.items_read(self.items_topic()).await?;
        // A topic that is shorter than what was read is another one by the same name.
        reported.retain(|partition, read| {
            bounds.get(*partition as usize).is_some_and(|bounds| *read <= bounds.high)
        });
        self.progress.resume(reported);
        let feed = Items::new(
            Arc::clone(&self.shared.store),
            self.items_encoding,
            Arc::clone(&self.shared.metrics),
            Arc::clone(&self.progress),
        );
        let from = (0..).zip(bounds).map(|(partition, bounds)| (partition, bounds.low)).collect();
        self.worker(Topic::Items, from, feed, stop).await
    }

    async fn items_bounds(&self) -> Result<Vec<Bounds>, AppError> {
        let bounds = |log: &dyn Log| {
            let partitions = 0..log.partitions(Topic::Items)?;
            partitions.map(|partition| log.bounds(Topic::Items, partition)).collect()
        };
        ask(&self.shared.log, bounds).await
    }

    /// Waits until the catalog holds everything that the items log held at the start.
    async fn catalog_complete(&self) -> Result<(), AppError> {
        for (partition, bounds) in (0..).zip(self.items_bounds().await?) {
            while bounds.high > bounds.low && self.progress.position(partition) < bounds.high {
                tokio::time::sleep(LOOK).await;
            }
        }
        Ok(())
    }

    pub(super) async fn clicks(
        &self,
        partitions: &[Partition],
        jobs: mpsc::Sender<Job>,
        stop: &Arc<AtomicBool>,
    ) -> Result<Worker<Breaking<Clicks<Schedule>>>, AppError> {
        let store = Arc::clone(&self.shared.store);
        let next = |partition: &Partition| {
            let positioned = store.partition(*partition as usize);
            (*partition, positioned.map_or(0, |positioned| positioned.next_offset))
        };
        let from: Vec<(Partition, Offset)> = partitions.iter().map(next).collect();
        self.writer.cover(&from);
        let covered = Arc::clone(&self.writer.covered);
        let metrics = Arc::clone(&self.shared.metrics);
        let told = Arc::clone(&metrics);
        let schedule =
            Schedule::new(jobs, self.snapshot_interval, partitions, covered, Arc::clone(&self.now), told);
        let told = Arc::clone(&metrics);
        let feed = Clicks::new(store, self.clicks_encoding, metrics, Arc::new(wall_clock), schedule);
        let topic = self.shared.log.name(Topic::Clicks).to_owned();
        let feed = Breaking::new(feed, topic, self.breaker, Arc::clone(&self.shared.stopped), told);
        self.worker(Topic::Clicks, from, feed, stop).await
    }

    async fn worker<F: Feed + 'static>(
        &self,
        topic: Topic,
        from: Vec<(Partition, Offset)>,
        feed: F,
        stop: &Arc<AtomicBool>,
    ) -> Result<Worker<F>, AppError> {
        let tools = Tools {
            log: Arc::clone(&self.shared.log),
            metrics: Arc::clone(&self.shared.metrics),
            runtime: Handle::current(),
            stop: Arc::clone(stop),
        };
        let made = tokio::task::spawn_blocking(move || Worker::new(tools, topic, from, feed)).await;
        Ok(made.map_err(|_| AppError::Died("a worker"))??)
    }
}

fn encoding(format: RecordFormat) -> Encoding {
    match format {
        RecordFormat::Json => Encoding::Json,
        RecordFormat::Protobuf => Encoding::Protobuf,
    }
}
