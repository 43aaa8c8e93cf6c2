//! The one thread that writes: group commit, compaction, retention.
//!
//! Whatever is queued goes into one batch with one sync, so that the price of a sync is shared by
//! all who wait for it. After a write that failed nobody knows what is on disk, so every later
//! append is refused until the journal has been opened anew. For that the process ends, but not before
//! the disk has room: until then there is no start that could go on, and answers need no disk.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::bugs::{Bug, planted};
use crate::clock::Clock;
use crate::log::journal::free_space::Room;
use crate::log::journal::record;
use crate::log::journal::settings::JournalSettings;
use crate::log::journal::storage;
use crate::log::journal::storage::{Disk, DiskError};
use crate::log::journal::store::{Store, TopicStore};
use crate::log::{LogError, NewRecord, Offset, Partition, PerTopic, Topic, partition_of};

/// A group is closed when it holds so many bytes.
const GROUP_BYTES: usize = 4 * 1024 * 1024;
/// How often an idle journal looks at its retention.
const IDLE: Duration = Duration::from_secs(30);
/// How often a journal whose write has failed looks whether there is room.
const FAILED: Duration = Duration::from_secs(1);
/// Into how many segments retention is cut, by bytes and by time.
const SEGMENTS: u64 = 16;
/// The smallest and the largest segment, in bytes.
const SEGMENT_BYTES: (u64, u64) = (256 * 1024, 256 * 1024 * 1024);
/// How long a deletion stays in the items topic, so that a reader that starts from a position of
/// its own meets it: as long as Kafka keeps it by default.
pub const TOMBSTONE_MS: i64 = 24 * 60 * 60 * 1000;

/// What the thread is asked for.
pub enum Message {
    Append(Append),
    /// Finish what is queued, and end.
    Stop,
}

/// Records of one call.
pub struct Append {
    pub topic: Topic,
    pub records: Vec<NewRecord>,
    pub done: oneshot::Sender<Result<Vec<(Partition, Offset)>, LogError>>,
    /// Gives the room in the queue back.
    pub permit: OwnedSemaphorePermit,
}

pub struct Writer<D: Disk> {
    pub store: Arc<Store<D>>,
    pub clock: Clock,
    pub settings: JournalSettings,
    pub failure: Arc<OnceLock<String>>,
    pub room: Room,
    pub queue: Receiver<Message>,
}

/// The newest record of a key in a group.
struct Newest {
    partition: Partition,
    offset: Offset,
    bytes: Vec<u8>,
    tombstone: bool,
}

impl<D: Disk> Writer<D> {
    /// Writes until told to stop.
    pub fn run(&self) {
        while self.step(if self.failure.get().is_none() { IDLE } else { FAILED }) {}
    }

