//! Where snapshots are kept: one folder a topic, stream config and partition, one object an offset.
//!
//! A start looks at all folders of its topic: those of other stream configs may fit, where event types
//! were appended since, and if they don't, someone has to be told what differs.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use parking_lot::Mutex;
use tokio_stream::StreamExt;

use super::error::SnapshotError;
use super::format::{self, Decoded, Header};
use crate::background::{Niceness, aside, in_background};
use crate::bugs::{Bug, carried, planted};
use crate::engine::config::StreamConfig;
use crate::engine::position::{Offset, Partition, Positions};
use crate::files::small::neither_file_nor_folder;
use crate::snapshot::items_checkpoint;
use crate::snapshot::location;
use crate::snapshot::location::{Location, S3Settings};
use crate::snapshot::upload;

/// The snapshots of a topic, and those that are made under a stream config.
#[derive(Clone, Debug)]
pub struct SnapshotStore {
    objects: Arc<dyn ObjectStore>,
    location: Location,
    topic: String,
    partitions: u32,
    config: Arc<StreamConfig>,
    keep: usize,
    /// What was passed over when a partition was restored.
    damaged: Arc<Mutex<HashSet<Path>>>,
    /// Where the snapshot goes on that a partition was restored from.
    restored: Arc<Mutex<Positions>>,
}

/// What there is to restore a partition from.
#[derive(Debug)]
pub struct Search {
    /// The newest snapshot that is whole and fits.
    pub found: Option<Decoded>,
    /// Those that do not fit this stream config and would have gone on later, by folder.
    pub unfit: Vec<Unfit>,
    /// How many were passed over because they are damaged.
    pub damaged: usize,
}

/// Snapshots of a partition that were made under a stream config that is not this one, nor one that
/// could go on as it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The folder of the topic and the config.
    pub path: String,
    /// Where the newest of them goes on.
    pub next_offset: Offset,
    /// What differs.
    pub differs: String,
}

impl SnapshotStore {
    /// Snapshots in a location. A folder is made if it is not there, and what is written is synced to
    /// disk; a bucket has to be there.
    ///
    /// # Errors
    /// The folder can't be made or used, or the settings of the bucket don't fit together.
    pub fn open(
        location: &Location,
        s3: &S3Settings,
        topic: &str,
        partitions: u32,
        config: Arc<StreamConfig>,
        keep: usize,
    ) -> Result<Self, SnapshotError> {
        Ok(Self::new(location::open(location, s3)?, location, topic, partitions, config, keep))
    }

    /// Snapshots among some objects, which are at `location`. Those in a folder are written outside of any
    /// runtime, whose timers they must do without.
    pub fn new(
        objects: Arc<dyn ObjectStore>,
        location: &Location,
        topic: &str,
        partitions: u32,
        config: Arc<StreamConfig>,
        keep: usize,
    ) -> Self {
        Self {
            objects,
            location: location.clone(),
            topic: topic.to_owned(),
            partitions,
            config,
            keep: keep.max(1),
            damaged: Arc::default(),
            restored: Arc::default(),
        }
    }

    /// Where the objects are, for messages.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// How many partitions the topic has.
    pub fn partitions(&self) -> u32 {
        self.partitions
    }

    /// The stream config that the snapshots are made under.
    pub fn config(&self) -> &Arc<StreamConfig> {
        &self.config
    }

    /// What a snapshot made now would say of itself.
    pub fn header(&self, partition: Partition, next_offset: Offset, written_at: i64) -> Header {
        Header {
            topic: self.topic.clone(),
            partition,
            partitions: self.partitions,
            next_offset,
            written_at,
            stream: self.config.facts_text(),
        }
    }

    /// Where the snapshot goes on that a partition was restored from; 0 if there was none.
    pub fn restored(&self, partition: Partition) -> Offset {
        self.restored.lock().get(partition).unwrap_or_default()
    }

    /// Writes a snapshot, the pieces of [`format::encode_into`], and removes those that are older than the
    /// newest few. Returns its size in bytes. What was found to be damaged, or says that it is newer
    /// than this one, is not among the few: it could not stand in for this one.
    ///
    /// # Errors
    /// It could not be written. One that could not be removed is left for the next time.
    pub async fn put(&self, header: &Header, pieces: Vec<Bytes>) -> Result<usize, SnapshotError> {
        if matches!(self.location, Location::Bucket { .. }) {
            return self.put_here(header, pieces).await;
        }
        // To copy it to the system and the disk holds nobody up there. Without a runtime `LocalFileSystem`
        // does all of it on the thread that asks.
        let (store, header) = (self.clone(), header.clone());
        let put = move || pollster::block_on(store.put_here(&header, pieces));
        in_background("snapshot", Niceness::Least, put).await.map_err(SnapshotError::Background)?
    }

