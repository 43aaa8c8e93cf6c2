//! The log in a folder of our own, for those who run no Kafka: durable, ordered, bounded.
//!
//! fjall keeps the bytes, their checksums and the write-ahead journal; here are the offsets, group
//! commit, compaction and retention. One process owns the folder.

mod fjall;
mod free_space;
mod reader;
mod record;
mod settings;
mod storage;
mod store;
mod writer;

use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};

use crate::background::forever;
use crate::clock::Clock;
use crate::log::{
    Appended, Bounds, Log, LogError, LogReader, NewRecord, Offset, Partition, Positions, Topic,
};
use fjall::FjallDisk;
use free_space::Room;
use reader::JournalReader;
use storage::cannot_open;
use store::Store;
use writer::{Append, Message};

pub use settings::JournalSettings;
pub(crate) use storage::Disk;
#[cfg(test)]
pub(crate) use storage::{DiskError, Result as DiskResult};
pub(crate) use writer::Writer;

/// What may wait to be written, in bytes. An append that finds no room waits.
const QUEUE_BYTES: usize = 32 * 1024 * 1024;
/// What a record costs in the queue besides its bytes.
const RECORD_OVERHEAD: usize = 96;

/// Topics in a folder as a log.
pub struct JournalLog<D: Disk = FjallDisk> {
    store: Arc<Store<D>>,
    entrance: Arc<Entrance>,
    /// Until it is closed.
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// The way to the writer.
struct Entrance {
    permits: Arc<Semaphore>,
    queue: Sender<Message>,
    failure: Arc<OnceLock<String>>,
}

impl JournalLog {
    /// Opens or makes a journal.
    ///
    /// # Errors
    /// The folder can't be used, is used by another process, or holds a journal with another number
    /// of partitions.
    pub fn open(settings: JournalSettings, clock: Clock) -> Result<Self, LogError> {
        let disk = FjallDisk::open(&settings.dir)?;
        let (mut log, writer) = Self::on(disk, settings, clock)?;
        let (permits, store) = (Arc::clone(&log.entrance.permits), Arc::clone(&log.store));
        let (closed, failure) = (Arc::clone(&permits), Arc::clone(&log.entrance.failure));
        let run = move || {
            writer.run();
            permits.close();
        };
        let panicked = move || {
            let why = failure.get_or_init(|| {
                format!(
                    "the journal in {} takes no more records, because its writer has panicked, as the log says above: \
                     start the service again; nothing that was acknowledged is lost",
                    store.dir.display()
                )
            });
            closed.close();
            // Those who read it end the process.
            store.end(why);
        };
        let thread = forever("journal", run, panicked);
        *log.writer.get_mut() = Some(thread.map_err(|error| cannot_open(&log.store.dir, &error))?);
        Ok(log)
    }
}

impl<D: Disk> JournalLog<D> {
    /// Opens or makes a journal on a disk. The writer is for whoever calls to run.
    pub(crate) fn on(
        disk: D,
        settings: JournalSettings,
        clock: Clock,
    ) -> Result<(Self, Writer<D>), LogError> {
        let store = Arc::new(Store::open(disk, &settings.dir, settings.partitions.max(1))?);
        let failure = Arc::new(OnceLock::new());
        let room = Room::new(settings.keep_free);
        let (sender, queue) = mpsc::channel();
        let entrance = Arc::new(Entrance {
            permits: Arc::new(Semaphore::new(QUEUE_BYTES)),
            queue: sender,
            failure: Arc::clone(&failure),
        });
        let writer = Writer { store: Arc::clone(&store), clock, settings, failure, room, queue };
        writer.drop_tombstones().map_err(|error| cannot_open(&store.dir, &error))?;
        Ok((Self { store, entrance, writer: Mutex::new(None) }, writer))
    }
}

impl<D: Disk> Drop for JournalLog<D> {
    /// Writes what is queued and lets the folder go, once the readers are dropped too.
    fn drop(&mut self) {
        self.close();
    }
}

impl Entrance {
    async fn append(
        &self,
        topic: Topic,
        records: Vec<NewRecord>,
    ) -> Result<Vec<(Partition, Offset)>, LogError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        records.iter().try_for_each(record::check)?;
        let closed = || match self.failure.get() {
            Some(failure) => LogError::Fatal(failure.clone()),
            None => LogError::Unavailable("the journal is closed".to_owned()),
        };
        let bytes: usize = records.iter().map(|record| record::size(record) + RECORD_OVERHEAD).sum();
        let cost = u32::try_from(bytes.min(QUEUE_BYTES)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.permits).acquire_many_owned(cost).await.map_err(|_| closed())?;
        if self.failure.get().is_some() {
            return Err(closed());
        }
        let (done, outcome) = oneshot::channel();
        self.queue.send(Message::Append(Append { topic, records, done, permit })).map_err(|_| closed())?;
        outcome.await.map_err(|_| closed())?
    }
}

impl<D: Disk> Log for JournalLog<D> {
    fn name(&self, topic: Topic) -> &str {
        self.store.topic(topic).name
    }

    fn partitions(&self, _topic: Topic) -> Result<u32, LogError> {
        Ok(self.store.partitions)
    }

    fn bounds(&self, topic: Topic, partition: Partition) -> Result<Bounds, LogError> {
        self.store.topic(topic).bounds(partition)
    }

    fn reader(&self, topic: Topic, from: &Positions) -> Result<Box<dyn LogReader>, LogError> {
        Ok(Box::new(JournalReader::open(Arc::clone(&self.store), topic, from)?))
    }

    fn append(&self, topic: Topic, records: Vec<NewRecord>) -> Appended {
        let entrance = Arc::clone(&self.entrance);
        Box::pin(async move { entrance.append(topic, records).await })
    }

    /// Nobody watches a journal from outside.
    fn committed(&self, _topic: Topic, _positions: &Positions) {}

    fn close(&self) {
        // The writer is gone already if it does not take this.
        let _ = self.entrance.queue.send(Message::Stop);
        if let Some(writer) = self.writer.lock().take() {
            // What it failed with has been told to those who appended.
            let _ = writer.join();
        }
    }
}

#[cfg(test)]
mod tests;
