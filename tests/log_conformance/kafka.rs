//! What only Kafka brings: other clients, transactions, topics that must be made, hostile records.

use std::collections::{BTreeMap, HashMap};
use std::ffi::CString;
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater::log::kafka::{KafkaLog, KafkaSettings};
use headwater::log::{Log, LogError, NewRecord, Offset, Partition, Topic};
use rdkafka::bindings::{
    rd_kafka_header_add, rd_kafka_headers_new, rd_kafka_message_t, rd_kafka_producev, rd_kafka_vtype_t,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientConfig, TopicPartitionList, topic_partition_list};

use super::sandbox::kafka::{Broker, unique};
use super::support::*;

/// Three topics of their own on the shared broker.
pub struct KafkaPlace {
    broker: &'static Broker,
    settings: KafkaSettings,
}

impl KafkaPlace {
    pub fn new() -> Self {
        let broker = Broker::shared();
        let settings = KafkaSettings {
            brokers: broker.address.clone(),
            clicks_topic: unique("clicks"),
            items_topic: unique("items"),
            dead_letters_topic: unique("dlq"),
            create_topics: true,
            partitions: PARTITIONS,
            ..KafkaSettings::default()
        };
        Self { broker, settings }
    }

    fn with(mut self, properties: &[(&str, &str)]) -> Self {
        let properties = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.settings.properties.extend(properties);
        self
    }

    fn client(&self, properties: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.settings.brokers);
        for (name, value) in properties {
            config.set(*name, *value);
        }
        config
    }
}

impl Location for KafkaPlace {
    fn open(&self) -> Arc<dyn Log> {
        Arc::new(KafkaLog::open(self.settings.clone()).expect("Kafka is there"))
    }
}

#[test]
fn topics_that_are_not_there_are_named_with_the_line_that_makes_them() {
    let mut place = KafkaPlace::new();
    place.settings.create_topics = false;
    let topic = place.settings.clicks_topic.clone();
    place.broker.create_topic(&topic, 1, &[]);
    let error = KafkaLog::open(place.settings.clone()).map(drop).expect_err("no items topic");
    let line = format!(
        "kafka-topics.sh --bootstrap-server {} --create --topic {} --partitions 4 --config cleanup.policy=compact",
        place.settings.brokers, place.settings.items_topic
    );
    assert!(matches!(&error, LogError::NoTopic { .. }), "{error:?}");
    assert!(error.to_string().contains(&line), "{error}");
}

#[test]
fn topics_are_made_with_what_they_are_for() {
    let place = KafkaPlace::new();
    let log = place.open();
    assert_eq!(log.partitions(Topic::Clicks).expect("partitions"), PARTITIONS);
    assert!(place.broker.describe_topic(&place.settings.items_topic).contains("cleanup.policy=compact"));
    assert!(!place.broker.describe_topic(&place.settings.clicks_topic).contains("cleanup.policy=compact"));
}

#[test]
fn no_broker_is_unavailable_and_names_the_address() {
    let mut place = KafkaPlace::new();
    place.settings.brokers = "127.0.0.1:1".to_owned();
    let error = KafkaLog::open(place.settings).map(drop).expect_err("nobody there");
    assert!(matches!(error, LogError::Unavailable(_)), "{error:?}");
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}

#[test]
fn properties_of_consumers_and_of_producers_go_through_together() {
    let place = KafkaPlace::new().with(&[("max.poll.interval.ms", "400000"), ("batch.size", "5000")]);
    let log = place.open();
    append(&log, Topic::Clicks, vec![record("u", "1")]);
    assert_eq!(everything(&log, Topic::Clicks).len(), 1);
    let place = place.with(&[("no.such.property", "1")]);
    let error = KafkaLog::open(place.settings).map(drop).expect_err("unknown").to_string();
    assert!(error.contains("no.such.property"), "{error}");
}

