//! The workers at work: which of them reads which partitions, and how partitions come and go.
//!
//! A partition always belongs to the same worker. When partitions come or go, the workers that they
//! belong to are stopped between two records and others begin where they stopped; the rest goes on.
//! A worker's other partitions pause with it for that moment: a reader is assigned once in its life
//! (`log/kafka/reader.rs` says why), so another set of partitions takes another reader.
//!
//! What must hold: a partition has at most one worker, its last snapshot is taken only after that has ended
//! well, and a group is answered only after that was written, or could not be. So whoever gets the partition
//! next goes on where we stopped, or reads some of it again, and misses nothing. Where the group does not wait for us (a membership that was lost), two processes
//! may apply the same records for a while: each for itself from the same log, so both come to the same state,
//! and snapshots of the same offset are the same.
//!
//! Partitions that were lost are nobody's until the group has met again: where the broker is away, that may be long.
//! They are read no further, but what was read goes on answering until the group says that another process has them
//! (then it is let go of) or that they are ours again (then reading goes on).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::Id;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::ingest::IngestError;
use crate::ingest::factory::WorkerFactory;
use crate::ingest::recovery::restore_one;
use crate::ingest::worker::{Consumer, Worker};
use crate::log::membership::{Change, Notice};
use crate::log::{LogError, Partition, Topic};
use crate::snapshot::SnapshotError;
use crate::snapshot::schedule::Job;
use crate::tasks::Tasks;
use crate::telemetry::events::{PartitionsMoved, RestoreGoesOn, RestoreWaits};
use crate::telemetry::{Metrics, PartitionName, TopicPartition};

/// How long to wait before trying again what was not possible for the moment.
const RETRY: Duration = Duration::from_secs(1);
/// How often to look whether others have what was lost.
const LOOK: Duration = Duration::from_millis(250);

/// A worker of clicks, at work or not.
#[derive(Default)]
struct Slot {
    /// What it is to read; all of it is held.
    partitions: BTreeSet<Partition>,
    /// The worker that is at work, if one is.
    running: Option<Running>,
}

/// A worker that is at work.
struct Running {
    id: Id,
    stop: CancellationToken,
    /// Told when it was stopped with something that was not appended: what it holds is not to be saved then, nor read on
    /// from.
    unfinished: Arc<AtomicBool>,
}

/// Workers and the partitions that are assigned to them.
pub(super) struct WorkerPool<'a> {
    factory: &'a WorkerFactory,
    jobs: mpsc::Sender<Job>,
    threads: Tasks,
    slots: Vec<Slot>,
    /// Ours, but not restored yet.
    wanted: BTreeSet<Partition>,
    /// Lost, and nobody else's as far as is known.
    adrift: BTreeSet<Partition>,
    /// Whose states are ahead of what was appended because of them: good for answers, and for nothing else.
    unfinished: BTreeSet<Partition>,
}

impl<'a> WorkerPool<'a> {
    pub(super) fn new(factory: &'a WorkerFactory, jobs: mpsc::Sender<Job>) -> Self {
        let slots = (0..factory.workers()).map(|_| Slot::default()).collect();
        let threads = Tasks::new(CancellationToken::new());
        Self {
            factory,
            jobs,
            threads,
            slots,
            wanted: BTreeSet::new(),
            adrift: BTreeSet::new(),
            unfinished: BTreeSet::new(),
        }
    }

    /// Begins to read items.
    pub(super) async fn start_items(&mut self) -> Result<(), IngestError> {
        let stop = self.threads.token().clone();
        let worker = self.factory.items(&stop).await?;
        spawn(&mut self.threads, ("items", "the worker of items".to_owned()), stop, worker, None)?;
        Ok(())
    }

    /// Assigns partitions whose states are here: all that there are.
    pub(super) async fn assign(&mut self, partitions: Vec<Partition>) -> Result<(), IngestError> {
        for partition in partitions {
            self.slot_of(partition).partitions.insert(partition);
        }
        self.start().await?;
        self.factory.progress.completed();
        Ok(())
    }

    /// Why a worker has ended, which none does before it is told to.
    pub(super) async fn failure(&mut self) -> IngestError {
        self.ended().await.err().unwrap_or(IngestError::Died("a worker"))
    }

