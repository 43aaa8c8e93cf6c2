//! What is on disk: one fjall database.
//!
//! A topic is a list of segments, each a keyspace of its own: retention drops the oldest one whole,
//! which gives its space back at once and leaves no tombstones behind. The items topic is one
//! segment for ever, with an index from key to newest offset beside it. `meta` says which segments
//! there are and where each partition begins in them; a keyspace that it does not know was left by
//! a crash and is removed.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch as WriteBatch, PersistMode};

use super::super::{Bounds, LogError, Offset, Partition, Topic};
use super::record;

const FORMAT: u32 = 1;
const MEMTABLE_BYTES: u64 = 16 * 1024 * 1024;
/// How much fjall's own write-ahead journals may take before it flushes what holds them back.
const WRITE_AHEAD_BYTES: u64 = 64 * 1024 * 1024;

/// Part of a topic.
pub struct Segment {
    id: u64,
    /// The first offset of each partition.
    pub base: Vec<Offset>,
    pub records: Keyspace,
    /// Encoded bytes in it.
    pub bytes: AtomicU64,
    /// Timestamps of its first and last record; both 0 while it is empty.
    pub oldest: AtomicI64,
    /// See `oldest`.
    pub newest: AtomicI64,
}

/// A topic on disk.
pub struct TopicStore {
    pub name: &'static str,
    /// The next offset of each partition. Stored only after the records are durable.
    pub high: Vec<AtomicU64>,
    segments: RwLock<Arc<Vec<Arc<Segment>>>>,
    /// Newest offset by key, where the topic is compacted.
    pub index: Option<Keyspace>,
}

/// The whole journal.
pub struct Store {
    pub db: Database,
    pub dir: PathBuf,
    pub partitions: u32,
    meta: Keyspace,
    topics: [TopicStore; 3],
    /// Wakes readers when there is more to read.
    gate: Mutex<()>,
    arrived: Condvar,
}

impl Segment {
    /// Counts a record in.
    pub fn count(&self, bytes: usize, timestamp: i64) {
        if self.bytes.fetch_add(bytes as u64, Ordering::Relaxed) == 0 {
            self.oldest.store(timestamp, Ordering::Relaxed);
        }
        self.newest.store(timestamp, Ordering::Relaxed);
    }
}

impl TopicStore {
    /// The segments, oldest first; never none.
    pub fn segments(&self) -> Arc<Vec<Arc<Segment>>> {
        Arc::clone(&self.segments.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, segments: Vec<Arc<Segment>>) {
        *self.segments.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(segments);
    }

    pub fn high(&self, partition: Partition) -> Offset {
        self.high.get(partition as usize).map_or(0, |high| high.load(Ordering::Acquire))
    }

    pub fn bounds(&self, partition: Partition) -> Result<Bounds, LogError> {
        let segments = self.segments();
        match segments.first().and_then(|segment| segment.base.get(partition as usize)) {
            Some(low) => Ok(Bounds { low: *low, high: self.high(partition) }),
            None => Err(LogError::Fatal(format!(
                "partition {partition} of `{}` does not exist, it has {}",
                self.name,
                self.high.len()
            ))),
        }
    }
}

impl Store {
    pub fn open(dir: &Path, partitions: u32) -> Result<Self, LogError> {
        let failed = |error: &dyn std::fmt::Display| {
            LogError::Fatal(format!("the journal in {} can't be opened: {error}", dir.display()))
        };
        fs::create_dir_all(dir).map_err(|error| failed(&error))?;
        let db = Database::builder(dir)
            .max_journaling_size(WRITE_AHEAD_BYTES)
            .worker_threads(2)
            .open()
            .map_err(|error| match error {
                fjall::Error::Locked => LogError::Fatal(format!(
                    "the journal in {} is in use by another process: stop that one, or choose another `data.dir`",
                    dir.display()
                )),
                error => failed(&error),
            })?;
        Self::load(db, dir, partitions).map_err(|error| match error {
            LoadError::Store(error) => failed(&error),
            LoadError::Refused(message) => LogError::Fatal(message),
        })
    }

