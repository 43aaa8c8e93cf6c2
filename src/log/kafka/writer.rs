//! Appends to topics with one producer. What is in flight is bounded by permits, which are handed
//! back when the brokers have answered; an append that finds none waits.
//!
//! The permits are there because librdkafka's own queue refuses what it has no room for, and would leave it to
//! us to ask again and again. One producer for all, idempotent: its retries neither double nor reorder
//! records, so those of one call to one partition keep their order.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, NoCustomPartitioner, ProducerContext, ThreadedProducer};
use tokio::sync::{Semaphore, oneshot};

use crate::log::kafka::admin::classify;
use crate::log::kafka::context::{self, Aside};
use crate::log::kafka::numbers;
use crate::log::kafka::settings;
use crate::log::kafka::settings::KafkaSettings;
use crate::log::{LogError, NewRecord, Offset, Partition, partition_of};
use crate::telemetry::LogTrouble;

/// What a record costs in librdkafka's queue besides its bytes.
const RECORD_OVERHEAD: usize = 128;

/// Where records of a call went, or what went wrong.
type Outcome = Result<Vec<(Partition, Offset)>, LogError>;

pub struct KafkaWriter {
    producer: Aside<ThreadedProducer<Deliveries>>,
    queue: Arc<Queue>,
}

/// What may be in flight.
struct Queue {
    permits: Arc<Semaphore>,
    /// All permits that there are: bytes.
    all: usize,
    /// The least that a record takes, which bounds their number.
    least: usize,
}

impl KafkaWriter {
    pub fn open(settings: &KafkaSettings, trouble: &Arc<LogTrouble>) -> Result<Self, LogError> {
        let config = settings::producer(settings)?;
        let native = config.create_native_config().map_err(|error| classify(error, "kafka.properties"))?;
        let limit = |name: &str| native.get(name).ok().and_then(|value| value.parse::<usize>().ok());
        let kilobytes = limit("queue.buffering.max.kbytes").unwrap_or(131_072);
        let messages = limit("queue.buffering.max.messages").filter(|n| *n > 0).unwrap_or(100_000);
        // Half of it, because librdkafka gives room back a little after it has told us.
        let all = (kilobytes * 512).min(Semaphore::MAX_PERMITS).min(u32::MAX as usize).max(1);
        let least = (all / (messages / 2).max(1)).max(RECORD_OVERHEAD).min(all);
        let permits = Arc::new(Semaphore::new(all));
        let producer: ThreadedProducer<Deliveries> = config
            .create_with_context(Deliveries { permits: Arc::clone(&permits), trouble: Arc::clone(trouble) })
            .map_err(|error| classify(error, "writing to Kafka"))?;
        Ok(Self { producer: producer.into(), queue: Arc::new(Queue { permits, all, least }) })
    }

    /// Appends records and waits until the brokers have acknowledged every one.
    pub async fn append(&self, topic: &str, partitions: u32, records: Vec<NewRecord>) -> Outcome {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let (done, outcome) = oneshot::channel();
        let call = Arc::new(Call::new(records.len(), done));
        for (place, record) in records.into_iter().enumerate() {
            let cost = self.queue.cost(&record);
            let Ok(permit) = self.queue.permits.acquire_many(cost).await else {
                call.fail(LogError::Fatal("the writer is closed".to_owned()));
                break;
            };
            // The delivery hands them back.
            permit.forget();
            if let Err(error) =
                self.send(topic, partitions, &record, Slot { call: Arc::clone(&call), place, cost })
            {
                self.queue.permits.add_permits(cost as usize);
                call.fail(error);
                break;
            }
        }
        call.settle(None);
        drop(call);
        outcome
            .await
            .unwrap_or_else(|_| Err(LogError::Unavailable(format!("writing to `{topic}` was given up"))))
    }