    /// Does what a group decides until something fails for good.
    pub(super) async fn follow(&mut self, notices: &mut mpsc::Receiver<Notice>) -> Result<(), IngestError> {
        let mut retry = tokio::time::interval(RETRY);
        let mut look = tokio::time::interval(LOOK);
        for waiting in [&mut retry, &mut look] {
            // Nobody waits for them most of the time, and what was missed meanwhile is not made up for.
            waiting.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        loop {
            let waits = !self.wanted.is_empty() || self.slots.iter().any(Slot::is_idle);
            tokio::select! {
                notice = notices.recv() => {
                    let Some(Notice { change, done }) = notice else {
                        return Err(IngestError::Died("the membership in the group"));
                    };
                    self.change(change).await?;
                    // Whoever asked may have gone.
                    let _ = done.send(());
                }
                failed = self.failure() => return Err(failed),
                _ = retry.tick(), if waits => self.restore().await?,
                _ = look.tick(), if !self.adrift.is_empty() => self.let_go_of_others().await?,
            }
        }
    }

    async fn change(&mut self, change: Change) -> Result<(), IngestError> {
        match change {
            Change::Assigned(partitions) => {
                self.tell("assigned", &partitions);
                // Partitions that the topic has got since the start are told by readiness.
                let known = self.factory.partitions();
                let ours = partitions.into_iter().filter(|partition| partition.0 < known);
                for partition in ours {
                    if self.adrift.remove(&partition) && !self.unfinished.remove(&partition) {
                        // Its state is here, and what has come since then is in the log.
                        self.stop([partition].into()).await?;
                        self.slot_of(partition).partitions.insert(partition);
                    } else {
                        self.factory.state.expect(partition);
                        self.wanted.insert(partition);
                    }
                }
                // What is adrift still is another's: the group has met.
                for partition in std::mem::take(&mut self.adrift) {
                    self.release(partition).await?;
                }
                self.factory.state.set_adrift(0);
                self.restore().await?;
                self.factory.progress.completed();
                Ok(())
            }
            Change::Revoked(partitions) => {
                self.tell("revoked", &partitions);
                self.revoke(&partitions).await
            }
            Change::Lost(partitions) => {
                self.tell("lost", &partitions);
                self.lose(partitions).await
            }
            Change::Ended(error) => Err(error.into()),
        }
    }

    fn tell(&self, change: &'static str, partitions: &[Partition]) {
        PartitionsMoved { change, partitions }.emit(&self.factory.metrics);
    }

    /// Restores what is wanted and sees that everything held is read, as far as that is possible now.
    async fn restore(&mut self) -> Result<(), IngestError> {
        let WorkerFactory { state, log, metrics, writer, settings, .. } = self.factory;
        for partition in self.wanted.clone() {
            match restore_one(&writer.store, log, metrics, settings.accept_gap, partition).await {
                Ok(positioned) => {
                    RestoreGoesOn.emit(metrics);
                    let state = Arc::clone(state);
                    let held = tokio::task::spawn_blocking(move || state.hold(partition, positioned)).await;
                    held.map_err(|_| IngestError::Died("taking on a partition"))?;
                    self.wanted.remove(&partition);
                    self.stop([partition].into()).await?;
                    self.slot_of(partition).partitions.insert(partition);
                }
                Err(error) => passing(error, "restoring a partition", metrics)?,
            }
        }
        // What a worker was stopped with may have left some that are ours.
        self.restore_unfinished();
        self.start_if_possible().await
    }

    /// Reads these partitions no further, but goes on answering from them.
    async fn lose(&mut self, partitions: Vec<Partition>) -> Result<(), IngestError> {
        self.stop(partitions.iter().copied().collect()).await?;
        for partition in partitions {
            // What was not restored yet answers nothing.
            if self.wanted.remove(&partition) {
                self.release(partition).await?;
            } else if self.slot_of(partition).partitions.remove(&partition)
                || self.unfinished.contains(&partition)
            {
                self.adrift.insert(partition);
            }
        }
        self.restore_unfinished();
        self.factory.state.set_adrift(self.adrift.len());
        self.start_if_possible().await
    }

    /// What is ours, and whose state is ahead of what was appended, is to be restored.
    fn restore_unfinished(&mut self) {
        for partition in self.unfinished.difference(&self.adrift).copied().collect::<Vec<_>>() {
            self.unfinished.remove(&partition);
            self.factory.state.expect(partition);
            self.wanted.insert(partition);
        }
    }

    /// Lets go of what others have by now, as the group says.
    async fn let_go_of_others(&mut self) -> Result<(), IngestError> {
        let others =
            self.adrift.iter().copied().filter(|partition| self.factory.log.owner(*partition).is_some());
        for partition in others.collect::<Vec<_>>() {
            self.adrift.remove(&partition);
            self.release(partition).await?;
        }
        self.factory.state.set_adrift(self.adrift.len());
        Ok(())
    }

    /// Saves what these partitions have come to, and forgets it.
    async fn revoke(&mut self, partitions: &[Partition]) -> Result<(), IngestError> {
        self.stop(partitions.iter().copied().collect()).await?;
        let factory = self.factory;
        for partition in partitions {
            self.wanted.remove(partition);
            if !self.unfinished.remove(partition) {
                // What can't be saved is told where it happens: who goes on has to read more.
                let _ = factory.writer.finish(&factory.state, *partition).await;
            }
            self.slot_of(*partition).partitions.remove(partition);
            self.release(*partition).await?;
        }
        self.restore_unfinished();
        self.start_if_possible().await
    }

    /// Forgets a partition that nobody reads.
    async fn release(&mut self, partition: Partition) -> Result<(), IngestError> {
        let WorkerFactory { state, metrics, writer, stopped, .. } = self.factory;
        self.unfinished.remove(&partition);
        writer.uncover(partition);
        let state = Arc::clone(state);
        let released = tokio::task::spawn_blocking(move || state.release(partition)).await;
        released.map_err(|_| IngestError::Died("giving up a partition"))?;
        if stopped.forget(partition) {
            metrics.stopped_partitions.dec();
        }
        metrics.snapshot_time.remove(&PartitionName { partition: partition.0 });
        let label = TopicPartition { topic: Topic::Clicks.row().name, partition: partition.0 };
        metrics.lag.remove(&label);
        metrics.open_transaction.remove(&label);
        Ok(())
    }

    /// Starts workers, if the log can be read now.
    async fn start_if_possible(&mut self) -> Result<(), IngestError> {
        match self.start().await {
            Ok(()) => Ok(()),
            Err(error) => passing(error, "reading partitions", &self.factory.metrics),
        }
    }

    /// Stops the workers of these partitions.
    async fn stop(&mut self, partitions: BTreeSet<Partition>) -> Result<(), IngestError> {
        for partition in &partitions {
            if let Some(running) = &self.slot_of(*partition).running {
                running.stop.cancel();
            }
        }
        for partition in partitions {
            while self.slot_of(partition).running.is_some() {
                self.ended().await?;
            }
        }
        Ok(())
    }

    /// Starts a worker wherever there are partitions and none is at work.
    async fn start(&mut self) -> Result<(), IngestError> {
        for (number, slot) in self.slots.iter_mut().enumerate().filter(|(_, slot)| slot.is_idle()) {
            let stop = self.threads.token().child_token();
            let partitions: Vec<Partition> = slot.partitions.iter().copied().collect();
            let unfinished = Arc::new(AtomicBool::new(false));
            let told = Arc::clone(&unfinished);
            let worker = self.factory.clicks(&partitions, self.jobs.clone(), &stop, told).await?;
            let name = format!("worker {number} of clicks");
            let snapshots = self.factory.snapshots_of(Topic::Clicks);
            let id = spawn(&mut self.threads, ("clicks", name), stop.clone(), worker, snapshots)?;
            slot.running = Some(Running { id, stop, unfinished });
        }
        Ok(())
    }

    /// Waits until a worker has ended, and tells how. What one holds that failed is not to be saved: dead letters of
    /// records before its position may be lost with it. That the log could not take these while it was away is no failure.
    async fn ended(&mut self) -> Result<(), IngestError> {
        let (id, result) = self.threads.next().await.ok_or(IngestError::Died("every worker"))?;
        let is_it = |slot: &&mut Slot| slot.running.as_ref().is_some_and(|running| running.id == id);
        if let Some(slot) = self.slots.iter_mut().find(is_it) {
            let unfinished =
                slot.running.take().is_some_and(|running| running.unfinished.load(Ordering::Acquire));
            if result.is_err() {
                let held = std::mem::take(&mut slot.partitions);
                if unfinished {
                    self.unfinished.extend(held);
                    return Ok(());
                }
            }
        }
        Ok(result?)
    }

    fn slot_of(&mut self, partition: Partition) -> &mut Slot {
        let slot = partition.index() % self.slots.len();
        &mut self.slots[slot]
    }

    /// Stops everybody. What is left are the partitions whose states are whole, and what went wrong.
    pub(super) async fn shutdown(mut self) -> (Vec<Partition>, Result<(), IngestError>) {
        self.threads.stop();
        let mut first = Ok(());
        while !self.threads.is_empty() {
            first = first.and(self.ended().await);
        }
        if !self.unfinished.is_empty() {
            let error = LogError::Unavailable("stopped before dead letters were acknowledged".into());
            first = first.and(Err(error.into()));
        }
        (self.slots.into_iter().flat_map(|slot| slot.partitions).collect(), first)
    }
}

impl Slot {
    /// Whether there is something to read and nobody reads it.
    fn is_idle(&self) -> bool {
        self.running.is_none() && !self.partitions.is_empty()
    }
}

/// Whether an error may pass: then it is told, and is none.
fn passing(error: IngestError, what: &'static str, metrics: &Metrics) -> Result<(), IngestError> {
    match error {
        IngestError::Log(LogError::Unavailable(error)) => {
            metrics.log_trouble.failed(what, &error);
            Ok(())
        }
        IngestError::Snapshot(error @ SnapshotError::Store { .. }) => {
            RestoreWaits { error: &error.to_string() }.emit(metrics);
            Ok(())
        }
        error => Err(error),
    }
}

/// Runs a worker on a thread of its own, which its task waits for. `snapshots` says where those are that are made of
/// what it reads.
fn spawn<F: Consumer + 'static>(
    threads: &mut Tasks,
    (thread, name): (&str, String),
    stop: CancellationToken,
    worker: Worker<F>,
    snapshots: Option<String>,
) -> Result<Id, IngestError> {
    let (sender, receiver) = oneshot::channel();
    let run = move || {
        // Without a receiver nobody wants to know any more.
        let _ = sender.send(worker.run());
    };
    std::thread::Builder::new().name(thread.to_owned()).spawn(run)?;
    Ok(threads.spawn_until(name, stop, async move {
        let ended = receiver.await.map_err(|_| IngestError::Died("its thread"));
        ended.and_then(|result| result.map_err(|error| IngestError::reading(error, snapshots.as_deref())))
    }))
}