    fn load(db: Database, dir: &Path, partitions: u32) -> Result<Self, LoadError> {
        let meta = db.keyspace("meta", KeyspaceCreateOptions::default)?;
        check_number(&meta, "format", FORMAT, |found| {
            format!("the journal in {} has format {found}, this version reads {FORMAT}", dir.display())
        })?;
        check_number(&meta, "partitions", partitions, |found| {
            format!(
                "the journal in {} was made with {found} partitions, the configuration says {partitions}: \
                 set it back to {found}, or choose another `data.dir`",
                dir.display()
            )
        })?;
        let index = db.keyspace("items-index", options)?;
        let topics = [
            TopicStore::load(&db, &meta, "clicks", partitions, None)?,
            TopicStore::load(&db, &meta, "items", partitions, Some(index))?,
            TopicStore::load(&db, &meta, "dead-letters", partitions, None)?,
        ];
        db.persist(PersistMode::SyncAll)?;
        let known: HashSet<String> = topics
            .iter()
            .flat_map(|topic| {
                topic.segments().iter().map(|s| keyspace_name(topic.name, s.id)).collect::<Vec<_>>()
            })
            .chain(["meta".to_owned(), "items-index".to_owned()])
            .collect();
        for name in db.list_keyspace_names() {
            if !known.contains(&*name) {
                let orphan = db.keyspace(&name, options)?;
                db.delete_keyspace(orphan)?;
            }
        }
        let (gate, arrived) = (Mutex::new(()), Condvar::new());
        Ok(Self { db, dir: dir.to_owned(), partitions, meta, topics, gate, arrived })
    }

    pub fn topic(&self, topic: Topic) -> &TopicStore {
        let [clicks, items, dead_letters] = &self.topics;
        match topic {
            Topic::Clicks => clicks,
            Topic::Items => items,
            Topic::DeadLetters => dead_letters,
        }
    }

    /// Lets readers see records up to here.
    pub fn publish(&self, topic: Topic, next: &[Offset]) {
        for (high, next) in self.topic(topic).high.iter().zip(next) {
            high.store(*next, Ordering::Release);
        }
    }

    /// Wakes readers, after [`Self::publish`].
    pub fn wake(&self) {
        drop(self.gate.lock().unwrap_or_else(PoisonError::into_inner));
        self.arrived.notify_all();
    }

    /// Waits until `ready`, or until the time is over.
    pub fn wait(&self, timeout: std::time::Duration, ready: impl Fn() -> bool) {
        let gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.arrived.wait_timeout_while(gate, timeout, |()| !ready()));
    }

    /// A batch that is on disk when its commit returns.
    pub fn batch(&self) -> WriteBatch {
        self.db.batch().durability(Some(PersistMode::SyncAll))
    }

    /// Closes the newest segment of a topic and begins another.
    pub fn roll(&self, topic: &TopicStore) -> fjall::Result<()> {
        let mut segments = topic.segments().as_ref().clone();
        let Some(last) = segments.last().cloned() else { return Ok(()) };
        let base = topic.high.iter().map(|high| high.load(Ordering::Acquire)).collect();
        let new = Segment::create(&self.db, topic.name, last.id + 1, base)?;
        let mut batch = self.batch();
        batch.insert(&self.meta, meta_key(topic.name, last.id), last.describe());
        batch.insert(&self.meta, meta_key(topic.name, new.id), new.describe());
        batch.commit()?;
        // Nothing more comes in: to disk with it, so that the write-ahead journals can go.
        last.records.rotate_memtable()?;
        segments.push(Arc::new(new));
        topic.replace(segments);
        Ok(())
    }

    /// Removes the oldest segment of a topic. Readers that are in it finish their poll.
    pub fn drop_oldest(&self, topic: &TopicStore) -> fjall::Result<()> {
        let mut segments = topic.segments().as_ref().clone();
        if segments.len() < 2 {
            return Ok(());
        }
        let oldest = segments.remove(0);
        topic.replace(segments);
        let mut batch = self.batch();
        batch.remove(&self.meta, meta_key(topic.name, oldest.id));
        batch.commit()?;
        self.db.delete_keyspace(oldest.records.clone())
    }

    /// Remembers that offsets up to here were given out, though their records may be gone.
    pub fn keep_floor(&self, batch: &mut WriteBatch, topic: &TopicStore) {
        let floor: Vec<u8> =
            topic.high.iter().flat_map(|high| high.load(Ordering::Acquire).to_be_bytes()).collect();
        batch.insert(&self.meta, format!("floor/{}", topic.name), floor);
    }
}

