//! Looks at snapshots from outside: which there are, what is in them, and whether they are whole.
//!
//! Reads only and takes no lock, so it can be used beside a running service. What the service
//! removes meanwhile is left out.

use std::sync::Arc;

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio_stream::StreamExt;

use super::SnapshotError;
use super::format::{self, FormatError, Header, SectionFrame};
use crate::engine::config::{StateLimits, StreamConfig};
use crate::engine::events::event::Timestamp;
use crate::engine::facts::state::{Counters, PartitionState};
use crate::engine::position::{Offset, Partition};
use crate::snapshot::location;
use crate::snapshot::location::{Location, S3Settings};

/// Reads the snapshots of a location, of any topic and any stream config.
#[derive(Clone, Debug)]
pub struct SnapshotReader {
    objects: Option<Arc<dyn ObjectStore>>,
    location: Location,
}

/// A snapshot's name in its location, and its bytes.
#[derive(Clone, Debug)]
pub struct Object {
    /// `TOPIC/FINGERPRINT/p=PPPPP/o=OOOOOOOOOOOOOOOOOOOO.snap`.
    pub name: String,
    /// The content.
    pub bytes: Vec<u8>,
}

/// What a name says that a snapshot is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotName {
    /// The topic.
    pub topic: String,
    /// The stream config's fingerprint.
    pub fingerprint: u64,
    /// The partition.
    pub partition: Partition,
    /// The first record that the state has not seen.
    pub next_offset: Offset,
}

/// What is in a snapshot, counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents {
    /// People.
    pub users: usize,
    /// Items that events have named.
    pub items: usize,
    /// Categories that events have named.
    pub categories: usize,
    /// Items that users have acted on, besides those of their newest events.
    pub acted_items: usize,
    /// Remembered event ids.
    pub event_ids: usize,
    /// Events that are found by their items: those in it, or that a start finds in what it says of users.
    pub postings: usize,
    /// Events that popularity keeps raw.
    pub recent_events: usize,
    /// What became of the records so far.
    pub counters: Counters,
    /// The greatest event time less the allowed out-of-orderness; none before the first event.
    pub watermark: Option<Timestamp>,
}

/// A snapshot, decoded whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// What it says of itself.
    pub header: Header,
    /// How its sections lie in it.
    pub sections: Vec<SectionFrame>,
    /// What is in it; none if it was made under a stream config that does not fit.
    pub contents: Option<Contents>,
}

/// Why a snapshot is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// Its bytes can't be read.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// It lies under a wrong name, so that recovery would take it for another one.
    #[error("it is not what its name says: it is partition {} of `{}` up to offset {}", header.partition, header.topic, header.next_offset)]
    Misnamed {
        /// What it says of itself.
        header: Header,
    },
}

impl SnapshotReader {
    /// A folder or a bucket. A folder that is not there holds no snapshots; it is not made.
    ///
    /// # Errors
    /// It can't be used.
    pub fn open(location: &Location, s3: &S3Settings) -> Result<Self, SnapshotError> {
        if let Location::Folder(dir) = location {
            let folder = |source| SnapshotError::Folder { path: dir.display().to_string(), source };
            if !dir.try_exists().map_err(folder)? {
                return Ok(Self { objects: None, location: location.clone() });
            }
        }
        Ok(Self { objects: Some(location::open(location, s3)?), location: location.clone() })
    }

    fn failed(&self, error: object_store::Error) -> SnapshotError {
        location::failure(&self.location, error)
    }

