//! What feeds state: the order in which its tasks start and stop.
//!
//! Clicks are read once the catalog is complete, so that replay finds the categories that the first
//! run found. At the end the workers stop first, then what they held is saved, and only then is the
//! group left.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::ingest::assignment::WorkerPool;
use crate::ingest::factory::{IngestParts, WorkerFactory};
use crate::ingest::recovery::ask;
use crate::ingest::{IngestError, IngestSettings};
use crate::log::{Log, Partition, Positions};
use crate::tasks::Tasks;

/// How often to look whether the catalog is complete.
const LOOK: Duration = Duration::from_millis(10);
/// Decisions of a group that wait to be followed.
const NOTICES: usize = 16;

/// The workers, ready to start.
pub struct Ingestion {
    factory: WorkerFactory,
    /// Where this process answers, for those who share its log.
    address: String,
}

impl Ingestion {
    /// Workers that are not started yet. `address` is where this process answers.
    pub fn new(
        settings: IngestSettings,
        snapshot_interval: Duration,
        parts: IngestParts,
        address: String,
    ) -> Self {
        Self { factory: WorkerFactory::new(settings, snapshot_interval, parts), address }
    }

    /// Feeds state until told to stop, then writes the last snapshots.
    ///
    /// # Errors
    /// A part of it has failed for good, or a snapshot can't be written.
    pub async fn run(self, stop: CancellationToken) -> Result<(), IngestError> {
        // Not under `stop`: these go on until the workers have ended.
        let mut tasks = Tasks::new(CancellationToken::new());
        let (jobs, waiting) = mpsc::channel(1);
        tasks.spawn("the snapshot writer", self.factory.writer.clone().run(waiting));
        tasks.spawn_endless("the items checkpoint", self.checkpoint_items());
        let mut workers = WorkerPool::new(&self.factory, jobs);
        let worked = tokio::select! {
            () = stop.cancelled() => Ok(()),
            worked = self.work(&mut workers) => worked,
            error = tasks.failure() => Err(error.into()),
        };
        // Whatever happened, no worker outlives this, and what those that ended well held is saved.
        let (partitions, stopped) = workers.shutdown().await;
        // The workers held the senders: what was under way is written first.
        tasks.stop();
        let written = tasks.finish().await.map_err(IngestError::from);
        let saved = self.save(partitions).await;
        // Only then may others go on where we have stopped.
        let leave = |log: &dyn Log| {
            log.leave();
            Ok(())
        };
        let left = ask(&self.factory.log, leave).await;
        worked.and(stopped).and(written).and(saved).and(left)
    }

    async fn save(&self, partitions: Vec<Partition>) -> Result<(), IngestError> {
        let WorkerFactory { writer, state, progress, .. } = &self.factory;
        for partition in partitions {
            writer.finish(state, partition).await?;
        }
        Ok(writer.store.put_items_read(self.factory.items_topic(), &progress.reported()).await?)
    }

    /// Keeps the workers at work until one of them fails.
    async fn work(&self, workers: &mut WorkerPool<'_>) -> Result<(), IngestError> {
        workers.start_items().await?;
        tokio::select! {
            complete = self.catalog_complete() => complete?,
            failed = workers.failure() => return Err(failed),
        }
        let (sender, mut notices) = mpsc::channel(NOTICES);
        let skips = &self.factory.settings.skip;
        if !skips.is_empty() {
            let skip: Vec<String> = skips.iter().map(ToString::to_string).collect();
            tracing::warn!(?skip, "records are left out, as `ingest.skip` says");
        }
        let address = self.address.clone();
        if ask(&self.factory.log, move |log| log.join(&address, sender)).await? {
            return workers.follow(&mut notices).await;
        }
        workers.assign(Partition::all(self.factory.partitions()).collect()).await?;
        Err(workers.failure().await)
    }

    /// Writes down now and then how far items were read.
    fn checkpoint_items(&self) -> impl Future<Output = Infallible> + Send + use<> {
        let (store, progress) = (self.factory.writer.store.clone(), Arc::clone(&self.factory.progress));
        let (topic, interval) = (self.factory.items_topic().to_owned(), self.factory.snapshot_interval);
        async move {
            loop {
                tokio::time::sleep(interval).await;
                if let Err(error) = store.put_items_read(&topic, &progress.reported()).await {
                    tracing::warn!(%error, "can't note how far items were read");
                }
            }
        }
    }