    /// Writes what is queued as one group, waiting a while for something to come, and then looks at
    /// its retention. False if it was told to stop.
    pub fn step(&self, patience: Duration) -> bool {
        let mut group = Vec::new();
        let mut more = true;
        match self.queue.recv_timeout(patience) {
            Ok(Message::Append(append)) => {
                let mut bytes = 0;
                let mut next = Some(Message::Append(append));
                while let Some(Message::Append(append)) = next.take() {
                    bytes += append.records.iter().map(record::size).sum::<usize>();
                    group.push(append);
                    if bytes < GROUP_BYTES {
                        next = self.queue.try_recv().ok();
                    }
                    more &= !matches!(next, Some(Message::Stop));
                }
            }
            Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => more = false,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if !group.is_empty() {
            self.commit(group);
        }
        if more
            && self.failure.get().is_none()
            && let Err(error) = self.retain()
        {
            self.fail(&error);
        }
        if let Some(failure) = self.failure.get()
            && self.room.fits(GROUP_BYTES as u64, self.store.disk.free())
        {
            self.store.end(failure);
        }
        more
    }

    /// Writes a group, syncs, shows it to readers and acknowledges it.
    fn commit(&self, group: Vec<Append>) {
        let written = match (self.failure.get(), self.room.refusal(&self.store.dir, self.store.disk.free())) {
            (Some(failure), _) => Err(LogError::Fatal(failure.clone())),
            (None, Some(refusal)) => Err(LogError::Unavailable(refusal)),
            (None, None) => self.write(&group).map_err(|error| LogError::Fatal(self.fail(&error))),
        };
        match written {
            Ok(places) => {
                for (append, places) in group.into_iter().zip(places) {
                    drop(append.permit);
                    // The caller may have gone.
                    let _ = append.done.send(Ok(places));
                }
            }
            Err(failure) => {
                for append in group {
                    let _ = append.done.send(Err(failure.clone()));
                }
            }
        }
    }

    fn write(&self, group: &[Append]) -> storage::Result<Vec<Vec<(Partition, Offset)>>> {
        let now = (self.clock)();
        let mut batch = self.store.disk.batch();
        let mut next = PerTopic::new(|topic| self.store.topic(topic).ends());
        let mut newest: HashMap<(Topic, &[u8]), Newest> = HashMap::new();
        let mut places = Vec::with_capacity(group.len());
        for append in group {
            let topic = self.store.topic(append.topic);
            let segments = topic.segments();
            let mut of_call = Vec::with_capacity(append.records.len());
            for new in &append.records {
                let partition = partition_of(&new.key, self.store.partitions);
                let Some(next) = next[append.topic].get_mut(partition) else { continue };
                let offset = *next;
                *next = offset.next();
                of_call.push((partition, offset));
                let bytes = record::encode(new, now);
                if topic.index.is_some() {
                    let tombstone = new.value.is_none();
                    newest.insert((append.topic, &new.key), Newest { partition, offset, bytes, tombstone });
                } else if let Some(segment) = segments.last() {
                    segment.count(bytes.len() + 12, now);
                    D::put(&mut batch, &segment.records, &record::place(partition, offset), bytes);
                }
            }
            places.push(of_call);
        }
        self.compact(&mut batch, newest, now)?;
        match self.store.disk.commit(batch) {
            Err(_) if planted(Bug::AcknowledgeUnsynced) => {}
            committed => committed?,
        }
        for (topic, next) in next.iter() {
            self.store.publish(topic, next);
        }
        self.store.wake();
        Ok(places)
    }

    /// Puts the newest record of each key in the place of the one before it.
    fn compact(
        &self,
        batch: &mut D::Batch,
        newest: HashMap<(Topic, &[u8]), Newest>,
        now: i64,
    ) -> storage::Result<()> {
        for ((topic, key), Newest { partition, offset, bytes, tombstone }) in newest {
            let topic = self.store.topic(topic);
            let segments = topic.segments();
            let (Some(index), Some(segment)) = (&topic.index, segments.last()) else { continue };
            let entry = index_key(partition, key);
            let old = self.store.disk.get(index, &entry)?;
            if let Some(old) = old.and_then(|bytes| Indexed::decode(&bytes)) {
                D::remove(batch, &segment.records, &record::place(partition, old.offset));
            }
            D::put(batch, &segment.records, &record::place(partition, offset), bytes);
            D::put(batch, index, &entry, Indexed { offset, tombstone, timestamp: now }.encode());
        }
        Ok(())
    }

    /// Removes deletions that are old enough to have been met by everybody.
    pub fn drop_tombstones(&self) -> storage::Result<()> {
        self.store.topics().try_for_each(|topic| self.drop_tombstones_of(topic))
    }

    fn drop_tombstones_of(&self, topic: &TopicStore<D>) -> storage::Result<()> {
        let segments = topic.segments();
        let (Some(index), Some(segment)) = (&topic.index, segments.last()) else { return Ok(()) };
        let until = (self.clock)().saturating_sub(TOMBSTONE_MS);
        let mut batch = self.store.disk.batch();
        self.store.keep_floor(&mut batch, topic);
        let mut found = false;
        self.store.disk.scan::<[u8; 0]>(index, .., |key, value| {
            let partition = key.first_chunk().copied().map(u32::from_be_bytes).map(Partition);
            let old = Indexed::decode(value).filter(|e| e.tombstone && e.timestamp <= until);
            if let (Some(partition), Some(old)) = (partition, old) {
                D::remove(&mut batch, &segment.records, &record::place(partition, old.offset));
                D::remove(&mut batch, index, key);
                found = true;
            }
            ControlFlow::Continue(())
        })?;
        if found { self.store.disk.commit(batch) } else { Ok(()) }
    }

    /// Cuts and drops segments of the topics that are not compacted.
    fn retain(&self) -> storage::Result<()> {
        let now = (self.clock)();
        let retention = i64::try_from(self.settings.retention.as_millis()).unwrap_or(i64::MAX);
        for topic in self.store.topics().filter(|topic| topic.index.is_none()) {
            self.cut(topic, now, retention)?;
            loop {
                let segments = topic.segments();
                let [oldest, _, ..] = segments.as_slice() else { break };
                let bytes: u64 = segments.iter().map(|segment| segment.bytes.load(Ordering::Relaxed)).sum();
                let expired = oldest.newest.load(Ordering::Relaxed).saturating_add(retention) < now;
                if bytes <= self.settings.retention_bytes && !expired {
                    break;
                }
                self.store.drop_oldest(topic)?;
            }
        }
        Ok(())
    }

    /// Begins a new segment if the newest one is full or old.
    fn cut(&self, topic: &TopicStore<D>, now: i64, retention: i64) -> storage::Result<()> {
        let segments = topic.segments();
        let Some(newest) = segments.last() else { return Ok(()) };
        let bytes = newest.bytes.load(Ordering::Relaxed);
        let full = (self.settings.retention_bytes / SEGMENTS).clamp(SEGMENT_BYTES.0, SEGMENT_BYTES.1);
        let span = (retention / SEGMENTS as i64).max(1);
        let old = newest.oldest.load(Ordering::Relaxed).saturating_add(span) < now;
        if bytes >= full || (bytes > 0 && old) { self.store.roll(topic) } else { Ok(()) }
    }

    /// Remembers the first failure; tells what every append answers from now on.
    fn fail(&self, error: &DiskError) -> String {
        let failure = self.failure.get_or_init(|| {
            format!(
                "the journal in {} takes no more records, because a write to it failed ({error}): check \
                 the disk; once it has room the process ends, to be started again; nothing that was \
                 acknowledged is lost",
                self.store.dir.display()
            )
        });
        tracing::error!("{failure}");
        failure.clone()
    }
}

/// An entry of the items index.
struct Indexed {
    offset: Offset,
    tombstone: bool,
    timestamp: i64,
}

impl Indexed {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(17);
        out.extend(self.offset.0.to_be_bytes());
        out.extend(self.timestamp.to_be_bytes());
        out.push(u8::from(self.tombstone));
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (offset, rest) = bytes.split_first_chunk()?;
        let (timestamp, [tombstone]) = rest.split_first_chunk()? else { return None };
        let (offset, timestamp) = (Offset(u64::from_be_bytes(*offset)), i64::from_be_bytes(*timestamp));
        Some(Self { offset, tombstone: *tombstone != 0, timestamp })
    }
}

fn index_key(partition: Partition, key: &[u8]) -> Vec<u8> {
    [&partition.0.to_be_bytes(), key].concat()
}
