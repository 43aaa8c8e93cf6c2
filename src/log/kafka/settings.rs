//! How to reach Kafka, and how our clients are set up: defaults made for freshness and bounded
//! memory, over them whatever the user sets, and under both the few settings that correctness needs.

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::ClientConfig;

use crate::log::{LogError, Topic};

/// Which partitions of `clicks` a process takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Assignment {
    /// All of them: every process answers for everybody.
    #[default]
    All,
    /// Those that the consumer group gives it.
    Group,
}

/// Where Kafka is and which topics to use.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaSettings {
    /// `host:port` of some brokers, separated by commas.
    pub brokers: String,
    /// The topic of [`Topic::Clicks`].
    pub clicks_topic: String,
    /// The topic of [`Topic::Items`].
    pub items_topic: String,
    /// The topic of [`Topic::DeadLetters`].
    pub dead_letters_topic: String,
    /// Whether topics that are not there are created.
    pub create_topics: bool,
    /// How many partitions a topic gets that is created.
    pub partitions: u32,
    /// Which partitions of `clicks` this process takes.
    pub assignment: Assignment,
    /// Any property of librdkafka. They replace our defaults, but not what is in [`FIXED`].
    pub properties: BTreeMap<String, String>,
}

impl fmt::Debug for KafkaSettings {
    /// Leaves out the values of properties: some are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSettings")
            .field("brokers", &self.brokers)
            .field("clicks_topic", &self.clicks_topic)
            .field("items_topic", &self.items_topic)
            .field("dead_letters_topic", &self.dead_letters_topic)
            .field("properties", &self.properties.keys())
            .finish_non_exhaustive()
    }
}

impl Default for KafkaSettings {
    fn default() -> Self {
        Self {
            brokers: String::new(),
            clicks_topic: "clicks".into(),
            items_topic: "items".into(),
            dead_letters_topic: "clicks.dlq".into(),
            create_topics: true,
            partitions: 8,
            assignment: Assignment::All,
            properties: BTreeMap::new(),
        }
    }
}

impl KafkaSettings {
    /// The name of a topic.
    pub fn name(&self, topic: Topic) -> &str {
        match topic {
            Topic::Clicks => &self.clicks_topic,
            Topic::Items => &self.items_topic,
            Topic::DeadLetters => &self.dead_letters_topic,
        }
    }
}

/// Properties that the contract of a log rests on: name, value, and why no other value is taken.
/// An empty value means that another setting holds it.
pub const FIXED: &[(&str, &str, &str)] = &[
    ("bootstrap.servers", "", "`kafka.brokers` sets it"),
    ("enable.auto.commit", "false", "positions belong to snapshots; committed offsets only tell the lag"),
    (
        "enable.auto.offset.store",
        "false",
        "positions belong to snapshots; committed offsets only tell the lag",
    ),
    ("auto.offset.reset", "error", "records that are gone must be reported, never skipped"),
    ("enable.partition.eof", "true", "a position must move over transaction markers at a partition's end"),
    ("partitioner", "murmur2_random", "a user's events must land where the Java client puts them"),
    ("acks", "all", "an append is acknowledged only when it is durable"),
];

