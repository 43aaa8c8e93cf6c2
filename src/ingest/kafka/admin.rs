//! What is asked of the brokers outside of reading and writing: topics, partitions, offsets held.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;

use super::super::{Bounds, LogError, Partition, Topic};
use super::context::KafkaConsumer;
use super::settings::{self, KafkaSettings};

/// How long a question to the brokers may take.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// How many partitions a topic has; none if it does not exist.
pub fn partitions(
    consumer: &KafkaConsumer,
    settings: &KafkaSettings,
    topic: &str,
) -> Result<Option<u32>, LogError> {
    let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT).map_err(|error| {
        LogError::Unavailable(format!("no answer from Kafka at {}: {error}", settings.brokers))
    })?;
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
        return Ok(None);
    };
    match found.error() {
        None => {}
        Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) => return Ok(None),
        Some(error) => {
            let code = RDKafkaErrorCode::from(error);
            return Err(classify(KafkaError::MetadataFetch(code), &format!("topic `{topic}`")));
        }
    }
    Ok(u32::try_from(found.partitions().len()).ok().filter(|partitions| *partitions > 0))
}

/// What a partition holds.
pub fn bounds(consumer: &KafkaConsumer, topic: &str, partition: Partition) -> Result<Bounds, LogError> {
    let (low, high) = consumer
        .fetch_watermarks(topic, i32::try_from(partition).unwrap_or(i32::MAX), TIMEOUT)
        .map_err(|error| classify(error, &format!("partition {partition} of `{topic}`")))?;
    Ok(Bounds { low: u64::try_from(low).unwrap_or(0), high: u64::try_from(high).unwrap_or(0) })
}

/// Makes sure that the topics exist, and tells how many partitions each has.
pub fn prepare_topics(consumer: &KafkaConsumer, settings: &KafkaSettings) -> Result<[u32; 3], LogError> {
    let mut counts = [0; 3];
    for (topic, count) in [Topic::Clicks, Topic::Items, Topic::DeadLetters].into_iter().zip(&mut counts) {
        let name = settings.name(topic);
        *count = match partitions(consumer, settings, name)? {
            Some(found) => found,
            None if settings.create_topics => {
                create(settings, topic)?;
                appear(consumer, settings, name)?
            }
            None => return Err(no_topic(settings, topic)),
        };
    }
    Ok(counts)
}

/// The error for a topic that is not there, with the line that makes it.
pub fn no_topic(settings: &KafkaSettings, topic: Topic) -> LogError {
    let name = settings.name(topic);
    let config: String =
        topic_config(topic).iter().map(|(key, value)| format!(" --config {key}={value}")).collect();
    LogError::NoTopic {
        topic: name.to_owned(),
        hint: format!(
            "; create it with `kafka-topics.sh --bootstrap-server {} --create --topic {name} --partitions {}{config}`, \
             or set `kafka.create_topics = true`",
            settings.brokers, settings.partitions
        ),
    }
}

fn topic_config(topic: Topic) -> &'static [(&'static str, &'static str)] {
    match topic {
        Topic::Clicks => &[],
        Topic::Items => &[("cleanup.policy", "compact")],
        // A dead letter is its record and more.
        Topic::DeadLetters => &[("max.message.bytes", "33554432")],
    }
}

fn create(settings: &KafkaSettings, topic: Topic) -> Result<(), LogError> {
    let name = settings.name(topic);
    let what = format!("creating topic `{name}`");
    let admin: AdminClient<DefaultClientContext> =
        settings::admin(settings)?.create().map_err(|error| classify(error, &what))?;
    let partitions = i32::try_from(settings.partitions).unwrap_or(i32::MAX);
    // -1: the brokers' `default.replication.factor`.
    let mut new = NewTopic::new(name, partitions, TopicReplication::Fixed(-1));
    for (key, value) in topic_config(topic) {
        new = new.set(key, value);
    }
    let options = AdminOptions::new().operation_timeout(Some(TIMEOUT)).request_timeout(Some(TIMEOUT));
    let results = block_on(admin.create_topics(&[new], &options)).map_err(|error| classify(error, &what))?;
    for result in results {
        match result {
            // Somebody else was faster.
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(classify(KafkaError::AdminOp(code), &what)),
        }
    }
    Ok(())
}

/// Waits until a topic that was created is known and has leaders.
fn appear(consumer: &KafkaConsumer, settings: &KafkaSettings, topic: &str) -> Result<u32, LogError> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let found = partitions(consumer, settings, topic);
        let held =
            |count: u32| (0..count).try_for_each(|partition| bounds(consumer, topic, partition).map(drop));
        match found {
            Ok(Some(count)) if held(count).is_ok() => return Ok(count),
            Err(error @ LogError::Fatal(_)) => return Err(error),
            _ if Instant::now() > deadline => {
                return Err(LogError::Unavailable(format!(
                    "topic `{topic}` was created, but has no leader after {} s",
                    TIMEOUT.as_secs()
                )));
            }
            _ => thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// What an error of librdkafka means to us. Almost all pass by themselves: the client goes on
/// trying, so the few that do not are named.
pub fn classify(error: KafkaError, what: &str) -> LogError {
    use RDKafkaErrorCode as Code;
    let message = format!("{what}: {error}");
    let code = match &error {
        KafkaError::AdminOp(code) => Some(*code),
        error => error.rdkafka_error_code(),
    };
    match (&error, code) {
        (
            KafkaError::MessageConsumptionFatal(_)
            | KafkaError::ClientConfig(..)
            | KafkaError::ClientCreation(_),
            _,
        ) => LogError::Fatal(message),
        (
            _,
            Some(
                Code::MessageSizeTooLarge
                | Code::InvalidMessageSize
                | Code::InvalidMessage
                | Code::InvalidRecord
                | Code::MessageBatchTooLarge,
            ),
        ) => LogError::Refused(message),
        (
            _,
            Some(
                Code::Fatal
                | Code::InvalidArgument
                | Code::UnsupportedFeature
                | Code::UnsupportedVersion
                | Code::InvalidReplicationFactor
                | Code::InvalidPartitions
                | Code::InvalidConfig
                | Code::InvalidTopic
                | Code::PolicyViolation,
            ),
        ) => LogError::Fatal(message),
        _ => LogError::Unavailable(message),
    }
}

/// Waits for a future on this thread, inside of a runtime or not.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
