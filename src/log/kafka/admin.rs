//! What is asked of the brokers outside of reading and writing: topics, partitions, offsets held.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset as KafkaOffset, TopicPartitionListElem};
use rdkafka::types::RDKafkaRespErr;

use crate::log::kafka::context::{Context, KafkaConsumer};
use crate::log::kafka::numbers;
use crate::log::kafka::settings;
use crate::log::kafka::settings::KafkaSettings;
use crate::log::{Bounds, LogError, Offset, Partition, Positions, Topic};
use crate::telemetry::LogTrouble;

/// How long a question to the brokers may take.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// How long a question may take whose answer nothing hangs on.
const ASIDE: Duration = Duration::from_secs(2);

/// The configuration of a topic that says who sets the time of its records, and what it may be.
const TIME_TYPE: &str = "message.timestamp.type";
const BROKERS_TIME: &str = "LogAppendTime";
const CREATE_TIME: &str = "CreateTime";

/// How long to wait before a question is asked again.
const AGAIN: Duration = Duration::from_millis(50);

/// Asks until there is an answer, or `TIMEOUT` is over. What a question meets while a broker starts or
/// a leader moves passes by itself, but librdkafka leaves asking again to us.
fn persistently<T>(mut ask: impl FnMut(Duration) -> Result<T, LogError>) -> Result<T, LogError> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match ask(left.max(AGAIN)) {
            Err(LogError::Unavailable(_)) if Instant::now() + AGAIN < deadline => thread::sleep(AGAIN),
            answer => return answer,
        }
    }
}

/// How many partitions a topic has; none if it does not exist.
pub fn partitions(
    consumer: &KafkaConsumer,
    settings: &KafkaSettings,
    topic: &str,
) -> Result<Option<u32>, LogError> {
    persistently(|timeout| {
        let metadata = consumer.fetch_metadata(Some(topic), timeout).map_err(|error| {
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
    })
}

/// What a partition holds. Not from `fetch_watermarks`: where the first of its two questions fails and
/// the second does not, librdkafka (2.12.1) gives the end for the beginning.
pub fn bounds(consumer: &KafkaConsumer, topic: &str, partition: Partition) -> Result<Bounds, LogError> {
    let offset = |which| persistently(|timeout| end(consumer, topic, partition, which, timeout));
    Ok(Bounds { low: offset(KafkaOffset::Beginning)?, high: offset(KafkaOffset::End)? })
}

/// The offset of the first record of a partition that was written at an instant or later, or its end.
pub fn written_since(
    consumer: &KafkaConsumer,
    topic: &str,
    partition: Partition,
    instant: i64,
) -> Result<Offset, LogError> {
    persistently(|timeout| {
        match offset(consumer, topic, partition, KafkaOffset::Offset(instant.max(0)), timeout)? {
            Some(offset) => Ok(offset),
            None => end(consumer, topic, partition, KafkaOffset::End, timeout),
        }
    })
}

/// Where what was written to these partitions ends, if the consumer is one that reads what is not committed.
pub fn ends(consumer: &KafkaConsumer, topic: &str, partitions: &[Partition]) -> Result<Positions, LogError> {
    let what = format!("the ends of `{topic}`");
    let mut asked = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        asked
            .add_partition_offset(topic, numbers::to_kafka(*partition)?, KafkaOffset::End)
            .map_err(|error| classify(error, &what))?;
    }
    let answer = persistently(|timeout| {
        consumer.offsets_for_times(asked.clone(), timeout).map_err(|error| classify(error, &what))
    })?;
    let end = |element: TopicPartitionListElem<'_>| match element.offset() {
        KafkaOffset::Offset(offset) => {
            Some((numbers::partition(element.partition())?, numbers::offset(offset)?))
        }
        _ => None,
    };
    Ok(answer.elements().into_iter().filter_map(end).collect())
}

/// The offset of one end of a partition.
fn end(
    consumer: &KafkaConsumer,
    topic: &str,
    partition: Partition,
    end: KafkaOffset,
    timeout: Duration,
) -> Result<Offset, LogError> {
    offset(consumer, topic, partition, end, timeout)?.ok_or_else(|| {
        LogError::Unavailable(format!("partition {partition} of `{topic}`: no offset came for its ends"))
    })
}

/// The offset of the first record of a partition at a time or later. None: no record is so late.
fn offset(
    consumer: &KafkaConsumer,
    topic: &str,
    partition: Partition,
    time: KafkaOffset,
    timeout: Duration,
) -> Result<Option<Offset>, LogError> {
    let what = format!("partition {partition} of `{topic}`");
    let mut list = TopicPartitionList::new();
    let number = numbers::to_kafka(partition)?;
    let answer = list
        .add_partition_offset(topic, number, time)
        // Both ends stand for times here: before and after every other.
        .and_then(|()| consumer.offsets_for_times(list, timeout))
        .map_err(|error| classify(error, &what))?;
    match answer.find_partition(topic, number).map(|element| element.offset()) {
        Some(KafkaOffset::Offset(offset)) => Ok(Some(numbers::offset(offset).unwrap_or_default())),
        Some(KafkaOffset::End) => Ok(None),
        other => Err(LogError::Unavailable(format!("{what}: no offset came, but {other:?}"))),
    }
}