    /// The names of all snapshots, in order: by topic, config, partition and offset.
    ///
    /// # Errors
    /// The location can't be read.
    pub async fn names(&self) -> Result<Vec<String>, SnapshotError> {
        let Some(objects) = &self.objects else { return Ok(Vec::new()) };
        let mut names = Vec::new();
        let mut listing = objects.list(None);
        while let Some(object) = listing.next().await {
            let name = object.map_err(|error| self.failed(error))?.location.to_string();
            names.extend(parse_name(&name).is_some().then_some(name));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The snapshot of that name; none if it was removed meanwhile.
    ///
    /// # Errors
    /// The location can't be read.
    pub async fn read(&self, name: &str) -> Result<Option<Object>, SnapshotError> {
        let Some(objects) = &self.objects else { return Ok(None) };
        match objects.get(&Path::from(name)).await {
            Ok(object) => {
                let bytes = object.bytes().await.map_err(|error| self.failed(error))?;
                Ok(Some(Object { name: name.to_owned(), bytes: bytes.to_vec() }))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }
}

impl Object {
    /// What it says of itself, after a check that no byte has changed. Does not look into it.
    ///
    /// # Errors
    /// It is damaged, or has a wrong name.
    pub fn header(&self) -> Result<Header, Damage> {
        self.named_as(format::decode_header(&self.bytes)?)
    }

    /// Decodes it whole. Its contents can be told if it was made under this config.
    ///
    /// # Errors
    /// It is damaged, or has a wrong name.
    pub fn inspect(&self, config: &Arc<StreamConfig>) -> Result<Inspected, Damage> {
        let (header, sections) = format::frames(&self.bytes)?;
        let header = self.named_as(header)?;
        let mut contents = None;
        if config.differs_from(&header.stream).is_none() {
            // All that is in it, and not what would be left within the limits.
            let config = StreamConfig { limits: StateLimits::NONE, ..StreamConfig::clone(config) };
            contents = Some(count(&format::decode(&self.bytes, Arc::new(config))?.state));
        }
        Ok(Inspected { header, sections, contents })
    }

    fn named_as(&self, header: Header) -> Result<Header, Damage> {
        let (topic, fingerprint) = (header.topic.clone(), header.fingerprint());
        let Header { partition, next_offset, .. } = header;
        // A file that was copied elsewhere may be called anything.
        let right = parse_name(&self.name)
            .is_none_or(|named| named == SnapshotName { topic, fingerprint, partition, next_offset });
        if right { Ok(header) } else { Err(Damage::Misnamed { header }) }
    }
}

/// What a snapshot's name says; none if it is not one.
pub fn parse_name(name: &str) -> Option<SnapshotName> {
    let mut parts = name.split('/');
    let named = SnapshotName {
        topic: parts.next()?.to_owned(),
        fingerprint: u64::from_str_radix(parts.next()?, 16).ok()?,
        partition: parts.next()?.strip_prefix("p=")?.parse().ok().map(Partition)?,
        next_offset: parts.next()?.strip_prefix("o=")?.strip_suffix(".snap")?.parse().ok().map(Offset)?,
    };
    parts.next().is_none().then_some(named)
}

fn count(state: &PartitionState) -> Contents {
    Contents {
        users: state.users_len(),
        items: state.items().len(),
        categories: state.categories().len(),
        acted_items: state.acted_items_len(),
        event_ids: state.event_ids_len(),
        postings: state.postings_len(),
        recent_events: state.popularity().recent_len(),
        counters: state.counters(),
        watermark: state.watermark(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(partition: Partition, config: &StreamConfig) -> Vec<u8> {
        let state = PartitionState::new(Arc::new(config.clone()));
        let header = Header {
            topic: "clicks".to_owned(),
            partition,
            partitions: 4,
            next_offset: Offset(7),
            written_at: 1_700_000_000_000,
            stream: config.facts_text(),
        };
        format::encode(&header, &state.to_sections()).expect("it can be packed").concat()
    }

    fn name(partition: u32, config: &StreamConfig) -> String {
        format!("clicks/{:016x}/p={partition:05}/o={:020}.snap", config.fingerprint(), 7)
    }

    #[test]
    fn a_name_says_what_it_is_and_nothing_else_is_a_name() {
        let named = SnapshotName {
            topic: "clicks".into(),
            fingerprint: 0xab,
            partition: Partition(3),
            next_offset: Offset(12),
        };
        assert_eq!(parse_name("clicks/00000000000000ab/p=00003/o=00000000000000000012.snap"), Some(named));
        for wrong in
            ["clicks/read.json", "o=00000000000000000012.snap", "a/x/p=1/o=2.snap", "t/a/p=1/o=2.snap/x"]
        {
            assert_eq!(parse_name(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_whole_one_tells_its_contents_only_under_its_own_config() {
        let own = Arc::new(StreamConfig::default());
        let other =
            Arc::new(StreamConfig { max_clock_skew: own.max_clock_skew + 1, ..StreamConfig::default() });
        let object = Object { name: name(0, &own), bytes: snapshot(Partition(0), &own) };
        let inspected = object.inspect(&own).expect("it is whole");
        assert_eq!(inspected.contents.map(|contents| contents.users), Some(0));
        assert_eq!(inspected.sections.len(), 12);
        let stored: u64 = inspected.sections.iter().map(|section| section.stored).sum();
        assert!(stored < object.bytes.len() as u64);
        assert_eq!(object.inspect(&other).expect("it is whole").contents, None);
    }

    #[test]
    fn one_under_the_name_of_another_is_told() {
        let config = Arc::new(StreamConfig::default());
        let object = Object { name: name(1, &config), bytes: snapshot(Partition(0), &config) };
        assert!(matches!(object.header(), Err(Damage::Misnamed { .. })));
        assert!(matches!(object.inspect(&config), Err(Damage::Misnamed { .. })));
        let copied = Object { name: "copy.snap".to_owned(), ..object };
        assert_eq!(copied.header().expect("it may be called anything").partition, Partition(0));
    }
}