impl TopicStore {
    fn load(
        db: &Database,
        meta: &Keyspace,
        name: &'static str,
        partitions: u32,
        index: Option<Keyspace>,
    ) -> Result<Self, LoadError> {
        let mut segments = Vec::new();
        for entry in meta.prefix(format!("segment/{name}/")) {
            let (key, value) = entry.into_inner()?;
            let id = key.last_chunk().copied().map(u64::from_be_bytes);
            let broken = || LoadError::Refused(format!("the list of segments of `{name}` is damaged"));
            let id = id.ok_or_else(broken)?;
            let records = db.keyspace(&keyspace_name(name, id), options)?;
            segments.push(Segment::restore(id, records, &value, partitions).ok_or_else(broken)?);
        }
        if segments.is_empty() {
            let first = Segment::create(db, name, 0, vec![0; partitions as usize])?;
            meta.insert(meta_key(name, 0), first.describe())?;
            segments.push(first);
        }
        let mut high = Vec::new();
        let floors = meta.get(format!("floor/{name}"))?;
        let floor = |partition: usize| {
            let bytes = floors.as_deref()?.get(partition * 8..)?.first_chunk()?;
            Some(Offset::from_be_bytes(*bytes))
        };
        if let Some(newest) = segments.last() {
            newest.recount()?;
            for (partition, base) in (0..).zip(&newest.base) {
                let range = record::place(partition, 0)..=record::place(partition, Offset::MAX);
                let last = newest.records.range(range).next_back().map(fjall::Guard::key).transpose()?;
                let next = last.and_then(|place| record::offset(&place)).map_or(*base, |offset| offset + 1);
                high.push(AtomicU64::new(next.max(floor(partition as usize).unwrap_or(0))));
            }
        }
        let segments = RwLock::new(Arc::new(segments.into_iter().map(Arc::new).collect()));
        Ok(Self { name, high, segments, index })
    }
}

impl Segment {
    fn create(db: &Database, topic: &str, id: u64, base: Vec<Offset>) -> fjall::Result<Self> {
        let records = db.keyspace(&keyspace_name(topic, id), options)?;
        let (bytes, oldest, newest) = (AtomicU64::new(0), AtomicI64::new(0), AtomicI64::new(0));
        Ok(Self { id, base, records, bytes, oldest, newest })
    }

    /// What `meta` keeps of it: bytes, oldest, newest, then the bases, big-endian.
    fn describe(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(24 + 8 * self.base.len());
        out.extend(self.bytes.load(Ordering::Relaxed).to_be_bytes());
        out.extend(self.oldest.load(Ordering::Relaxed).to_be_bytes());
        out.extend(self.newest.load(Ordering::Relaxed).to_be_bytes());
        out.extend(self.base.iter().flat_map(|offset| offset.to_be_bytes()));
        out
    }

    fn restore(id: u64, records: Keyspace, description: &[u8], partitions: u32) -> Option<Self> {
        let (words, []) = description.as_chunks::<8>() else { return None };
        let [bytes, oldest, newest, base @ ..] = words else { return None };
        let bytes = AtomicU64::new(u64::from_be_bytes(*bytes));
        let oldest = AtomicI64::new(i64::from_be_bytes(*oldest));
        let newest = AtomicI64::new(i64::from_be_bytes(*newest));
        let base: Vec<_> = base.iter().map(|word| Offset::from_be_bytes(*word)).collect();
        (base.len() == partitions as usize).then_some(Self { id, base, records, bytes, oldest, newest })
    }

    /// Counts what is in it, where `meta` does not know yet: in the newest segment.
    fn recount(&self) -> fjall::Result<()> {
        let (mut bytes, mut oldest, mut newest) = (0, i64::MAX, i64::MIN);
        for entry in self.records.iter() {
            let (place, value) = entry.into_inner()?;
            bytes += (place.len() + value.len()) as u64;
            let timestamp = record::timestamp(&value).unwrap_or(0);
            (oldest, newest) = (oldest.min(timestamp), newest.max(timestamp));
        }
        if bytes > 0 {
            self.bytes.store(bytes, Ordering::Relaxed);
            self.oldest.store(oldest, Ordering::Relaxed);
            self.newest.store(newest, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES).expect_point_read_hits(true)
}

fn keyspace_name(topic: &str, id: u64) -> String {
    format!("{topic}-{id:016x}")
}

fn meta_key(topic: &str, id: u64) -> Vec<u8> {
    let mut key = format!("segment/{topic}/").into_bytes();
    key.extend(id.to_be_bytes());
    key
}

fn check_number(
    meta: &Keyspace,
    key: &str,
    expected: u32,
    refusal: impl FnOnce(u32) -> String,
) -> Result<(), LoadError> {
    match meta.get(key)?.and_then(|bytes| bytes.first_chunk().copied().map(u32::from_be_bytes)) {
        None => Ok(meta.insert(key, expected.to_be_bytes())?),
        Some(found) if found == expected => Ok(()),
        Some(found) => Err(LoadError::Refused(refusal(found))),
    }
}

enum LoadError {
    Store(fjall::Error),
    Refused(String),
}

impl From<fjall::Error> for LoadError {
    fn from(error: fjall::Error) -> Self {
        Self::Store(error)
    }
}