    async fn put_here(&self, header: &Header, pieces: Vec<Bytes>) -> Result<usize, SnapshotError> {
        let size = pieces.iter().map(Bytes::len).sum();
        let path = in_folder(&self.root(), header.partition).join(object_name(header.next_offset));
        self.write(&path, pieces).await.map_err(|error| self.failed(error))?;
        self.damaged.lock().remove(&path);
        if let Err(error) = self.remove_old(header).await {
            tracing::warn!(%error, "an old snapshot was not removed, trying again after the next one");
        }
        Ok(size)
    }

    async fn remove_old(&self, newest: &Header) -> Result<(), SnapshotError> {
        let newest_first = self.list(&in_folder(&self.root(), newest.partition)).await?.into_iter();
        let damaged = self.damaged.lock().clone();
        let older = newest_first.filter(|(offset, _)| *offset <= newest.next_offset);
        let (useless, whole): (Vec<_>, Vec<_>) = older.partition(|(_, old)| damaged.contains(old));
        for (_, old) in useless.iter().chain(whole.iter().skip(self.keep)) {
            match self.objects.delete(old).await {
                // Another replica that keeps its snapshots here was first.
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        Ok(())
    }

    /// Writes an object so that it is there whole or not at all.
    async fn write(&self, path: &Path, pieces: Vec<Bytes>) -> object_store::Result<()> {
        let payload = PutPayload::from_iter(pieces);
        if matches!(self.location, Location::Folder(_)) || payload.content_length() <= upload::PART_BYTES {
            return self.objects.put(path, payload).await.map(drop);
        }
        upload::send(self.objects.put_multipart(path).await?, payload).await
    }

    fn failed(&self, error: object_store::Error) -> SnapshotError {
        location::failure(&self.location, error)
    }

    /// The newest snapshot of a partition that is whole and fits; each that is damaged is told to
    /// `rejected` with its path and what is wrong with it.
    ///
    /// # Errors
    /// The folder can't be read, or the topic's number of partitions has changed.
    pub async fn newest(
        &self,
        partition: Partition,
        mut rejected: impl FnMut(&str, &str),
    ) -> Result<Search, SnapshotError> {
        let mut search = Search { found: None, unfit: Vec::new(), damaged: 0 };
        let mut newer = None;
        for path in self.fitting(partition, &mut search.unfit).await? {
            let bytes = match self.read(&path).await {
                Ok(bytes) => bytes,
                // Another replica has removed it since it was listed.
                Err(object_store::Error::NotFound { .. }) => continue,
                Err(error) => return Err(self.failed(error)),
            };
            let mut reject = |reason: &str| {
                rejected(path.as_ref(), reason);
                search.damaged += 1;
            };
            // It may take a good part of a second, while others are served.
            let config = Arc::clone(&self.config);
            let decode = carried(move || format::decode(&bytes, config));
            let mut decoded = match aside(decode).await.map_err(SnapshotError::Background)? {
                Ok(decoded) => decoded,
                Err(error) => {
                    reject(&error.to_string());
                    self.damaged.lock().insert(path);
                    continue;
                }
            };
            let header = &mut decoded.header;
            if header.partitions != self.partitions {
                return Err(SnapshotError::PartitionsChanged {
                    topic: self.topic.clone(),
                    then: header.partitions,
                    now: self.partitions,
                    path: format!("{}/{}", self.location, self.folder_of(header.fingerprint())),
                });
            }
            if (&*header.topic, header.partition) != (&*self.topic, partition) {
                reject("it belongs to another partition");
                continue;
            }
            if planted(Bug::OlderState) && newer.is_none() {
                newer = Some(header.next_offset);
                continue;
            }
            header.next_offset = newer.unwrap_or(header.next_offset);
            search.found = Some(decoded);
            break;
        }
        let next = search.found.as_ref().map_or(Offset::ZERO, |found| found.header.next_offset);
        // What lies behind is of no use any more.
        search.unfit.retain(|unfit| unfit.next_offset > next);
        self.restored.lock().set(partition, next);
        Ok(search)
    }

    /// The snapshots of a partition that may fit, newest first: those of this config, and of others
    /// that say they can go on as it.
    async fn fitting(
        &self,
        partition: Partition,
        unfit: &mut Vec<Unfit>,
    ) -> Result<Vec<Path>, SnapshotError> {
        let own = self.root();
        let topic = Path::from_iter([self.topic.as_str()]);
        let listed = self.objects.list_with_delimiter(Some(&topic)).await;
        let folders = listed.map_err(|error| self.failed(error))?.common_prefixes;
        let mut fitting = Vec::new();
        for folder in folders {
            let listed = self.list(&in_folder(&folder, partition)).await?;
            let Some((next_offset, _)) = listed.first() else { continue };
            if folder != own
                && let Some(differs) = self.differs(&listed).await?
            {
                unfit.push(Unfit { path: folder.to_string(), next_offset: *next_offset, differs });
                continue;
            }
            fitting.extend(listed.into_iter().map(|(offset, path)| (offset, folder == own, path)));
        }
        // Of two at the same offset the one of this very config first.
        fitting.sort_unstable_by(|a, b| b.cmp(a));
        Ok(fitting.into_iter().map(|(_, _, path)| path).collect())
    }

    /// What the snapshots of one folder say of the config that they were made under: what differs
    /// from this one, if it does.
    async fn differs(&self, listed: &[(Offset, Path)]) -> Result<Option<String>, SnapshotError> {
        let mut differs = None;
        for (_, path) in listed {
            let head = match self.head(path).await {
                Ok(head) => head,
                Err(object_store::Error::NotFound { .. }) => continue,
                Err(error) => return Err(self.failed(error)),
            };
            match format::peek_header(&head) {
                Ok(header) => return Ok(self.config.differs_from(&header.stream)),
                Err(error) => differs = differs.or(Some(error.to_string())),
            }
        }
        Ok(differs)
    }

    /// How far each partition of the items log was read when that was last written down, so that a
    /// bad item is not reported anew whenever the catalog is read from its start.
    ///
    /// # Errors
    /// The folder can't be read. What is damaged counts as nothing.
    pub async fn items_read(&self, topic: &str) -> Result<Positions, SnapshotError> {
        match self.read(&items_path(topic)).await {
            Ok(bytes) => Ok(items_checkpoint::decode(&bytes)),
            Err(object_store::Error::NotFound { .. }) => Ok(Positions::default()),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// As much of an object as holds a header. Not by a range, as an empty object has none.
    async fn head(&self, path: &Path) -> object_store::Result<Vec<u8>> {
        let mut chunks = self.objects.get(path).await?.into_stream();
        let mut head = Vec::new();
        while head.len() < format::HEAD
            && let Some(chunk) = chunks.next().await
        {
            head.extend_from_slice(&chunk?);
        }
        Ok(head)
    }

    async fn read(&self, path: &Path) -> object_store::Result<Bytes> {
        // What is listed is a file, what is asked for by its name alone may be anything, and never end.
        if let Location::Folder(dir) = &self.location
            && let Some(what) = neither_file_nor_folder(&dir.join(path.as_ref()))
        {
            let source = format!("{path} is {what}, expected a file").into();
            return Err(object_store::Error::Generic { store: "LocalFileSystem", source });
        }
        self.objects.get(path).await?.bytes().await
    }

    /// Writes down how far each partition of the items log was read.
    ///
    /// # Errors
    /// It could not be written.
    pub async fn put_items_read(&self, topic: &str, read: &Positions) -> Result<(), SnapshotError> {
        self.write(&items_path(topic), vec![Bytes::from(items_checkpoint::encode(read))])
            .await
            .map_err(|error| self.failed(error))
    }

    /// The snapshots in a partition's folder with their offsets, newest first.
    async fn list(&self, folder: &Path) -> Result<Vec<(Offset, Path)>, SnapshotError> {
        let mut found = Vec::new();
        let mut listing = self.objects.list(Some(folder));
        while let Some(object) = listing.next().await {
            let path = object.map_err(|error| self.failed(error))?.location;
            let offset =
                path.filename().and_then(|name| name.strip_prefix("o=")?.strip_suffix(".snap")?.parse().ok());
            found.extend(offset.map(|offset| (Offset(offset), path)));
        }
        found.sort_unstable_by_key(|(offset, _)| std::cmp::Reverse(*offset));
        Ok(found)
    }

    /// The folder of this topic and config.
    fn root(&self) -> Path {
        self.folder_of(self.config.fingerprint())
    }

    fn folder_of(&self, fingerprint: u64) -> Path {
        Path::from_iter([self.topic.clone(), format!("{fingerprint:016x}")])
    }
}

fn in_folder(root: &Path, partition: Partition) -> Path {
    root.clone().join(format!("p={partition:05}"))
}

fn items_path(topic: &str) -> Path {
    Path::from_iter([topic, "read.json"])
}

fn object_name(next_offset: Offset) -> String {
    format!("o={next_offset:020}.snap")
}

#[cfg(test)]
mod tests;