    /// Queues a record. Its answer settles the call once, or this does where it fails.
    fn send(&self, topic: &str, partitions: u32, record: &NewRecord, slot: Slot) -> Result<(), LogError> {
        // Not left to librdkafka: its partitioner agrees with ours only for keys that are not empty.
        let what = format_args!("writing to `{topic}`");
        let partition = numbers::to_kafka(partition_of(&record.key, partitions))?;
        slot.call.sent();
        let mut new =
            BaseRecord::with_opaque_to(topic, Box::new(slot)).partition(partition).key(record.key.as_slice());
        if let Some(value) = &record.value {
            new = new.payload(value.as_slice());
        }
        if !record.headers.is_empty() {
            let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
            for (key, value) in &record.headers {
                if key.contains('\0') {
                    new.delivery_opaque.call.settle(None);
                    return Err(LogError::Refused(format!(
                        "{what}: the header name {key:?} holds a zero byte"
                    )));
                }
                headers = headers.insert(Header { key, value: value.as_deref() });
            }
            new = new.headers(headers);
        }
        self.producer.send(new).map_err(|(error, record)| {
            record.delivery_opaque.call.settle(None);
            classify(error, &what.to_string())
        })
    }
}

impl Queue {
    fn cost(&self, record: &NewRecord) -> u32 {
        let headers: usize =
            record.headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Vec::len)).sum();
        let bytes = record.key.len() + record.value.as_ref().map_or(0, Vec::len) + headers + RECORD_OVERHEAD;
        u32::try_from(bytes.max(self.least).min(self.all)).unwrap_or(u32::MAX)
    }
}

/// A call of `append` whose records are on their way.
struct Call(Mutex<Progress>);

struct Progress {
    places: Vec<(Partition, Offset)>,
    error: Option<LogError>,
    /// Records without an answer, and one for the call itself while it sends: the first answers may come
    /// before the last record is sent, and must not end the call.
    open: usize,
    done: Option<oneshot::Sender<Outcome>>,
}

impl Call {
    fn new(records: usize, done: oneshot::Sender<Outcome>) -> Self {
        Self(Mutex::new(Progress {
            places: vec![Default::default(); records],
            error: None,
            open: 1,
            done: Some(done),
        }))
    }

    fn with<T>(&self, change: impl FnOnce(&mut Progress) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn sent(&self) {
        self.with(|progress| progress.open += 1);
    }

    fn fail(&self, error: LogError) {
        self.with(|progress| _ = progress.error.get_or_insert(error));
    }

    /// One answer less to wait for; the last one ends the call.
    fn settle(&self, answer: Option<(usize, Partition, Offset)>) {
        self.with(|progress| {
            if let Some((place, partition, offset)) = answer
                && let Some(slot) = progress.places.get_mut(place)
            {
                *slot = (partition, offset);
            }
            progress.open = progress.open.saturating_sub(1);
            if progress.open == 0
                && let Some(done) = progress.done.take()
            {
                let places = std::mem::take(&mut progress.places);
                // Nobody may be waiting any more.
                let _ = done.send(progress.error.take().map_or(Ok(places), Err));
            }
        });
    }
}

/// A record's place in its call.
struct Slot {
    call: Arc<Call>,
    place: usize,
    cost: u32,
}

/// Takes the brokers' answers.
struct Deliveries {
    permits: Arc<Semaphore>,
    trouble: Arc<LogTrouble>,
}

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        context::tell(&self.trouble, &error, reason);
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        context::tell_line(&self.trouble, level, facility, line);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        context::tell_statistics(statistics);
    }
}

impl ProducerContext<NoCustomPartitioner> for Deliveries {
    type DeliveryOpaque = Box<Slot>;

    fn delivery(&self, result: &DeliveryResult<'_>, slot: Box<Slot>) {
        self.permits.add_permits(slot.cost as usize);
        match result {
            Ok(message) => {
                let partition = numbers::partition(message.partition()).unwrap_or_default();
                let offset = numbers::offset(message.offset()).unwrap_or_default();
                slot.call.settle(Some((slot.place, partition, offset)));
            }
            Err((error, message)) => {
                slot.call.fail(classify(error.clone(), &format!("writing to `{}`", message.topic())));
                slot.call.settle(None);
            }
        }
    }
}
