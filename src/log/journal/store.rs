//! What is on disk.
//!
//! A topic is a list of segments, each a table of its own: retention drops the oldest one whole,
//! which gives its space back at once and leaves no tombstones behind. The items topic is one
//! segment for ever, with an index from key to newest offset beside it. `meta` says which segments
//! there are and where each partition begins in them; a table that it does not know was left by
//! a crash and is removed.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, RwLock};

use crate::log::journal::record;
use crate::log::journal::storage;
use crate::log::journal::storage::{Disk, DiskError};
use crate::log::topics::TopicRow;
use crate::log::{Bounds, LogError, Offset, Partition, PerTopic, Positions, Topic};

const FORMAT: u32 = 1;

/// Part of a topic.
pub struct Segment<D: Disk> {
    id: u64,
    /// The first offset of each partition.
    pub base: Positions,
    pub records: D::Table,
    /// Encoded bytes in it.
    pub bytes: AtomicU64,
    /// Timestamps of its first and last record; both 0 while it is empty.
    pub oldest: AtomicI64,
    /// See `oldest`.
    pub newest: AtomicI64,
}

/// A topic on disk.
pub struct TopicStore<D: Disk> {
    pub name: &'static str,
    /// The next offset of each partition. Stored only after the records are durable.
    high: Vec<AtomicU64>,
    segments: RwLock<Arc<Segments<D>>>,
    /// Newest offset by key, where the topic is compacted.
    pub index: Option<D::Table>,
}

/// The segments of a topic, oldest first.
type Segments<D> = Vec<Arc<Segment<D>>>;

/// The whole journal.
pub struct Store<D: Disk> {
    pub disk: D,
    pub dir: PathBuf,
    pub partitions: u32,
    meta: D::Table,
    topics: PerTopic<TopicStore<D>>,
    /// Wakes readers when there is more to read.
    gate: Mutex<()>,
    arrived: Condvar,
    /// Why there will never be more to read.
    ended: OnceLock<String>,
}

impl<D: Disk> Segment<D> {
    /// Counts a record in.
    pub fn count(&self, bytes: usize, timestamp: i64) {
        if self.bytes.fetch_add(bytes as u64, Ordering::Relaxed) == 0 {
            self.oldest.store(timestamp, Ordering::Relaxed);
        }
        self.newest.store(timestamp, Ordering::Relaxed);
    }
}

