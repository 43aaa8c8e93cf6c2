//! Whoever sends a user's events, they land in one partition and in one profile.

mod sandbox;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use headwater::log::{Partition, partition_of};
use headwater::proto;
use sandbox::kafka::Broker;
use sandbox::messages::{answer, event, profile};
use sandbox::producer::Producer;
use sandbox::service::Home;

const TS: i64 = 1_700_000_000_000;

fn json(user: &str, item: &str) -> String {
    serde_json::json!({ "user_id": user, "item_id": item, "type": "click", "ts": TS }).to_string()
}

/// The events that these names of items stand for, in a user's profile.
const SENT_BY: [&str; 3] = ["sent-by-java", "sent-by-librdkafka", "sent-by-rpc"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_a_user_from_every_producer_land_in_one_partition_and_one_profile() {
    let broker = tokio::task::spawn_blocking(Broker::shared).await.expect("a broker");
    let home = Home::on_kafka(broker).set("kafka.partitions", "7");
    let service = home.start().await;
    let topics = home.topics();
    let users: Vec<String> =
        (0..60).map(|n| format!("{}user-{n}", ["", "é", "日本", "a longer name of "][n % 4])).collect();

    let lines: Vec<String> = users.iter().map(|user| json(user, SENT_BY[0])).collect();
    let records = users.iter().map(String::as_str).zip(lines.iter().map(String::as_str));
    broker.console_produce(&topics.clicks, records);
    let producer = Producer::new(broker);
    for user in &users {
        producer.send(&topics.clicks, user, &json(user, SENT_BY[1]));
    }
    producer.flush();
    let events = users.iter().map(|user| event(user, SENT_BY[2], "click", TS)).collect();
    let published = answer(service.events().publish(proto::PublishRequest { events }).await);
    assert_eq!(published.expect("published").accepted as usize, users.len());

    let sent = users.len() * SENT_BY.len();
    service.until_events(sent as u64).await;
    for user in &users {
        let profile =
            answer(service.profiles().get_profile(profile(user, Some(TS))).await).expect("a profile");
        let items: BTreeSet<&str> = profile.recent_events.iter().map(|event| &*event.item_id).collect();
        assert_eq!(items, BTreeSet::from(SENT_BY), "{user}");
        assert_eq!(profile.windows[0].events, 3, "{user}");
    }

    let mut partitions: HashMap<String, BTreeSet<String>> = HashMap::new();
    for line in broker.console_consume(&topics.clicks, sent) {
        let mut columns = line.split('\t');
        let partition = columns.next().expect("a partition").to_owned();
        let user = columns.nth(1).expect("a key").to_owned();
        partitions.entry(user).or_default().insert(partition);
    }
    assert_eq!(partitions.len(), users.len());
    for (user, partitions) in &partitions {
        assert_eq!(partitions.len(), 1, "{user} is in {partitions:?}");
    }
    let used: BTreeSet<_> = partitions.values().flatten().collect();
    assert_eq!(used.len(), 7, "users are spread over {used:?} only");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_in_a_partition_that_is_not_their_users_are_dead_letters_that_say_what_to_set() {
    let broker = tokio::task::spawn_blocking(Broker::shared).await.expect("a broker");
    let home = Home::on_kafka(broker).set("kafka.partitions", "7");
    let service = home.start().await;
    let topics = home.topics();
    // What librdkafka does when nobody tells it otherwise: CRC32 of the key.
    let producer = Producer::with(broker, &[]);
    let users: Vec<String> = (0..40).map(|n| format!("user-{n}")).collect();
    for user in &users {
        producer.send(&topics.clicks, user, &json(user, "i"));
    }
    producer.flush();
    let mut misplaced = BTreeMap::new();
    for line in broker.console_consume(&topics.clicks, users.len()) {
        let columns: Vec<&str> = line.split('\t').collect();
        let partition = Partition(columns[0].trim_start_matches("Partition:").parse().expect("a partition"));
        let user = columns[2].to_owned();
        if partition_of(user.as_bytes(), 7) != partition {
            misplaced.insert(user, partition);
        }
    }
    assert!(!misplaced.is_empty() && misplaced.len() < users.len(), "{misplaced:?}");
    service.until_dead_letters(misplaced.len() as u64).await;
    service.until_events((users.len() - misplaced.len()) as u64).await;
    for user in &users {
        let profile =
            answer(service.profiles().get_profile(profile(user, Some(TS))).await).expect("a profile");
        assert_eq!(profile.windows[0].events, u64::from(!misplaced.contains_key(user)), "{user}");
    }
    for line in broker.console_consume(&topics.dead_letters, misplaced.len()) {
        assert!(line.contains("dlq.error.class:validation"), "{line}");
        assert!(line.contains("partitioner=murmur2_random"), "{line}");
    }
    service.stop().await;
}
