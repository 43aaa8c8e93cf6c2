//! When snapshots are taken: by the thread that owns the partition, between batches, one partition
//! at a time; packed and written elsewhere.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::background::{Niceness, aside, in_background};
use crate::bugs::{Bug, carried, planted};
use crate::clock::Clock;
use crate::log::{Log, Offset, Partition, Positions, Topic};
use crate::snapshot::SnapshotError;
use crate::snapshot::SnapshotStore;
use crate::snapshot::format::{self, Header};
use crate::snapshot::room::{Lent, Room};
use crate::state::State;
use crate::telemetry::Metrics;
use crate::telemetry::events::SnapshotTaken;

/// A state to be packed and written.
pub(crate) struct Job {
    partition: Partition,
    next_offset: Offset,
    copy: Lent,
    taken_at: i64,
}

/// How far each partition is covered by a snapshot that was written.
pub(crate) type Covered = Arc<Mutex<Positions>>;

/// The time that snapshots are scheduled by.
pub(crate) type Now = Arc<dyn Fn() -> Instant + Send + Sync>;

/// Takes snapshots of one worker's partitions when they are due.
pub(crate) struct Schedule {
    jobs: mpsc::Sender<Job>,
    interval: Duration,
    due: HashMap<Partition, Instant>,
    covered: Covered,
    room: Arc<Room>,
    clock: Clock,
    now: Now,
    metrics: Arc<Metrics>,
}

impl Schedule {
    /// First snapshots are spread over one interval, so that partitions take turns from then on.
    pub(crate) fn new(
        jobs: mpsc::Sender<Job>,
        interval: Duration,
        partitions: &[Partition],
        writer: &Writer,
        now: Now,
    ) -> Self {
        let share = interval / partitions.len().max(1) as u32;
        let due = partitions
            .iter()
            .zip(1_u32..)
            .map(|(partition, turn)| (*partition, now() + share * turn))
            .collect();
        let (covered, room) = (Arc::clone(&writer.covered), Arc::clone(&writer.room));
        let (clock, metrics) = (Arc::clone(&writer.clock), Arc::clone(&writer.metrics));
        Self { jobs, interval, due, covered, room, clock, now, metrics }
    }

    /// Takes a snapshot of a partition if it is due and no other one has yet to be packed.
    pub(crate) fn take_if_due(&mut self, state: &State, partition: Partition) {
        let now = (self.now)();
        let Some(due) = self.due.get_mut(&partition).filter(|due| now >= **due) else { return };
        // Otherwise it waits for the next look.
        let Ok(permit) = self.jobs.try_reserve() else { return };
        let Some(room) = self.room.lend() else { return };
        *due = now + self.interval;
        match take(state, partition, &self.covered, room, &self.clock) {
            Some(job) => permit.send(job),
            // The newest one is as good as one of now.
            None => self.metrics.in_snapshot(partition, (self.clock)()),
        }
    }
}

fn take(
    state: &State,
    partition: Partition,
    covered: &Covered,
    mut room: Lent,
    clock: &Clock,
) -> Option<Job> {
    let covered = covered.lock().get(partition).unwrap_or_default();
    let positioned = state.partition(partition)?;
    if positioned.next_offset <= covered {
        return None;
    }
    // Whoever waits for this processor has it in between.
    positioned.state.write_sections(&mut room.sections, std::thread::yield_now);
    Some(Job {
        partition,
        next_offset: match planted(Bug::CommitFirst) {
            true => positioned.next_offset.next(),
            false => positioned.next_offset,
        },
        copy: room,
        taken_at: clock(),
    })
}

/// Packs and writes snapshots.
#[derive(Clone)]
pub(crate) struct Writer {
    pub store: SnapshotStore,
    pub log: Arc<dyn Log>,
    pub metrics: Arc<Metrics>,
    pub covered: Covered,
    pub room: Arc<Room>,
    pub clock: Clock,
}

impl Writer {
    /// Writes what comes until the senders are gone. A failure is told and left to the next one:
    /// it will cover more.
    pub(crate) async fn run(self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(job) = jobs.recv().await {
            // Told where it happened; there is nothing else to do about it here.
            let _ = self.write(job).await;
        }
    }

    /// Writes a last snapshot of a partition if it has moved on since its newest one. To be called
    /// once nothing is being written any more.
    pub(crate) async fn finish(&self, state: &Arc<State>, partition: Partition) -> Result<(), SnapshotError> {
        let (state, writer) = (Arc::clone(state), self.clone());
        let copy =
            move || take(&state, partition, &writer.covered, writer.room.lend_or_make(), &writer.clock);
        match aside(carried(copy)).await.map_err(SnapshotError::Background)? {
            Some(job) => self.write(job).await,
            None => Ok(()),
        }
    }

    /// Begins to keep count of how far partitions are covered: up to where their snapshots go on.
    /// Where a gap in the log was accepted that is before where reading goes on, so that the next
    /// start finds a snapshot behind the gap though no record has come since.
    pub(crate) fn cover(&self, partitions: &[Partition]) {
        let mut covered = self.covered.lock();
        for partition in partitions {
            covered.set_if_absent(*partition, || self.store.restored(*partition));
        }
    }

    /// Keeps count of a partition no longer.
    pub(crate) fn uncover(&self, partition: Partition) {
        self.covered.lock().remove(partition);
        // Those that stay may be smaller.
        self.room.clear();
    }

    /// Writes one snapshot, and tells the log what is covered.
    pub(crate) async fn write(&self, job: Job) -> Result<(), SnapshotError> {
        let started = Instant::now();
        let Job { partition, next_offset, copy, taken_at } = job;
        let written = self.put(self.store.header(partition, next_offset, taken_at), copy).await;
        let error = written.as_ref().err().map(ToString::to_string);
        let result = match (&written, &error) {
            (Ok(bytes), _) => Ok(*bytes),
            (Err(_), error) => Err(error.as_deref().unwrap_or_default()),
        };
        SnapshotTaken { partition, next_offset, result, took: started.elapsed() }.emit(&self.metrics);
        let given_up = match self.covered.lock().get_mut(partition) {
            Some(covered) => {
                if written.is_ok() {
                    *covered = next_offset.max(*covered);
                    self.metrics.in_snapshot(partition, taken_at);
                }
                false
            }
            None => true,
        };
        if given_up {
            // It is not ours to keep count of. Its memory has come back since.
            self.room.clear();
        }
        written?;
        self.log.committed(Topic::Clicks, &Positions::from([(partition, next_offset)]));
        Ok(())
    }

    /// Packs and writes what was copied. Returns how many bytes that made.
    async fn put(&self, header: Header, copy: Lent) -> Result<usize, SnapshotError> {
        let pack = move || {
            let sections = format::tagged(&copy.sections);
            format::encode_into(copy.pieces(), &header, sections).map(|pieces| (header, pieces))
        };
        // It computes for a good part of a second, and nobody waits for it.
        let packed =
            in_background("snapshot", Niceness::Least, pack).await.map_err(SnapshotError::Background)?;
        let (header, pieces) = packed?;
        self.store.put(&header, pieces).await
    }
}

#[cfg(test)]
mod tests;