impl<D: Disk> TopicStore<D> {
    /// The segments, oldest first; never none.
    pub fn segments(&self) -> Arc<Segments<D>> {
        Arc::clone(&self.segments.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The names of its tables on the disk.
    fn tables(&self) -> Vec<String> {
        let segments = self.segments();
        let records = segments.iter().map(|segment| table_name(self.name, segment.id));
        records.chain(self.index.iter().map(|_| index_name(self.name))).collect()
    }

    fn replace(&self, segments: Segments<D>) {
        *self.segments.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(segments);
    }

    pub fn high(&self, partition: Partition) -> Offset {
        self.high.get(partition.index()).map_or(Offset::ZERO, |high| Offset(high.load(Ordering::Acquire)))
    }

    /// The next offset of each partition.
    pub fn ends(&self) -> Positions {
        Partition::all(self.high.len() as u32).map(|partition| (partition, self.high(partition))).collect()
    }

    pub fn bounds(&self, partition: Partition) -> Result<Bounds, LogError> {
        let segments = self.segments();
        match segments.first().and_then(|segment| segment.base.get(partition)) {
            Some(low) => Ok(Bounds { low, high: self.high(partition) }),
            None => Err(LogError::Fatal(format!(
                "partition {partition} of `{}` does not exist, it has {}",
                self.name,
                self.high.len()
            ))),
        }
    }
}

impl<D: Disk> Store<D> {
    /// The journal on a disk, which is in `dir`; made if it is not there.
    pub fn open(disk: D, dir: &Path, partitions: u32) -> Result<Self, LogError> {
        Self::load(disk, dir, partitions).map_err(|error| match error {
            LoadError::Disk(error) => storage::cannot_open(dir, &error),
            LoadError::Refused(message) => LogError::Fatal(message),
        })
    }

    fn load(disk: D, dir: &Path, partitions: u32) -> Result<Self, LoadError> {
        let meta = disk.table("meta")?;
        check_number(&disk, &meta, "format", FORMAT, |found| {
            format!("the journal in {} has format {found}, this version reads {FORMAT}", dir.display())
        })?;
        check_number(&disk, &meta, "partitions", partitions, |found| {
            format!(
                "the journal in {} was made with {found} partitions, the configuration says {partitions}: \
                 set it back to {found}, or choose another `data.dir`",
                dir.display()
            )
        })?;
        let topics =
            PerTopic::try_new(|topic: Topic| TopicStore::load(&disk, &meta, topic.row(), partitions))?;
        // What an earlier process wrote and did not sync is read from now on: it must stay.
        disk.sync()?;
        let known: HashSet<String> =
            topics.iter().flat_map(|(_, topic)| topic.tables()).chain(["meta".to_owned()]).collect();
        for name in disk.tables() {
            if !known.contains(&*name) {
                disk.remove_table(disk.table(&name)?)?;
            }
        }
        let (gate, arrived, ended) = (Mutex::new(()), Condvar::new(), OnceLock::new());
        Ok(Self { disk, dir: dir.to_owned(), partitions, meta, topics, gate, arrived, ended })
    }

    pub fn topic(&self, topic: Topic) -> &TopicStore<D> {
        &self.topics[topic]
    }

    /// Every topic.
    pub fn topics(&self) -> impl Iterator<Item = &TopicStore<D>> {
        self.topics.iter().map(|(_, topic)| topic)
    }

    /// Lets readers see records up to here. To be called once they are on disk: a reader that sees the end
    /// (`Acquire`) sees the tables as they were when it was stored (`Release`).
    pub fn publish(&self, topic: Topic, next: &Positions) {
        for (high, (_, next)) in self.topic(topic).high.iter().zip(next.iter()) {
            high.store(next.0, Ordering::Release);
        }
    }

    /// Wakes readers, after [`Self::publish`].
    pub fn wake(&self) {
        // The gate guards nothing but the moment between a reader's look and its sleep: whoever has looked
        // in vain holds it until it sleeps, so what was published meanwhile wakes it.
        drop(self.gate.lock().unwrap_or_else(PoisonError::into_inner));
        self.arrived.notify_all();
    }

    /// Waits until `ready`, until there will never be more to read, or until the time is over.
    pub fn wait(&self, timeout: std::time::Duration, ready: impl Fn() -> bool) {
        let gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.arrived.wait_timeout_while(gate, timeout, |()| !ready() && self.ended.get().is_none()));
    }

    /// Tells readers that there will never be more to read, and why.
    pub fn end(&self, why: &str) {
        self.ended.get_or_init(|| why.to_owned());
        self.wake();
    }

    /// Why there will never be more to read, if so.
    pub fn ended(&self) -> Option<&str> {
        self.ended.get().map(String::as_str)
    }

    /// Closes the newest segment of a topic and begins another. To be called by the one thread that appends:
    /// the new one begins where all that was appended ends. What a crash leaves is whole at each step: a table
    /// that `meta` does not name yet is removed when the journal is opened. The closed one's size and times go
    /// into `meta` with it, as only the newest segment is counted anew then.
    pub fn roll(&self, topic: &TopicStore<D>) -> storage::Result<()> {
        let mut segments = topic.segments().as_ref().clone();
        let Some(last) = segments.last().cloned() else { return Ok(()) };
        let new = Segment::create(&self.disk, topic.name, last.id + 1, topic.ends())?;
        let mut batch = self.disk.batch();
        D::put(&mut batch, &self.meta, &meta_key(topic.name, last.id), last.describe());
        D::put(&mut batch, &self.meta, &meta_key(topic.name, new.id), new.describe());
        self.disk.commit(batch)?;
        self.disk.settle(&last.records)?;
        segments.push(Arc::new(new));
        topic.replace(segments);
        Ok(())
    }

    /// Removes the oldest segment of a topic. Readers that are in it finish their poll. No reader finds it any
    /// more before `meta` forgets it, and `meta` forgets it before its table goes: a crash in between leaves a
    /// table that is removed when the journal is opened, never a name without its table.
    pub fn drop_oldest(&self, topic: &TopicStore<D>) -> storage::Result<()> {
        let mut segments = topic.segments().as_ref().clone();
        if segments.len() < 2 {
            return Ok(());
        }
        let oldest = segments.remove(0);
        topic.replace(segments);
        let mut batch = self.disk.batch();
        D::remove(&mut batch, &self.meta, &meta_key(topic.name, oldest.id));
        self.disk.commit(batch)?;
        self.disk.remove_table(oldest.records.clone())
    }

    /// Remembers that offsets up to here were given out, though their records may be gone: otherwise the end
    /// would be found behind the newest record that is left, and a reader would take new records at offsets
    /// that it has passed for ones that it has seen.
    pub fn keep_floor(&self, batch: &mut D::Batch, topic: &TopicStore<D>) {
        let floor = topic.ends().iter().flat_map(|(_, end)| end.0.to_be_bytes()).collect();
        D::put(batch, &self.meta, format!("floor/{}", topic.name).as_bytes(), floor);
    }
}

impl<D: Disk> TopicStore<D> {
    fn load(disk: &D, meta: &D::Table, row: TopicRow, partitions: u32) -> Result<Self, LoadError> {
        let TopicRow { name, compacted, .. } = row;
        let index = compacted.then(|| disk.table(&index_name(name))).transpose()?;
        let mut described = Vec::new();
        let prefix = meta_prefix(name);
        disk.scan(meta, prefix.as_bytes().., |key, value| {
            if !key.starts_with(prefix.as_bytes()) {
                return ControlFlow::Break(());
            }
            described.push((key.last_chunk().copied().map(u64::from_be_bytes), value.to_vec()));
            ControlFlow::Continue(())
        })?;
        let mut segments = Vec::new();
        for (id, description) in described {
            let broken = || LoadError::Refused(format!("the list of segments of `{name}` is damaged"));
            let id = id.ok_or_else(broken)?;
            let records = disk.table(&table_name(name, id))?;
            segments.push(Segment::restore(id, records, &description, partitions).ok_or_else(broken)?);
        }
        if segments.is_empty() {
            let first = Segment::create(disk, name, 0, Positions::beginning(partitions))?;
            let mut batch = disk.batch();
            D::put(&mut batch, meta, &meta_key(name, 0), first.describe());
            disk.commit(batch)?;
            segments.push(first);
        }
        let mut high = Vec::new();
        let floors = disk.get(meta, format!("floor/{name}").as_bytes())?;
        let floor = |partition: Partition| {
            let bytes = floors.as_deref()?.get(partition.index() * 8..)?.first_chunk()?;
            Some(Offset(u64::from_be_bytes(*bytes)))
        };
        if let Some(newest) = segments.last() {
            newest.recount(disk)?;
            for (partition, base) in newest.base.iter() {
                let range =
                    record::place(partition, Offset::ZERO)..=record::place(partition, Offset(u64::MAX));
                let last = disk.last(&newest.records, range)?;
                let next = last.and_then(|place| record::offset(&place)).map_or(base, Offset::next);
                high.push(AtomicU64::new(next.max(floor(partition).unwrap_or_default()).0));
            }
        }
        let segments = RwLock::new(Arc::new(segments.into_iter().map(Arc::new).collect()));
        Ok(Self { name, high, segments, index })
    }
}

impl<D: Disk> Segment<D> {
    fn create(disk: &D, topic: &str, id: u64, base: Positions) -> storage::Result<Self> {
        let records = disk.table(&table_name(topic, id))?;
        let (bytes, oldest, newest) = (AtomicU64::new(0), AtomicI64::new(0), AtomicI64::new(0));
        Ok(Self { id, base, records, bytes, oldest, newest })
    }