/// Makes sure that a topic exists, and tells how many partitions it has.
pub fn prepare_topic(
    consumer: &KafkaConsumer,
    settings: &KafkaSettings,
    topic: Topic,
    trouble: &Arc<LogTrouble>,
) -> Result<u32, LogError> {
    let name = settings.name(topic);
    match partitions(consumer, settings, name)? {
        Some(found) => {
            if topic == Topic::Clicks {
                tell_whose_time(settings, name, trouble);
            }
            Ok(found)
        }
        None if settings.create_topics => {
            create(settings, topic, trouble)?;
            appear(consumer, settings, name)
        }
        None => Err(no_topic(settings, topic)),
    }
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

/// What a topic is created with, besides what the brokers set.
fn topic_config(topic: Topic) -> Vec<(&'static str, String)> {
    let row = topic.row();
    let compacted = row.compacted.then(|| ("cleanup.policy", "compact".to_owned()));
    let max_bytes = row.max_bytes.map(|bytes| ("max.message.bytes", bytes.to_string()));
    // By default the time of a record is what its producer's clock says.
    let time = (TIME_TYPE, BROKERS_TIME.to_owned());
    compacted.into_iter().chain(max_bytes).chain([time]).collect()
}

/// Tells if the time of a topic's records is what their producers say. Whoever may write may not always ask: then
/// nothing is known of it.
fn tell_whose_time(settings: &KafkaSettings, name: &str, trouble: &Arc<LogTrouble>) {
    match time_type(settings, name, trouble) {
        Ok(Some(kind)) if kind == CREATE_TIME => tracing::warn!(
            topic = name,
            "the time of events is what the clocks of their producers say ({TIME_TYPE}={CREATE_TIME}), and one that is \
             wrong moves everybody's windows by as much as the brokers and `stream.max_clock_skew` allow. To have the \
             brokers set it: kafka-configs.sh --bootstrap-server {} --alter --entity-type topics --entity-name {name} \
             --add-config {TIME_TYPE}={BROKERS_TIME}",
            settings.brokers
        ),
        Ok(_) => {}
        Err(error) => tracing::debug!(topic = name, %error, "whose time its records have is not known"),
    }
}

/// Who sets the time of a topic's records, if it is told.
fn time_type(
    settings: &KafkaSettings,
    name: &str,
    trouble: &Arc<LogTrouble>,
) -> Result<Option<String>, LogError> {
    let what = format!("the configuration of topic `{name}`");
    let admin: AdminClient<Context> = settings::admin(settings)?
        .create_with_context(Context { trouble: Arc::clone(trouble) })
        .map_err(|error| classify(error, &what))?;
    let options = AdminOptions::new().request_timeout(Some(ASIDE));
    let asked = [ResourceSpecifier::Topic(name)];
    let told = pollster::block_on(admin.describe_configs(&asked, &options));
    let mut told = told.map_err(|error| classify(error, &what))?;
    let topic = told.pop().transpose().map_err(|code| classify(KafkaError::AdminOp(code), &what))?;
    Ok(topic.and_then(|topic| topic.get(TIME_TYPE)?.value.clone()))
}

fn create(settings: &KafkaSettings, topic: Topic, trouble: &Arc<LogTrouble>) -> Result<(), LogError> {
    let name = settings.name(topic);
    let what = format!("creating topic `{name}`");
    let admin: AdminClient<Context> = settings::admin(settings)?
        .create_with_context(Context { trouble: Arc::clone(trouble) })
        .map_err(|error| classify(error, &what))?;
    let partitions = i32::try_from(settings.partitions).unwrap_or(i32::MAX);
    // -1: the brokers' `default.replication.factor`.
    let mut new = NewTopic::new(name, partitions, TopicReplication::Fixed(-1));
    let config = topic_config(topic);
    for (key, value) in &config {
        new = new.set(key, value);
    }
    let options = AdminOptions::new().operation_timeout(Some(TIMEOUT)).request_timeout(Some(TIMEOUT));
    // Inside of a runtime or not: the client answers from a thread of its own.
    let results =
        pollster::block_on(admin.create_topics(&[new], &options)).map_err(|error| classify(error, &what))?;
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
    let count = persistently(|_| {
        partitions(consumer, settings, topic)?
            .ok_or_else(|| LogError::Unavailable(format!("topic `{topic}` was created, but is not there")))
    })?;
    for partition in Partition::all(count) {
        bounds(consumer, topic, partition)?;
    }
    Ok(count)
}

/// What an error of librdkafka means to us. Almost all pass by themselves: the client goes on
/// trying, so the few that do not are named.
pub fn classify(error: KafkaError, what: &str) -> LogError {
    use RDKafkaErrorCode as Code;
    let message = match &error {
        // Its own text tells the value, which may be a password under a name that is spelt wrong.
        KafkaError::ClientConfig(_, why, property, _) => format!("{what}: `{property}` is refused: {why}"),
        error => format!("{what}: {error}"),
    };
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