/// Other names that librdkafka takes for the properties that we set.
const ALIASES: &[(&str, &str)] = &[
    ("metadata.broker.list", "bootstrap.servers"),
    ("request.required.acks", "acks"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("delivery.timeout.ms", "message.timeout.ms"),
    ("max.partition.fetch.bytes", "fetch.message.max.bytes"),
    ("compression.type", "compression.codec"),
];

const COMMON: &[(&str, &str)] = &[
    ("client.id", "headwater"),
    ("socket.keepalive.enable", "true"),
    ("topic.metadata.refresh.interval.ms", "60000"),
    // A broker that comes back is found within a second.
    ("reconnect.backoff.max.ms", "1000"),
];

const CONSUMER: &[(&str, &str)] = &[
    ("group.id", "headwater"),
    ("fetch.min.bytes", "1"),
    ("fetch.wait.max.ms", "50"),
    ("queued.min.messages", "20000"),
    ("queued.max.messages.kbytes", "32768"),
    // The default of a second shows as a hiccup whenever the queue has been full.
    ("fetch.queue.backoff.ms", "20"),
    ("check.crcs", "true"),
];

/// What a member of a group of the classic protocol adds.
const MEMBER: &[(&str, &str)] = &[
    // What moves is only what must, and the rest goes on meanwhile.
    ("partition.assignment.strategy", "cooperative-sticky"),
    // A process that died is replaced after so long.
    ("session.timeout.ms", "10000"),
    ("heartbeat.interval.ms", "1000"),
];

const PRODUCER: &[(&str, &str)] = &[
    ("enable.idempotence", "true"),
    // Batches still form, while earlier ones are on their way.
    ("linger.ms", "0"),
    ("compression.codec", "zstd"),
    ("message.timeout.ms", "30000"),
    ("queue.buffering.max.messages", "100000"),
    ("queue.buffering.max.kbytes", "131072"),
    // The broker's limit of the topic decides, not ours: a dead letter is larger than its record.
    ("message.max.bytes", "33554432"),
];

/// The configuration of a consumer.
///
/// # Errors
/// A property is one of [`FIXED`] and set to something else.
pub fn consumer(settings: &KafkaSettings) -> Result<ClientConfig, LogError> {
    let ours =
        ["enable.auto.commit", "enable.auto.offset.store", "auto.offset.reset", "enable.partition.eof"];
    config(settings, CONSUMER, &ours)
}

/// The configuration of a consumer that sees what no transaction has committed yet.
///
/// # Errors
/// A property is one of [`FIXED`] and set to something else.
pub fn uncommitted(settings: &KafkaSettings) -> Result<ClientConfig, LogError> {
    let mut config = consumer(settings)?;
    config.set("isolation.level", "read_uncommitted");
    Ok(config)
}

/// The configuration of a group's member, whose client id says where it answers.
///
/// # Errors
/// A property is one of [`FIXED`] and set to something else.
pub fn member(settings: &KafkaSettings, address: &str) -> Result<ClientConfig, LogError> {
    let mut config = consumer(settings)?;
    if config.get("group.protocol").is_none_or(|protocol| protocol == "classic") {
        for (name, value) in MEMBER.iter().filter(|(name, _)| !is_given(settings, name)) {
            config.set(*name, *value);
        }
    }
    let client = config.get("client.id").unwrap_or_default().to_owned();
    config.set("client.id", format!("{client}@{address}"));
    Ok(config)
}

fn is_given(settings: &KafkaSettings, name: &str) -> bool {
    settings.properties.keys().any(|given| canonical(given) == name)
}

/// The configuration of a producer.
///
/// # Errors
/// A property is one of [`FIXED`] and set to something else.
pub fn producer(settings: &KafkaSettings) -> Result<ClientConfig, LogError> {
    config(settings, PRODUCER, &["partitioner", "acks"])
}

/// The configuration of a client that asks and creates.
///
/// # Errors
/// A property is one of [`FIXED`] and set to something else.
pub fn admin(settings: &KafkaSettings) -> Result<ClientConfig, LogError> {
    config(settings, &[], &[])
}

/// The value that a property must have, and why, if it is set to another one.
pub fn fixed(given: &str, value: &str) -> Option<(&'static str, &'static str)> {
    let (_, needed, why) = FIXED.iter().find(|(name, ..)| *name == canonical(given))?;
    (value != *needed || needed.is_empty()).then_some((*needed, *why))
}

/// The name that librdkafka itself uses.
fn canonical(given: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == given).map_or(given, |(_, name)| *name)
}