    /// What `meta` keeps of it: bytes, oldest, newest, then the bases, big-endian.
    fn describe(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(24 + 8 * self.base.len());
        out.extend(self.bytes.load(Ordering::Relaxed).to_be_bytes());
        out.extend(self.oldest.load(Ordering::Relaxed).to_be_bytes());
        out.extend(self.newest.load(Ordering::Relaxed).to_be_bytes());
        out.extend(self.base.iter().flat_map(|(_, offset)| offset.0.to_be_bytes()));
        out
    }

    fn restore(id: u64, records: D::Table, description: &[u8], partitions: u32) -> Option<Self> {
        let (words, []) = description.as_chunks::<8>() else { return None };
        let [bytes, oldest, newest, base @ ..] = words else { return None };
        let bytes = AtomicU64::new(u64::from_be_bytes(*bytes));
        let oldest = AtomicI64::new(i64::from_be_bytes(*oldest));
        let newest = AtomicI64::new(i64::from_be_bytes(*newest));
        let whole = base.len() == partitions as usize;
        let offsets = base.iter().map(|word| Offset(u64::from_be_bytes(*word)));
        let base = Partition::all(partitions).zip(offsets).collect();
        whole.then_some(Self { id, base, records, bytes, oldest, newest })
    }

    /// Counts what is in it, where `meta` does not know yet: in the newest segment.
    fn recount(&self, disk: &D) -> storage::Result<()> {
        let (mut bytes, mut oldest, mut newest) = (0, i64::MAX, i64::MIN);
        disk.scan::<[u8; 0]>(&self.records, .., |place, value| {
            bytes += (place.len() + value.len()) as u64;
            let timestamp = record::timestamp(value).unwrap_or(0);
            (oldest, newest) = (oldest.min(timestamp), newest.max(timestamp));
            ControlFlow::Continue(())
        })?;
        if bytes > 0 {
            self.bytes.store(bytes, Ordering::Relaxed);
            self.oldest.store(oldest, Ordering::Relaxed);
            self.newest.store(newest, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn table_name(topic: &str, id: u64) -> String {
    format!("{topic}-{id:016x}")
}

fn index_name(topic: &str) -> String {
    format!("{topic}-index")
}

fn meta_prefix(topic: &str) -> String {
    format!("segment/{topic}/")
}

fn meta_key(topic: &str, id: u64) -> Vec<u8> {
    let mut key = meta_prefix(topic).into_bytes();
    key.extend(id.to_be_bytes());
    key
}

fn check_number<D: Disk>(
    disk: &D,
    meta: &D::Table,
    key: &str,
    expected: u32,
    refusal: impl FnOnce(u32) -> String,
) -> Result<(), LoadError> {
    let found = disk.get(meta, key.as_bytes())?;
    match found.and_then(|bytes| bytes.first_chunk().copied().map(u32::from_be_bytes)) {
        None => {
            let mut batch = disk.batch();
            D::put(&mut batch, meta, key.as_bytes(), expected.to_be_bytes().to_vec());
            Ok(disk.commit(batch)?)
        }
        Some(found) if found == expected => Ok(()),
        Some(found) => Err(LoadError::Refused(refusal(found))),
    }
}

enum LoadError {
    Disk(DiskError),
    Refused(String),
}

impl From<DiskError> for LoadError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}