#[test]
fn java_librdkafka_and_we_put_a_key_into_the_same_partition() {
    let place = KafkaPlace::new();
    let log = place.open();
    let keys: Vec<_> = (0..400).map(|n| format!("user-{n}{}", "é".repeat(n % 4))).collect();
    append(&log, Topic::Clicks, keys.iter().map(|key| record(key, "ours")).collect());
    let topic = &place.settings.clicks_topic;
    place.broker.console_produce(topic, keys.iter().map(|key| (key.as_str(), "java")));
    let producer: BaseProducer =
        place.client(&[("partitioner", "murmur2_random")]).create().expect("a producer");
    for key in &keys {
        producer.send(BaseRecord::to(topic).key(key).payload("librdkafka")).expect("queued");
    }
    producer.flush(DEADLINE).expect("delivered");
    let mut partitions: HashMap<String, BTreeMap<String, Partition>> = HashMap::new();
    for record in everything(&log, Topic::Clicks) {
        let key = String::from_utf8(record.key.clone().expect("a key")).expect("text");
        assert!(partitions.entry(key).or_default().insert(record.text(), record.partition).is_none());
    }
    assert_eq!(partitions.len(), keys.len());
    for (key, by_client) in partitions {
        let [ours, java, librdkafka] = ["ours", "java", "librdkafka"].map(|client| by_client[client]);
        assert_eq!((ours, ours), (java, librdkafka), "{key}");
    }
}

#[test]
fn the_java_client_reads_what_we_append() {
    let place = KafkaPlace::new();
    let log = place.open();
    let headers = vec![("content-type".to_owned(), Some(b"application/json".to_vec()))];
    let new = NewRecord { key: b"u".to_vec(), value: Some(b"{}".to_vec()), headers };
    let places = append(&log, Topic::Clicks, vec![new]);
    let lines = place.broker.console_consume(&place.settings.clicks_topic, 1);
    let expected = format!("Partition:{}\tcontent-type:application/json\tu\t{{}}", places[0].0);
    assert_eq!(lines, [expected]);
}

#[test]
fn an_aborted_transaction_leaves_a_hole_and_reading_goes_on() {
    let place = KafkaPlace::new();
    let log = place.open();
    let topic = &place.settings.clicks_topic;
    let producer: BaseProducer =
        place.client(&[("transactional.id", topic), ("linger.ms", "0")]).create().expect("a producer");
    producer.init_transactions(DEADLINE).expect("transactions");
    let send = |value: &str| {
        producer.send(BaseRecord::to(topic).partition(2).key("u").payload(value)).expect("queued");
    };
    let transaction = |values: &[&str], commit: bool| {
        producer.begin_transaction().expect("begun");
        values.iter().for_each(|value| send(value));
        producer.flush(DEADLINE).expect("delivered");
        match commit {
            true => producer.commit_transaction(DEADLINE).expect("committed"),
            false => producer.abort_transaction(DEADLINE).expect("aborted"),
        }
    };
    transaction(&["a", "b"], true);
    transaction(&["x", "y", "z"], false);
    transaction(&["c"], true);
    transaction(&["w"], false);
    let mut reader = log.reader(Topic::Clicks, &at(Partition(2), 0)).expect("a reader");
    let read: Vec<_> =
        take(reader.as_mut(), 3).iter().map(|record| (record.offset.0, record.text())).collect();
    assert_eq!(read, [(0, "a".to_owned()), (1, "b".to_owned()), (7, "c".to_owned())]);
    // The end is two markers and an aborted record behind the last record.
    assert_eq!(log.bounds(Topic::Clicks, Partition(2)).expect("bounds").high, Offset(11));
    assert_eq!(drain(&log, Topic::Clicks, reader.as_mut()), []);
    assert_eq!(reader.position(Partition(2)), Some(Offset(11)));
    let mut after = log.reader(Topic::Clicks, &at(Partition(2), 11)).expect("a position is a place to start");
    transaction(&["d"], true);
    assert_eq!(take(after.as_mut(), 1)[0].text(), "d");
}