    /// Waits until the catalog holds everything that the items log held at the start.
    async fn catalog_complete(&self) -> Result<(), IngestError> {
        let bounds = self.factory.items_bounds().await?.into_iter();
        let ends: Positions = bounds
            .filter(|(_, bounds)| !bounds.is_empty())
            .map(|(partition, bounds)| (partition, bounds.high))
            .collect();
        while !self.factory.progress.covers(&ends) {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::thread::{self, ThreadId};

    use parking_lot::Mutex;

    use super::*;
    use crate::clock::wall_clock;
    use crate::engine::config::StreamConfig;
    use crate::ingest::apply::Progress;
    use crate::ingest::recovery::restore;
    use crate::log::journal::{JournalLog, JournalSettings};
    use crate::log::membership::Notice;
    use crate::log::{Appended, Bounds, LogError, LogReader, NewRecord, Topic};
    use crate::snapshot::{Location, S3Settings, SnapshotStore};
    use crate::telemetry::Metrics;

    /// A log that notes what may wait and is done on a thread where nothing may.
    struct Watched {
        log: JournalLog,
        runtime: ThreadId,
        elsewhere: Mutex<usize>,
        on_the_runtime: Mutex<Vec<&'static str>>,
    }

    impl Watched {
        fn note(&self, what: &'static str) {
            match thread::current().id() == self.runtime {
                true => self.on_the_runtime.lock().push(what),
                false => *self.elsewhere.lock() += 1,
            }
        }
    }

    impl Log for Watched {
        fn name(&self, topic: Topic) -> &str {
            self.log.name(topic)
        }

        fn partitions(&self, topic: Topic) -> Result<u32, LogError> {
            self.note("partitions");
            self.log.partitions(topic)
        }

        fn bounds(&self, topic: Topic, partition: Partition) -> Result<Bounds, LogError> {
            self.note("bounds");
            self.log.bounds(topic, partition)
        }

        fn reader(&self, topic: Topic, from: &Positions) -> Result<Box<dyn LogReader>, LogError> {
            self.note("reader");
            self.log.reader(topic, from)
        }

        fn append(&self, topic: Topic, records: Vec<NewRecord>) -> Appended {
            self.log.append(topic, records)
        }

        fn committed(&self, topic: Topic, positions: &Positions) {
            self.log.committed(topic, positions);
        }

        fn join(&self, _address: &str, _notices: mpsc::Sender<Notice>) -> Result<bool, LogError> {
            self.note("join");
            Ok(false)
        }

        fn leave(&self) {
            self.note("leave");
        }
    }

    #[tokio::test]
    async fn nothing_that_waits_for_a_log_is_done_on_a_thread_that_runs_tasks() {
        let dir = tempfile::tempdir().expect("a folder");
        let settings =
            JournalSettings { dir: dir.path().join("journal"), partitions: 2, ..Default::default() };
        let watched = Arc::new(Watched {
            log: JournalLog::open(settings, Arc::new(wall_clock)).expect("a journal"),
            runtime: thread::current().id(),
            elsewhere: Mutex::default(),
            on_the_runtime: Mutex::default(),
        });
        let log: Arc<dyn Log> = Arc::<Watched>::clone(&watched);
        let location = Location::Folder(dir.path().join("snapshots"));
        let stream = Arc::new(StreamConfig::default());
        let snapshots = SnapshotStore::open(&location, &S3Settings::default(), "clicks", 2, stream, 1);
        let (snapshots, metrics) = (snapshots.expect("snapshots"), Arc::new(Metrics::new()));
        let state = restore(&snapshots, &log, &metrics, false).await.expect("restored");
        let progress = Arc::new(Progress::default());
        let parts = IngestParts {
            state,
            snapshots,
            log,
            metrics,
            clock: Arc::new(wall_clock),
            stopped: Arc::default(),
            progress: Arc::clone(&progress),
        };
        let interval = Duration::from_secs(1);
        let ingestion = Ingestion::new(IngestSettings::default(), interval, parts, String::new());
        let stop = CancellationToken::new();
        let once_complete = async {
            while !progress.is_complete() {
                tokio::task::yield_now().await;
            }
            stop.cancel();
        };
        let (ended, ()) = tokio::join!(ingestion.run(stop.clone()), once_complete);
        ended.expect("a clean end");
        assert_eq!(*watched.on_the_runtime.lock(), Vec::<&str>::new());
        assert!(*watched.elsewhere.lock() >= 6, "little was done at all");
    }
}
