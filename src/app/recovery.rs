//! From snapshots and log to state: what is restored, where reading goes on, and the workers that
//! read.
//!
//! The items log is read from its start each time: it is compacted, and an old snapshot of a
//! compacted log could miss deletions. Clicks are read once the catalog is complete, so that replay
//! finds the categories that the first run found.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinHandle, JoinSet};

use super::feeds::{Clicks, Items, Progress};
use super::snapshots::{Job, Now, Schedule, Writer};
use super::{AppError, Ended, wall_clock};
use crate::config::{Config, RecordFormat};
use crate::engine::state::PartitionState;
use crate::ingest::breaker::{BreakerSettings, Breaking};
use crate::ingest::decode::Encoding;
use crate::ingest::worker::{Feed, Tools, Worker};
use crate::ingest::{Bounds, Log, LogError, Offset, Partition, Topic};
use crate::serving::Shared;
use crate::snapshot::SnapshotStore;
use crate::store::{Positioned, Store};
use crate::telemetry::Metrics;
use crate::telemetry::events::{GapFound, PartitionRecovered, SnapshotRejected};

/// How often to look whether the catalog is complete.
const LOOK: Duration = Duration::from_millis(10);

/// Worker threads, each with the partitions to be snapshot once it has ended well.
type Threads = JoinSet<Result<Vec<Partition>, AppError>>;

/// What snapshots gave back.
pub(super) struct Recovered {
    pub store: Arc<Store>,
    pub snapshots: SnapshotStore,
}

/// Restores each partition from its newest snapshot, if that can be.
pub(super) async fn recover(
    config: &Config,
    log: &Arc<dyn Log>,
    metrics: &Arc<Metrics>,
) -> Result<Recovered, AppError> {
    let stream = Arc::new(config.stream.clone());
    let partitions = ask(log, |log| log.partitions(Topic::Clicks)).await?;
    let (place, s3, keep) = (&config.snapshot.place, &config.snapshot.s3, config.snapshot.keep);
    let snapshots = SnapshotStore::open(place, s3, log.name(Topic::Clicks), partitions, stream, keep)?;
    restore(snapshots, log, metrics).await
}

/// Restores each partition of a topic from its newest snapshot, if that can be.
pub(super) async fn restore(
    snapshots: SnapshotStore,
    log: &Arc<dyn Log>,
    metrics: &Arc<Metrics>,
) -> Result<Recovered, AppError> {
    let (stream, partitions) = (Arc::clone(snapshots.config()), snapshots.partitions());
    let mut restored = Vec::with_capacity(partitions as usize);
    let mut oldest = None;
    for partition in 0..partitions {
        let reject = |path: &str, reason: &str| SnapshotRejected { path, reason }.emit(metrics);
        let (mut next_offset, state) = match snapshots.newest(partition, reject).await? {
            Some(found) => {
                let written_at = found.header.written_at;
                oldest = Some(oldest.map_or(written_at, |oldest: i64| oldest.min(written_at)));
                (found.header.next_offset, found.state)
            }
            None => (0, PartitionState::new(Arc::clone(&stream))),
        };
        let bounds = ask(log, move |log| log.bounds(Topic::Clicks, partition)).await?;
        if next_offset > bounds.high {
            let (topic, snapshots) = (log.name(Topic::Clicks).to_owned(), snapshots.place().to_string());
            let (next, high) = (next_offset, bounds.high);
            return Err(AppError::LogBehindSnapshot { topic, partition, next, high, snapshots });
        }
        if next_offset < bounds.low {
            // Without a snapshot there is nothing that a gap would follow.
            if next_offset > 0 {
                GapFound { partition, expected: next_offset, found: bounds.low }.emit(metrics);
            }
            next_offset = bounds.low;
        }
        PartitionRecovered { partition, next_offset, users: state.users_len() }.emit();
        restored.push(Positioned { state, next_offset });
    }
    // Or the age of snapshots would be that of the epoch until the first is written.
    metrics.snapshot_time.set(oldest.map_or(0.0, |oldest| oldest as f64 / 1e3));
    Ok(Recovered { store: Arc::new(Store::new(stream, restored)), snapshots })
}

/// Asks a log something that may block.
async fn ask<T: Send + 'static>(
    log: &Arc<dyn Log>,
    question: impl FnOnce(&dyn Log) -> Result<T, LogError> + Send + 'static,
) -> Result<T, AppError> {
    let log = Arc::clone(log);
    let asked = tokio::task::spawn_blocking(move || question(&*log)).await;
    Ok(asked.map_err(|_| AppError::Died("a question to the log"))??)
}