#[test]
fn records_that_are_gone_are_reported_at_the_start_and_in_the_middle() {
    // Little is fetched ahead, so that the reader runs into the gap.
    let place = KafkaPlace::new().with(&[
        ("queued.max.messages.kbytes", "1"),
        ("queued.min.messages", "1"),
        ("fetch.message.max.bytes", "100000"),
        ("compression.codec", "none"),
        ("batch.num.messages", "1"),
    ]);
    let log = place.open();
    let value = "x".repeat(50_000);
    let places = append(&log, Topic::Clicks, (0..100).map(|_| record("u", &value)).collect());
    let partition = places[0].0;
    let mut reader = log.reader(Topic::Clicks, &at(partition, 0)).expect("a reader");
    take(reader.as_mut(), 1);
    place.broker.delete_records(&place.settings.clicks_topic, partition.0, 95);
    let gone = |error: LogError, asked_at_least: Offset| match error {
        LogError::OutOfRange { topic, partition: told, asked, bounds } => {
            assert_eq!((topic, told), (place.settings.clicks_topic.clone(), partition));
            assert!((asked_at_least..Offset(95)).contains(&asked), "{asked}");
            assert_eq!((bounds.low, bounds.high), (Offset(95), Offset(100)));
        }
        other => panic!("expected out of range, got {other:?}"),
    };
    gone(log.reader(Topic::Clicks, &at(partition, 1)).map(drop).expect_err("gone"), Offset(1));

    let mut next = reader.position(partition).expect("ours");
    let deadline = Instant::now() + DEADLINE;
    let error = loop {
        assert!(Instant::now() < deadline, "stands at {next}");
        let mut taken = Vec::new();
        match poll(reader.as_mut(), Duration::from_millis(100), 10, &mut taken) {
            Ok(_) => {
                for record in taken {
                    assert_eq!(record.offset, next, "nothing is skipped");
                    next = next.next();
                }
            }
            Err(LogError::Unavailable(_)) => {}
            Err(error) => break error,
        }
    };
    gone(error, next);
}

#[test]
fn a_record_that_the_topic_does_not_take_is_refused_and_a_dead_letter_may_hold_it() {
    let place = KafkaPlace::new().with(&[("compression.codec", "none")]);
    let log = place.open();
    let large = || NewRecord { key: b"u".to_vec(), value: Some(vec![7; 3 << 20]), headers: Vec::new() };
    let refused = try_append(&log, Topic::Clicks, vec![large()]);
    assert!(matches!(refused, Err(LogError::Refused(_))), "{refused:?}");
    append(&log, Topic::Clicks, vec![record("u", "small")]);
    append(&log, Topic::DeadLetters, vec![large()]);
    assert_eq!(everything(&log, Topic::DeadLetters)[0].value.as_ref().map(Vec::len), Some(3 << 20));
    let zero = NewRecord { headers: vec![("a\0b".to_owned(), None)], ..record("u", "1") };
    let refused = try_append(&log, Topic::Clicks, vec![record("u", "first"), zero, record("u", "last")]);
    assert!(matches!(refused, Err(LogError::Refused(_))), "{refused:?}");
}

#[test]
fn a_full_queue_makes_appends_wait_and_none_fails() {
    let place = KafkaPlace::new().with(&[("queue.buffering.max.messages", "10"), ("linger.ms", "0")]);
    let log = place.open();
    let places = append(&log, Topic::Clicks, (0..2000).map(|n| record(&format!("u{n}"), "x")).collect());
    assert_eq!(places.len(), 2000);
    assert_eq!(everything(&log, Topic::Clicks).len(), 2000);
}

