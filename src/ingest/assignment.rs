//! The workers at work: which of them reads which partitions, and how partitions come and go.
//!
//! A partition always has the same place in the crew. When partitions come or go, the workers whose
//! places they have are stopped between two records and others begin where they stopped; the rest
//! goes on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::ingest::IngestError;
use crate::ingest::pipeline::Ingestion;
use crate::ingest::recovery::restore_one;
use crate::ingest::worker::{Feed, Worker};
use crate::log::membership::{Change, Notice};
use crate::log::{LogError, Partition};
use crate::snapshot::SnapshotError;
use crate::snapshot::schedule::Job;
use crate::telemetry::events::PartitionsMoved;
use crate::telemetry::{PartitionName, TopicPartition};

/// How long to wait before trying again what was not possible for the moment.
const RETRY: Duration = Duration::from_secs(1);

/// The place of the worker that reads items.
const ITEMS: usize = usize::MAX;

/// A place for a worker.
#[derive(Default)]
struct Place {
    /// What it is to read; all of it is held.
    partitions: BTreeSet<Partition>,
    /// Stops the worker that is at work, if one is.
    stop: Option<Arc<AtomicBool>>,
}

/// Workers and their partitions.
pub(super) struct Crew<'a> {
    ingestion: &'a Ingestion,
    jobs: mpsc::Sender<Job>,
    threads: JoinSet<(usize, Result<(), IngestError>)>,
    stop_items: Arc<AtomicBool>,
    places: Vec<Place>,
    /// Ours, but not restored yet.
    wanted: BTreeSet<Partition>,
}

impl<'a> Crew<'a> {
    pub(super) fn new(ingestion: &'a Ingestion, jobs: mpsc::Sender<Job>) -> Self {
        let places = (0..ingestion.workers).map(|_| Place::default()).collect();
        let (threads, stop_items) = (JoinSet::new(), Arc::default());
        Self { ingestion, jobs, threads, stop_items, places, wanted: BTreeSet::new() }
    }

    /// Begins to read items.
    pub(super) async fn start_items(&mut self) -> Result<(), IngestError> {
        let worker = self.ingestion.items(&self.stop_items).await?;
        spawn(&mut self.threads, ITEMS, "items", worker)
    }

    /// Takes partitions on whose states are here, and is complete with them.
    pub(super) async fn take(&mut self, partitions: Vec<Partition>) -> Result<(), IngestError> {
        for partition in partitions {
            self.place_of(partition).partitions.insert(partition);
        }
        self.man().await?;
        self.ingestion.progress.completed();
        Ok(())
    }

    /// Returns when a worker has ended, which none does before it is told to.
    pub(super) async fn watch(&mut self) -> Result<(), IngestError> {
        match self.threads.join_next().await {
            Some(Ok((place, result))) => {
                self.ended(place);
                result.and(Err(IngestError::Died("a worker")))
            }
            _ => Err(IngestError::Died("a worker")),
        }
    }

    /// Does what a group decides until something fails for good.
    pub(super) async fn follow(&mut self, notices: &mut mpsc::Receiver<Notice>) -> Result<(), IngestError> {
        loop {
            let unfinished = !self.wanted.is_empty() || self.places.iter().any(Place::is_unmanned);
            tokio::select! {
                notice = notices.recv() => {
                    let Some(Notice { change, done }) = notice else {
                        return Err(IngestError::Died("the membership in the group"));
                    };
                    self.change(change).await?;
                    // Whoever asked may have gone.
                    let _ = done.send(());
                }
                failed = self.watch() => return failed,
                () = tokio::time::sleep(RETRY), if unfinished => self.settle().await?,
            }
        }
    }

    async fn change(&mut self, change: Change) -> Result<(), IngestError> {
        match change {
            Change::Assigned(partitions) => {
                self.tell("assigned", &partitions);
                // Partitions that the topic has got since the start are told by readiness.
                let known = self.ingestion.writer.store.partitions();
                let ours = partitions.into_iter().filter(|partition| *partition < known);
                for partition in ours {
                    self.ingestion.state.expect(partition);
                    self.wanted.insert(partition);
                }
                self.settle().await?;
                self.ingestion.progress.completed();
                Ok(())
            }
            Change::Revoked(partitions) => {
                self.tell("revoked", &partitions);
                self.give_up(&partitions).await
            }
            Change::Lost(partitions) => {
                self.tell("lost", &partitions);
                self.give_up(&partitions).await
            }
            Change::Ended(error) => Err(error.into()),
        }
    }

    fn tell(&self, change: &'static str, partitions: &[Partition]) {
        PartitionsMoved { change, partitions }.emit(&self.ingestion.metrics);
    }

    /// Restores what is wanted and sees that everything held is read, as far as that is possible now.
    async fn settle(&mut self) -> Result<(), IngestError> {
        let Ingestion { state, log, metrics, writer, settings, .. } = self.ingestion;
        for partition in self.wanted.clone() {
            match restore_one(&writer.store, log, metrics, settings.accept_gap, partition).await {
                Ok(positioned) => {
                    state.hold(partition, positioned);
                    self.wanted.remove(&partition);
                    self.leave_off([partition].into()).await?;
                    self.place_of(partition).partitions.insert(partition);
                }
                Err(error) => passing(error, "restoring a partition")?,
            }
        }
        match self.man().await {
            Ok(()) => Ok(()),
            Err(error) => passing(error, "reading partitions"),
        }
    }

