//! From a real Kafka to applied state: JSON events through the service's own reader and worker,
//! against a bare consumer that parses the same topic and does nothing with it.

mod common;
#[path = "../tests/sandbox/mod.rs"]
mod sandbox;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{Data, bar, median, percentile};
use headwater::clock::wall_clock;
use headwater::codec::{Encoding, encode_event};
use headwater::engine::config::StreamConfig;
use headwater::engine::events::item::ItemChange;
use headwater::ingest::apply::{Clicks, Observer};
use headwater::ingest::worker::{Tools, Worker};
use headwater::log::kafka::{KafkaLog, KafkaSettings};
use headwater::log::{Log, Partition, Positions, Topic};
use headwater::state::State;
use headwater::telemetry::Metrics;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use sandbox::kafka::{Broker, unique};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

const PARTITIONS: u32 = 4;
const ROUNDS: usize = 7;
const PATIENCE: Duration = Duration::from_secs(60);

/// An event in the plainest form.
#[derive(Deserialize)]
struct Bare<'a> {
    event_id: Option<&'a str>,
    user_id: &'a str,
    item_id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    ts: i64,
}

/// Snapshots are not part of this.
struct Nothing;

impl Observer for Nothing {
    fn observe(&mut self, _: &State, _: Partition) {}
}

fn main() {
    common::part();
    let data = Data::news();
    let broker = Broker::start();
    let settings = KafkaSettings {
        brokers: broker.address.clone(),
        clicks_topic: unique("clicks"),
        items_topic: unique("items"),
        dead_letters_topic: unique("dlq"),
        create_topics: true,
        partitions: PARTITIONS,
        ..KafkaSettings::default()
    };
    let log: Arc<dyn Log> = Arc::new(KafkaLog::open(settings.clone()).expect("Kafka is there"));
    produce(&settings, &data);
    let total = data.events.len();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");

    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let applied = apply(&log, &data, runtime.handle(), total);
        let parsed = parse(&settings, total);
        ours.push(total as f64 / applied);
        theirs.push(total as f64 / parsed);
        ratios.push(parsed / applied);
    }
    println!(
        "ingest: {total} events in {PARTITIONS} partitions, one worker, medians of {ROUNDS} pairs of rounds: \
         applied {:.0} events/s, parsed {:.0} events/s, ratio {:.3} to {:.3}",
        median(ours),
        median(theirs),
        percentile(&mut ratios.clone(), 0.0),
        percentile(&mut ratios.clone(), 1.0)
    );
    bar("ingest.vs_bare", median(ratios), "ratio");
}

fn produce(settings: &KafkaSettings, data: &Data) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &settings.brokers)
        .set("partitioner", "murmur2_random")
        .set("linger.ms", "20")
        .set("acks", "all")
        .create()
        .expect("a producer");
    for event in &data.events {
        let value = encode_event(event);
        let user_id = event.user_id.as_deref().unwrap_or_default();
        let mut record = BaseRecord::to(&settings.clicks_topic).key(user_id).payload(&value);
        while let Err((error, back)) = producer.send(record) {
            assert!(
                matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)),
                "not sent: {error}"
            );
            producer.poll(Duration::from_millis(10));
            record = back;
        }
    }
    producer.flush(PATIENCE).expect("every event is acknowledged");
}

/// Seconds from the start of the worker to the last event in state.
fn apply(log: &Arc<dyn Log>, data: &Data, runtime: &tokio::runtime::Handle, total: usize) -> f64 {
    let config = Arc::new(StreamConfig::default());
    let state = Arc::new(State::empty(config, PARTITIONS));
    for item in &data.items {
        state.apply_item(ItemChange::Put(item.clone()));
    }
    let metrics = Arc::new(Metrics::new());
    let stop = CancellationToken::new();
    let clock = Arc::new(wall_clock);
    let consumer = Clicks::new(
        Arc::clone(&state),
        Encoding::Json,
        Arc::clone(&metrics),
        clock,
        Nothing,
        Positions::default(),
    );

    let started = Instant::now();
    let tools = Tools {
        log: Arc::clone(log),
        metrics,
        runtime: runtime.clone(),
        stop: stop.clone(),
        slow_batch: Duration::MAX,
        unfinished: Arc::default(),
    };
    let worker =
        Worker::new(tools, Topic::Clicks, Positions::beginning(PARTITIONS), consumer).expect("a reader");
    let thread = std::thread::spawn(move || worker.run());
    let reached = || Partition::all(PARTITIONS).map(|partition| state.position(partition).0).sum::<u64>();
    while reached() < total as u64 {
        assert!(started.elapsed() < PATIENCE && !thread.is_finished(), "stuck at {}", reached());
        std::thread::sleep(Duration::from_millis(1));
    }
    let seconds = started.elapsed().as_secs_f64();
    stop.cancel();
    assert!(thread.join().expect("no panic").is_ok(), "the worker failed");
    let seen = |partition| {
        state.partition(partition).map_or(0, |positioned| {
            let counters = positioned.state.counters();
            counters.applied + counters.duplicates + counters.late
        })
    };
    assert_eq!(Partition::all(PARTITIONS).map(seen).sum::<u64>(), total as u64);
    seconds
}

/// Seconds from the assignment of the partitions to the last event parsed.
fn parse(settings: &KafkaSettings, total: usize) -> f64 {
    let started = Instant::now();
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &settings.brokers)
        .set("group.id", "bare")
        .set("enable.auto.commit", "false")
        // As the service sets them: by default, a full queue makes librdkafka pause for a second.
        .set("fetch.queue.backoff.ms", "20")
        .set("fetch.wait.max.ms", "50")
        .set("queued.min.messages", "20000")
        .set("queued.max.messages.kbytes", "32768")
        .create()
        .expect("a consumer");
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS as i32 {
        list.add_partition_offset(&settings.clicks_topic, partition, Offset::Beginning).expect("a partition");
    }
    consumer.assign(&list).expect("assigned");
    let (mut parsed, mut bytes, mut newest) = (0, 0, 0);
    while parsed < total {
        assert!(started.elapsed() < PATIENCE, "stuck at {parsed}");
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        let message = message.expect("a message");
        let event: Bare<'_> = serde_json::from_slice(message.payload().expect("a value")).expect("JSON");
        let id = event.event_id.unwrap_or_default();
        bytes += id.len() + event.user_id.len() + event.item_id.len() + event.kind.len();
        newest = newest.max(event.ts);
        parsed += 1;
    }
    let seconds = started.elapsed().as_secs_f64();
    std::hint::black_box((bytes, newest));
    seconds
}