fn config(
    settings: &KafkaSettings,
    defaults: &[(&str, &str)],
    ours: &[&str],
) -> Result<ClientConfig, LogError> {
    let mut config = ClientConfig::new();
    for (name, value) in COMMON.iter().chain(defaults) {
        config.set(*name, *value);
    }
    for (given, value) in &settings.properties {
        if let Some((needed, why)) = fixed(given, value) {
            let instead = match needed {
                "" => "take it out".to_owned(),
                needed => format!("take it out or set it to `{needed}`"),
            };
            return Err(LogError::Fatal(format!(
                "kafka.properties: `{given}` is `{value}`, but {why}: {instead}"
            )));
        }
        let name = canonical(given);
        if !FIXED.iter().any(|(fixed, ..)| *fixed == name) {
            config.set(name, value);
        }
    }
    for (name, value, _) in FIXED.iter().filter(|(name, ..)| ours.contains(name)) {
        config.set(*name, *value);
    }
    config.set("bootstrap.servers", &settings.brokers);
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(properties: &[(&str, &str)]) -> KafkaSettings {
        KafkaSettings {
            brokers: "127.0.0.1:9092".to_owned(),
            clicks_topic: "clicks".to_owned(),
            items_topic: "items".to_owned(),
            dead_letters_topic: "clicks.dlq".to_owned(),
            create_topics: false,
            partitions: 1,
            assignment: Assignment::Group,
            properties: properties.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        }
    }

    #[test]
    fn the_users_properties_replace_the_defaults_under_either_name() {
        let settings = settings(&[
            ("delivery.timeout.ms", "7000"),
            ("linger.ms", "50"),
            ("group.id", "mine"),
            ("security.protocol", "SSL"),
        ]);
        let producer = producer(&settings).expect("valid");
        assert_eq!(producer.get("message.timeout.ms"), Some("7000"));
        assert_eq!(producer.get("delivery.timeout.ms"), None);
        assert_eq!(producer.get("linger.ms"), Some("50"));
        let consumer = consumer(&settings).expect("valid");
        assert_eq!(consumer.get("group.id"), Some("mine"));
        assert_eq!(consumer.get("security.protocol"), Some("SSL"));
        assert_eq!(consumer.get("auto.offset.reset"), Some("error"));
    }

    #[test]
    fn what_correctness_needs_can_be_repeated_but_not_changed() {
        for (name, value, _) in FIXED {
            let changed = settings(&[(name, "something")]);
            let error = consumer(&changed).expect_err(name).to_string();
            assert!(error.contains(name) && error.contains("take it out"), "{error}");
            assert!(producer(&changed).is_err(), "{name}");
            if !value.is_empty() {
                assert!(consumer(&settings(&[(name, value)])).is_ok(), "{name}");
            }
        }
        let error = producer(&settings(&[("request.required.acks", "1")])).expect_err("acks").to_string();
        assert_eq!(
            error,
            "kafka.properties: `request.required.acks` is `1`, but an append is acknowledged only when it \
             is durable: take it out or set it to `all`"
        );
    }

    #[test]
    fn our_own_properties_are_known_to_librdkafka() {
        let settings = settings(&[("max.poll.interval.ms", "400000"), ("batch.size", "1000")]);
        consumer(&settings)
            .and_then(|c| c.create_native_config().map_err(|e| LogError::Fatal(e.to_string())))
            .expect("consumer");
        member(&settings, "127.0.0.1:7400")
            .and_then(|c| c.create_native_config().map_err(|e| LogError::Fatal(e.to_string())))
            .expect("member");
        producer(&settings)
            .and_then(|c| c.create_native_config().map_err(|e| LogError::Fatal(e.to_string())))
            .expect("producer");
    }

    #[test]
    fn a_member_says_where_it_answers_and_takes_what_the_user_sets() {
        let given = [("client.id", "shop"), ("session.timeout.ms", "6000")];
        let config = member(&settings(&given), "10.0.0.7:7400").expect("valid");
        assert_eq!(config.get("client.id"), Some("shop@10.0.0.7:7400"));
        assert_eq!(config.get("session.timeout.ms"), Some("6000"));
        assert_eq!(config.get("partition.assignment.strategy"), Some("cooperative-sticky"));
        let config = member(&settings(&[("group.protocol", "consumer")]), "a:1").expect("valid");
        assert_eq!(config.get("session.timeout.ms"), None, "the brokers' business then");
        assert_eq!(config.get("partition.assignment.strategy"), None);
    }
}