    /// Saves what these partitions have come to, and forgets it.
    async fn give_up(&mut self, partitions: &[Partition]) -> Result<(), IngestError> {
        self.leave_off(partitions.iter().copied().collect()).await?;
        let ingestion = self.ingestion;
        for partition in partitions {
            self.wanted.remove(partition);
            // What can't be saved is told where it happens: who goes on has to read more.
            let _ = ingestion.writer.finish(&ingestion.state, *partition).await;
            self.place_of(*partition).partitions.remove(partition);
            ingestion.writer.uncover(*partition);
            let (store, partition) = (Arc::clone(&ingestion.state), *partition);
            let released = tokio::task::spawn_blocking(move || store.release(partition)).await;
            released.map_err(|_| IngestError::Died("giving up a partition"))?;
            if ingestion.stopped.forget(partition) {
                ingestion.metrics.stopped_partitions.dec();
            }
            ingestion.metrics.snapshot_time.remove(&PartitionName { partition });
            ingestion.metrics.lag.remove(&TopicPartition { topic: "clicks", partition });
        }
        match self.man().await {
            Ok(()) => Ok(()),
            Err(error) => passing(error, "reading partitions"),
        }
    }

    /// Stops the workers at the places of these partitions.
    async fn leave_off(&mut self, partitions: BTreeSet<Partition>) -> Result<(), IngestError> {
        for partition in &partitions {
            if let Some(stop) = &self.place_of(*partition).stop {
                stop.store(true, Ordering::Release);
            }
        }
        for partition in partitions {
            while self.place_of(partition).stop.is_some() {
                let Some(Ok((place, result))) = self.threads.join_next().await else {
                    return Err(IngestError::Died("a worker"));
                };
                let told = self.ended(place);
                result?;
                if !told {
                    return Err(IngestError::Died("a worker"));
                }
            }
        }
        Ok(())
    }

    /// Puts a worker at every place that has partitions and no worker.
    async fn man(&mut self) -> Result<(), IngestError> {
        for (number, place) in self.places.iter_mut().enumerate().filter(|(_, place)| place.is_unmanned()) {
            let stop = Arc::default();
            let partitions: Vec<Partition> = place.partitions.iter().copied().collect();
            let worker = self.ingestion.clicks(&partitions, self.jobs.clone(), &stop).await?;
            spawn(&mut self.threads, number, "clicks", worker)?;
            place.stop = Some(stop);
        }
        Ok(())
    }

    /// Notes that a worker has ended; whether it was told to.
    fn ended(&mut self, place: usize) -> bool {
        match self.places.get_mut(place) {
            Some(place) => place.stop.take().is_some_and(|stop| stop.load(Ordering::Acquire)),
            None => self.stop_items.load(Ordering::Acquire),
        }
    }

    fn place_of(&mut self, partition: Partition) -> &mut Place {
        let place = partition as usize % self.places.len();
        &mut self.places[place]
    }

    /// Stops everybody. What is left are the partitions whose states are whole, and what went wrong.
    pub(super) async fn dismiss(mut self) -> (Vec<Partition>, Result<(), IngestError>) {
        self.stop_items.store(true, Ordering::Release);
        self.places.iter().filter_map(|place| place.stop.as_ref()).for_each(|stop| {
            stop.store(true, Ordering::Release);
        });
        let mut failure = Ok(());
        while let Some(thread) = self.threads.join_next().await {
            let (place, result) = thread.unwrap_or((ITEMS, Err(IngestError::Died("a worker"))));
            if result.is_err()
                && let Some(place) = self.places.get_mut(place)
            {
                place.partitions.clear();
            }
            failure = failure.and(result);
        }
        (self.places.into_iter().flat_map(|place| place.partitions).collect(), failure)
    }
}

impl Place {
    fn is_unmanned(&self) -> bool {
        self.stop.is_none() && !self.partitions.is_empty()
    }
}

/// Whether an error may pass: then it is told, and is none.
fn passing(error: IngestError, what: &str) -> Result<(), IngestError> {
    match error {
        IngestError::Log(LogError::Unavailable(_)) | IngestError::Snapshot(SnapshotError::Store { .. }) => {
            tracing::warn!(%error, what, "not possible now, trying again");
            Ok(())
        }
        error => Err(error),
    }
}

/// Runs a worker on a thread of its own.
fn spawn<F: Feed + 'static>(
    threads: &mut JoinSet<(usize, Result<(), IngestError>)>,
    place: usize,
    name: &str,
    worker: Worker<F>,
) -> Result<(), IngestError> {
    let (sender, receiver) = oneshot::channel();
    let run = move || {
        // Without a receiver nobody wants to know any more.
        let _ = sender.send(worker.run());
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(run)?;
    threads.spawn(async move {
        let ended = receiver.await.map_err(|_| IngestError::Died("a worker"));
        (place, ended.and_then(|result| Ok(result?)))
    });
    Ok(())
}
