//! The log in Kafka.
//!
//! Readers and the writer have clients of their own; a third one here answers questions and tells
//! the brokers what is covered by snapshots.

mod admin;
mod context;
mod group;
mod numbers;
mod owners;
mod reader;
mod settings;
mod writer;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use tokio::sync::mpsc;

use crate::log::membership::Notice;
use crate::log::{
    Appended, Bounds, Log, LogError, LogReader, NewRecord, Offset, Partition, PerTopic, Positions, Topic,
};
use crate::telemetry::LogTrouble;
use context::{Context, KafkaConsumer};
use group::GroupMember;
use reader::KafkaReader;
use writer::KafkaWriter;

pub use settings::{Assignment, FIXED, KafkaSettings, fixed};

/// For how long opening waits for brokers that do not answer.
pub const PATIENCE: Duration = admin::TIMEOUT;
/// How long closing may take.
const CLOSE: Duration = Duration::from_secs(2);

/// Topics in Kafka as a log.
pub struct KafkaLog {
    settings: Arc<KafkaSettings>,
    consumer: KafkaConsumer,
    writer: Arc<KafkaWriter>,
    trouble: Arc<LogTrouble>,
    /// Asks how far what was written goes, whether it is committed or not. Made when that is asked first.
    uncommitted: OnceLock<KafkaConsumer>,
    /// How many partitions each topic had when last asked.
    counts: PerTopic<AtomicU32>,
    /// Set once this process has joined a group.
    member: OnceLock<GroupMember>,
}

impl KafkaLog {
    /// Connects, and makes sure that the topics are there. May take seconds.
    ///
    /// # Errors
    /// No broker answers, a topic is not there and may not be created, or a property is refused.
    pub fn open(settings: KafkaSettings) -> Result<Self, LogError> {
        Self::open_with(settings, Arc::default())
    }

    /// The same, with somebody who is told what the brokers don't do.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(settings: KafkaSettings, trouble: Arc<LogTrouble>) -> Result<Self, LogError> {
        let consumer: BaseConsumer<Context> = settings::consumer(&settings)?
            .create_with_context(Context { trouble: Arc::clone(&trouble) })
            .map_err(|error| admin::classify(error, "kafka.properties"))?;
        let consumer = KafkaConsumer::from(consumer);
        let writer = Arc::new(KafkaWriter::open(&settings, &trouble)?);
        let prepared =
            |topic| admin::prepare_topic(&consumer, &settings, topic, &trouble).map(AtomicU32::new);
        let counts = PerTopic::try_new(prepared)?;
        let settings = Arc::new(settings);
        let (uncommitted, member) = (OnceLock::new(), OnceLock::new());
        Ok(Self { settings, consumer, writer, trouble, uncommitted, counts, member })
    }

    /// The consumer that sees what is not committed.
    fn uncommitted(&self) -> Result<&KafkaConsumer, LogError> {
        if self.uncommitted.get().is_none() {
            let consumer: BaseConsumer<Context> = settings::uncommitted(&self.settings)?
                .create_with_context(Context { trouble: Arc::clone(&self.trouble) })
                .map_err(|error| admin::classify(error, "kafka.properties"))?;
            // If somebody else was faster, theirs is as good.
            let _ = self.uncommitted.set(consumer.into());
        }
        let missing = || LogError::Unavailable("the consumer of what is not committed is not there".into());
        self.uncommitted.get().ok_or_else(missing)
    }
}

impl Log for KafkaLog {
    fn name(&self, topic: Topic) -> &str {
        self.settings.name(topic)
    }

    fn partitions(&self, topic: Topic) -> Result<u32, LogError> {
        let found = admin::partitions(&self.consumer, &self.settings, self.name(topic))?
            .ok_or_else(|| admin::no_topic(&self.settings, topic))?;
        self.counts[topic].store(found, Ordering::Relaxed);
        Ok(found)
    }

    fn bounds(&self, topic: Topic, partition: Partition) -> Result<Bounds, LogError> {
        admin::bounds(&self.consumer, self.name(topic), partition)
    }

    fn written_since(
        &self,
        topic: Topic,
        partition: Partition,
        instant: i64,
    ) -> Result<Option<Offset>, LogError> {
        admin::written_since(&self.consumer, self.name(topic), partition, instant).map(Some)
    }

    fn written(&self, topic: Topic, partitions: &[Partition]) -> Result<Positions, LogError> {
        admin::ends(self.uncommitted()?, self.name(topic), partitions)
    }

    fn reader(&self, topic: Topic, from: &Positions) -> Result<Box<dyn LogReader>, LogError> {
        Ok(Box::new(KafkaReader::open(Arc::clone(&self.settings), topic, from, Arc::clone(&self.trouble))?))
    }

    fn append(&self, topic: Topic, records: Vec<NewRecord>) -> Appended {
        let writer = Arc::clone(&self.writer);
        let settings = Arc::clone(&self.settings);
        let partitions = self.counts[topic].load(Ordering::Relaxed);
        Box::pin(async move { writer.append(settings.name(topic), partitions, records).await })
    }

    fn committed(&self, topic: Topic, positions: &Positions) {
        // Fails only for what Kafka can't hold, and then there is nothing to tell.
        let Ok(list) = numbers::list(self.name(topic), positions) else { return };
        if list.count() == 0 {
            return;
        }
        // While a group has members, it takes commits from nobody else.
        let committed = match self.member.get() {
            Some(member) => member.commit(&list),
            None => self.consumer.commit(&list, CommitMode::Async),
        };
        if let Err(error) = committed {
            tracing::debug!(%error, "lag is not told to Kafka");
        }
        // Takes in the answers to earlier commits.
        while self.consumer.poll(Duration::ZERO).is_some() {}
    }

    fn dealt_with(&self, partition: Partition) -> Result<Option<Offset>, LogError> {
        let Some(member) = self.member.get() else { return Ok(None) };
        member.committed(self.name(Topic::Clicks), partition)
    }

    fn join(&self, address: &str, notices: mpsc::Sender<Notice>) -> Result<bool, LogError> {
        if self.settings.assignment == Assignment::All {
            return Ok(false);
        }
        let member = GroupMember::join(&self.settings, address, notices, &self.trouble)?;
        let again = |_| LogError::Fatal("the group was joined already".into());
        self.member.set(member).map_err(again)?;
        Ok(true)
    }

    fn leave(&self) {
        if let Some(member) = self.member.get() {
            member.leave();
        }
    }

    fn close(&self) {
        // What is covered is told to the brokers until the end, if they still listen.
        if !context::close(&self.consumer, CLOSE) {
            tracing::warn!("the brokers have not answered to the last commit");
        }
    }

    fn owner(&self, partition: Partition) -> Option<String> {
        self.member.get()?.owner(partition)
    }
}
