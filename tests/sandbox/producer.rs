//! A plain librdkafka producer, as someone else's program has one.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};

use super::kafka::Broker;

/// How long anything may take that brokers have to do.
const PATIENCE: Duration = Duration::from_secs(120);

/// Sends records, each where its key belongs.
pub struct Producer(ThreadedProducer<DefaultProducerContext>);

impl Producer {
    /// One that partitions as the Java client does.
    pub fn new(broker: &Broker) -> Self {
        Self::with(broker, &[("partitioner", "murmur2_random")])
    }

    /// One with properties of its own.
    pub fn with(broker: &Broker, properties: &[(&str, &str)]) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &broker.address).set("enable.idempotence", "true");
        for (name, value) in properties {
            config.set(*name, *value);
        }
        Self(config.create().expect("a producer"))
    }

    /// Queues a record.
    pub fn send(&self, topic: &str, key: &str, value: &str) {
        self.queue(BaseRecord::to(topic).key(key.as_bytes()).payload(value.as_bytes()));
    }

    /// Queues a record of any bytes with headers; without a value it is a tombstone.
    pub fn send_raw(&self, topic: &str, key: &[u8], value: Option<&[u8]>, headers: &[(&str, &[u8])]) {
        let mut record = BaseRecord::to(topic).key(key);
        if let Some(value) = value {
            record = record.payload(value);
        }
        self.queue(record.headers(owned(headers)));
    }

    /// Queues a record with headers for one partition.
    pub fn send_raw_to(
        &self,
        topic: &str,
        partition: i32,
        key: &[u8],
        value: &[u8],
        headers: &[(&str, &[u8])],
    ) {
        self.queue(
            BaseRecord::to(topic).partition(partition).key(key).payload(value).headers(owned(headers)),
        );
    }

    /// Queues a record that says when it was made.
    pub fn send_at(&self, topic: &str, key: &str, value: &str, ts: i64) {
        self.queue(BaseRecord::to(topic).key(key.as_bytes()).payload(value.as_bytes()).timestamp(ts));
    }

    /// Queues a record for one partition, wherever its key belongs.
    pub fn send_to(&self, topic: &str, partition: i32, key: &str, value: &str) {
        self.queue(BaseRecord::to(topic).partition(partition).key(key.as_bytes()).payload(value.as_bytes()));
    }

    /// Waits until everything is delivered.
    pub fn flush(&self) {
        self.0.flush(PATIENCE).expect("everything is delivered");
    }

    fn queue(&self, mut record: BaseRecord<'_, [u8], [u8]>) {
        loop {
            match self.0.send(record) {
                Ok(()) => return,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    self.0.poll(Duration::from_millis(10));
                }
                Err((error, _)) => panic!("{error}"),
            }
        }
    }
}

fn owned(headers: &[(&str, &[u8])]) -> OwnedHeaders {
    let all = OwnedHeaders::new_with_capacity(headers.len());
    let add =
        |all: OwnedHeaders, (key, value): &(&str, &[u8])| all.insert(Header { key, value: Some(*value) });
    headers.iter().fold(all, add)
}

/// Sends records in transactions, for as long as it likes.
pub struct Transactional(BaseProducer);

impl Transactional {
    /// One that has begun a transaction.
    pub fn begin(broker: &Broker, id: &str) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &broker.address).set("transactional.id", id);
        let producer: BaseProducer = config.create().expect("a producer");
        producer.init_transactions(PATIENCE).expect("transactions");
        producer.begin_transaction().expect("begun");
        Self(producer)
    }

    /// Sends a record to a partition and waits until it is there. Nobody may read it yet.
    pub fn send_to(&self, topic: &str, partition: i32, key: &str, value: &str) {
        let record = BaseRecord::to(topic).partition(partition).key(key.as_bytes()).payload(value.as_bytes());
        self.0.send(record).map_err(|(error, _)| error).expect("queued");
        self.0.flush(PATIENCE).expect("delivered");
    }
}