/// The workers, ready to start.
pub(super) struct Ingestion {
    shared: Arc<Shared>,
    progress: Arc<Progress>,
    pub(super) writer: Writer,
    workers: u32,
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
        stop: Arc<AtomicBool>,
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

    async fn run(self, stop: Arc<AtomicBool>) -> Result<(), AppError> {
        let mut threads = JoinSet::new();
        let (jobs, waiting) = mpsc::channel(1);
        let writing = tokio::spawn(self.writer.clone().run(waiting));
        let noting = self.note_items_read();
        let result = self.run_workers(&stop, &mut threads, jobs).await;
        // Whatever happened, no worker outlives this, and each that ended well is snapshot.
        stop.store(true, Ordering::Release);
        let mut partitions = Vec::new();
        let mut failure = result.err();
        while let Some(thread) = threads.join_next().await {
            match flatten(thread) {
                Ok(owned) => partitions.extend(owned),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        // The workers held the senders: what was under way is written first.
        writing.await.map_err(|_| AppError::Died("writing snapshots"))?;
        for partition in partitions {
            self.writer.finish(&self.shared.store, partition).await?;
        }
        noting.abort();
        self.writer.store.put_items_read(self.items_topic(), &self.progress.reported()).await?;
        failure.map_or(Ok(()), Err)
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

    /// Starts the workers; returns when told to stop, or when one of them fails.
    async fn run_workers(
        &self,
        stop: &Arc<AtomicBool>,
        threads: &mut Threads,
        jobs: mpsc::Sender<Job>,
    ) -> Result<(), AppError> {
        spawn(threads, "items", self.items(stop).await?, Vec::new())?;
        self.catalog_complete(stop, threads).await?;
        self.progress.completed();
        for turn in 0..self.workers {
            let mine = |partition: &Partition| partition % self.workers == turn;
            let partitions = 0..self.shared.log.partitions(Topic::Clicks)?;
            let partitions: Vec<Partition> = partitions.filter(mine).collect();
            let worker = self.clicks(&partitions, jobs.clone(), stop).await?;
            spawn(threads, "clicks", worker, partitions)?;
        }
        drop(jobs);
        // The first to end was told to stop, or failed: either way it is over for all.
        let first = threads.join_next().await.map_or(Ok(Vec::new()), flatten)?;
        stop.store(true, Ordering::Release);
        threads.spawn(async { Ok(first) });
        Ok(())
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
        self.writer.covered.lock().extend(from.iter().copied());
        let covered = Arc::clone(&self.writer.covered);
        let schedule =
            Schedule::new(jobs, self.snapshot_interval, partitions, covered, Arc::clone(&self.now));
        let metrics = Arc::clone(&self.shared.metrics);
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

    /// Waits until the catalog holds everything that the items log held at the start.
    async fn catalog_complete(&self, stop: &AtomicBool, threads: &mut Threads) -> Result<(), AppError> {
        for (partition, bounds) in (0..).zip(self.items_bounds().await?) {
            while bounds.high > bounds.low && self.progress.position(partition) < bounds.high {
                if let Some(thread) = threads.try_join_next() {
                    flatten(thread)?;
                }
                if stop.load(Ordering::Acquire) {
                    return Ok(());
                }
                tokio::time::sleep(LOOK).await;
            }
        }
        Ok(())
    }
}

/// Runs a worker on a thread of its own.
fn spawn<F: Feed + 'static>(
    threads: &mut Threads,
    name: &str,
    worker: Worker<F>,
    partitions: Vec<Partition>,
) -> Result<(), AppError> {
    let (sender, receiver) = oneshot::channel();
    let run = move || {
        // Without a receiver nobody wants to know any more.
        let _ = sender.send(worker.run());
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(run)?;
    threads.spawn(async move {
        receiver.await.map_err(|_| AppError::Died("a worker"))??;
        Ok(partitions)
    });
    Ok(())
}

fn flatten(thread: Result<Result<Vec<Partition>, AppError>, JoinError>) -> Result<Vec<Partition>, AppError> {
    thread.unwrap_or(Err(AppError::Died("a worker")))
}

fn encoding(format: RecordFormat) -> Encoding {
    match format {
        RecordFormat::Json => Encoding::Json,
        RecordFormat::Protobuf => Encoding::Protobuf,
    }
}
