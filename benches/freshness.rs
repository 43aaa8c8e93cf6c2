//! How soon a click counts: from the send of an event into a real Kafka to the first answer of
//! `Recommend` that knows it, against its delivery to a bare consumer of the same settings.
//!
//! The two kinds of samples alternate, so that what disturbs one disturbs the other.

mod common;
#[path = "../tests/sandbox/mod.rs"]
mod sandbox;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::{bar, micros, percentile};
use headwater::app::App;
use headwater::clock::wall_clock;
use headwater::codec::encode_event;
use headwater::config::Config;
use headwater::engine::events::event::EventDraft;
use headwater::proto;
use headwater::proto::recommender_service_client::RecommenderServiceClient;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use sandbox::kafka::{Broker, unique};
use tonic::transport::Channel;

const PARTITIONS: i32 = 4;
const WARM_UP: usize = 50;
const SAMPLES: usize = 600;
const USERS: usize = 40;
const PATIENCE: Duration = Duration::from_secs(30);

fn main() {
    common::part();
    let broker = Broker::start();
    let folder = tempfile::tempdir().expect("a folder");
    let topic = unique("clicks");
    let set = [
        "server.grpc_addr=127.0.0.1:0".to_owned(),
        "server.http_addr=127.0.0.1:0".to_owned(),
        "server.shutdown_delay=0s".to_owned(),
        format!("data.dir={}", folder.path().display()),
        format!("models.dir={}", folder.path().join("models").display()),
        format!("kafka.brokers={}", broker.address),
        format!("kafka.clicks_topic={topic}"),
        format!("kafka.items_topic={}", unique("items")),
        format!("kafka.partitions={PARTITIONS}"),
    ];
    let config = Config::load(None, &BTreeMap::new(), &set).expect("a configuration");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let app = App::start(&config).await.expect("the service starts");
        let deadline = Instant::now() + PATIENCE;
        while !app.is_ready() {
            assert!(Instant::now() < deadline, "the service is not ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let channel = Channel::from_shared(format!("http://{}", app.grpc_addr())).expect("a URI");
        let channel = channel.tcp_nodelay(true).connect().await.expect("a connection");
        compare(&broker.address, topic, RecommenderServiceClient::new(channel)).await;
        app.stop().await.expect("the service stops");
    });
}

async fn compare(brokers: &str, topic: String, mut client: RecommenderServiceClient<Channel>) {
    let consumer = consumer(brokers, &topic);
    let mut clicks = Clicks::new(brokers, topic);
    let (mut seen, mut delivered) = (Vec::new(), Vec::new());
    for sample in 0..WARM_UP + SAMPLES {
        // Not in step with anything that the broker or the clients do by the clock.
        tokio::time::sleep(Duration::from_micros(2000 + sample as u64 * 7919 % 9000)).await;
        let (user, ts, sent) = clicks.send();
        while newest(&mut client, &user).await != Some(ts) {
            assert!(sent.elapsed() < PATIENCE, "the click was not seen");
        }
        let visible = micros(sent.elapsed());
        receive(&consumer, ts);

        tokio::time::sleep(Duration::from_micros(2000 + sample as u64 * 6101 % 9000)).await;
        let (_, ts, sent) = clicks.send();
        receive(&consumer, ts);
        let delivery = micros(sent.elapsed());
        if sample >= WARM_UP {
            seen.push(visible);
            delivered.push(delivery);
        }
    }
    for (name, samples) in [("seen by Recommend", &mut seen), ("delivered", &mut delivered)] {
        println!(
            "freshness: {name}: p50 {:.0} us, p99 {:.0} us, {SAMPLES} samples",
            percentile(samples, 0.5),
            percentile(samples, 0.99)
        );
    }
    bar("freshness.vs_delivery", percentile(&mut seen, 0.5) / percentile(&mut delivered, 0.5), "ratio");
}

/// Sends clicks one by one, as a website would.
struct Clicks {
    producer: ThreadedProducer<DefaultProducerContext>,
    topic: String,
    sent: usize,
    ts: i64,
}

impl Clicks {
    fn new(brokers: &str, topic: String) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers).set("partitioner", "murmur2_random").set("linger.ms", "0");
        Self { producer: config.create().expect("a producer"), topic, sent: 0, ts: 0 }
    }

    /// Who clicks, the event time, which no other click has, and when it was sent.
    fn send(&mut self) -> (String, i64, Instant) {
        self.sent += 1;
        self.ts = wall_clock().max(self.ts + 1);
        let user = format!("user-{}", self.sent % USERS);
        let event = EventDraft {
            user_id: Some(user.as_str().into()),
            item_id: Some(format!("item-{}", self.sent % 100).into()),
            kind: Some("click".into()),
            ts: Some(self.ts),
            ..EventDraft::default()
        };
        let value = encode_event(&event);
        let sent = Instant::now();
        let record = BaseRecord::to(&self.topic).key(&user).payload(&value);
        self.producer.send(record).map_err(|(error, _)| error).expect("it is queued");
        (user, self.ts, sent)
    }
}

/// The event time of the newest event that an answer knows.
async fn newest(client: &mut RecommenderServiceClient<Channel>, user: &str) -> Option<i64> {
    let request = proto::RecommendRequest { user_id: user.to_owned(), n: 20, ..Default::default() };
    let answer = client.recommend(request).await.expect("an answer").into_inner();
    answer.profile_as_of.map(|time| time.seconds * 1000 + i64::from(time.nanos) / 1_000_000)
}

/// A consumer that is set to be as fast as the service's own, assigned by hand.
fn consumer(brokers: &str, topic: &str) -> BaseConsumer {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "bare")
        .set("enable.auto.commit", "false")
        .set("fetch.min.bytes", "1")
        .set("fetch.wait.max.ms", "50")
        .create()
        .expect("a consumer");
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(topic, partition, Offset::Beginning).expect("a partition");
    }
    consumer.assign(&list).expect("assigned");
    consumer
}

/// Waits for the event of that time.
fn receive(consumer: &BaseConsumer, ts: i64) {
    let wanted = format!("\"ts\":{ts}");
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let Some(message) = consumer.poll(Duration::from_millis(50)) else { continue };
        let message = message.expect("a message");
        let value = std::str::from_utf8(message.payload().unwrap_or_default()).expect("JSON");
        if value.contains(&wanted) {
            return;
        }
    }
    panic!("the click was not delivered");
}