#[test]
#[expect(unsafe_code, reason = "the safe producer takes no such name")]
fn a_header_name_that_is_not_utf_8_does_no_harm() {
    let place = KafkaPlace::new();
    let log = place.open();
    let producer: BaseProducer = place.client(&[]).create().expect("a producer");
    let topic = CString::new(place.settings.clicks_topic.clone()).expect("a name");
    // SAFETY: all pointers live until the call returns, which copies the value and takes the headers.
    unsafe {
        let headers = rd_kafka_headers_new(1);
        rd_kafka_header_add(headers, b"\xff\xfe".as_ptr().cast(), 2, b"v".as_ptr().cast(), 1);
        let answer = rd_kafka_producev(
            producer.client().native_ptr(),
            rd_kafka_vtype_t::RD_KAFKA_VTYPE_TOPIC,
            topic.as_ptr(),
            rd_kafka_vtype_t::RD_KAFKA_VTYPE_HEADERS,
            headers,
            rd_kafka_vtype_t::RD_KAFKA_VTYPE_OPAQUE,
            ptr::null_mut::<rd_kafka_message_t>(),
            rd_kafka_vtype_t::RD_KAFKA_VTYPE_END,
        );
        assert_eq!(answer, RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    producer.flush(DEADLINE).expect("delivered");
    let read = everything(&log, Topic::Clicks);
    assert_eq!(read[0].headers, [("\u{fffd}".to_owned(), Some(b"v".to_vec()))]);
    assert_eq!((&read[0].key, &read[0].value), (&None, &None));
}

#[test]
fn what_is_committed_can_be_seen_from_outside() {
    let group = unique("group");
    let place = KafkaPlace::new().with(&[("group.id", &group)]);
    let log = place.open();
    append(&log, Topic::Clicks, (0..10).map(|n| record("u", &n.to_string())).collect());
    let watcher: BaseConsumer = place.client(&[("group.id", &group)]).create().expect("a consumer");
    let deadline = Instant::now() + DEADLINE;
    let mut told = topic_partition_list::Offset::Invalid;
    while told != topic_partition_list::Offset::Offset(7) {
        assert!(Instant::now() < deadline, "{told:?}");
        log.committed(Topic::Clicks, &at(Partition(1), 7));
        let mut list = TopicPartitionList::new();
        list.add_partition(&place.settings.clicks_topic, 1);
        if let Ok(list) = watcher.committed_offsets(list, Duration::from_secs(5)) {
            told = list.elements()[0].offset();
        }
    }
}

#[test]
fn a_reader_that_is_not_polled_stops_fetching() {
    const CHILD: &str = "HEADWATER_TEST_KAFKA_TOPIC";
    let name = "kafka::a_reader_that_is_not_polled_stops_fetching";
    if let Ok(place) = std::env::var(CHILD) {
        let (brokers, topic) = place.split_once(' ').expect("two words");
        return read_one_and_measure(brokers, topic);
    }
    let place = KafkaPlace::new().with(&[("compression.codec", "none")]);
    let log = place.open();
    let value = vec![7; 4096];
    for _ in 0..40 {
        let keys = (0..1000).map(|n| format!("u{n}").into_bytes());
        let records = keys.map(|key| NewRecord { key, value: Some(value.clone()), headers: Vec::new() });
        append(&log, Topic::Clicks, records.collect());
    }
    // In a process of its own, so that its memory is its own.
    let output = std::process::Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, format!("{} {}", place.settings.brokers, place.settings.clicks_topic))
        .output()
        .expect("the child runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let grown = text.lines().find_map(|line| line.split("grown by ").nth(1)).expect("it told");
    let grown: u64 = grown.trim().parse().expect("a number");
    // 32 MiB may be queued, and some more be on its way; there are 160 MB to fetch.
    assert!((4 << 20..72 << 20).contains(&grown), "grown by {grown} bytes");
}

fn read_one_and_measure(brokers: &str, topic: &str) {
    let topics = ["clicks", "items", "dlq"].map(|_| topic.to_owned());
    let [clicks_topic, items_topic, dead_letters_topic] = topics;
    let (create_topics, partitions) = (false, PARTITIONS);
    let brokers = brokers.to_owned();
    let settings = KafkaSettings {
        brokers,
        clicks_topic,
        items_topic,
        dead_letters_topic,
        create_topics,
        partitions,
        ..KafkaSettings::default()
    };
    let log: Arc<dyn Log> = Arc::new(KafkaLog::open(settings).expect("Kafka is there"));
    let before = resident();
    let mut reader = log.reader(Topic::Clicks, &beginning(&log, Topic::Clicks)).expect("a reader");
    assert!(!take(reader.as_mut(), 1).is_empty());
    // Until it has not grown for a second: fetching everything would take less.
    let (mut most, mut since) = (0, Instant::now());
    while since.elapsed() < Duration::from_secs(1) {
        std::thread::sleep(Duration::from_millis(20));
        let now = resident();
        if now > most + (1 << 20) {
            (most, since) = (now, Instant::now());
        }
    }
    println!("grown by {}", most.saturating_sub(before));
}

/// The memory that this process has, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}
