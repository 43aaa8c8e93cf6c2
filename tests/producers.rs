//! Whoever sends a user's events, they land in one partition and in one profile.

mod sandbox;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use headwater::log::{Partition, partition_of};
use headwater::proto;
use sandbox::kafka::Broker;
use sandbox::messages::{answer, event, millis, profile, recommend};
use sandbox::producer::{Producer, Transactional};
use sandbox::service::{Home, Process, Service, until};

const TS: i64 = 1_700_000_000_000;

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("a time")
}

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

/// Each user's events of `users`, by item, whichever partition they came by.
async fn items_of(service: &Service, user: &str) -> BTreeMap<String, u64> {
    let profile = answer(service.profiles().get_profile(profile(user, Some(TS))).await).expect("a profile");
    let mut items = BTreeMap::new();
    for event in profile.recent_events {
        *items.entry(event.item_id).or_default() += 1;
    }
    assert_eq!(profile.windows[0].events, items.values().sum::<u64>(), "{user}");
    items
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_count_for_their_user_whichever_partition_they_come_by_and_across_a_restart() {
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
    let mut strays = 0;
    for line in broker.console_consume(&topics.clicks, users.len()) {
        let columns: Vec<&str> = line.split('\t').collect();
        let partition = Partition(columns[0].trim_start_matches("Partition:").parse().expect("a partition"));
        strays += u64::from(partition_of(columns[2].as_bytes(), 7) != partition);
    }
    assert!(strays > 20, "{strays}");
    // Whoever has some at home and some in every other partition.
    for partition in 0..7 {
        producer.send_to(&topics.clicks, partition, "user-0", &json("user-0", &format!("by-{partition}")));
    }
    producer.flush();
    service.until_events(users.len() as u64 + 7).await;
    let everywhere: BTreeMap<String, u64> =
        (0..7).map(|partition| (format!("by-{partition}"), 1)).chain([("i".into(), 1)]).collect();
    let check = async |service: &Service| {
        assert_eq!(items_of(service, "user-0").await, everywhere);
        for user in &users[1..] {
            assert_eq!(items_of(service, user).await, BTreeMap::from([("i".into(), 1)]), "{user}");
        }
    };
    check(&service).await;
    let metrics = service.metrics().await;
    assert_eq!(metrics.sum("headwater_stray_events_total"), strays + 6);
    assert_eq!(metrics.sum("headwater_dead_letters_total"), 0);
    service.stop().await;
    let service = home.start().await;
    check(&service).await;
    assert_eq!(service.metrics().await.sum("headwater_events_total"), 0, "nothing is replayed");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_group_events_are_appended_anew_where_their_user_lives_and_count_once() {
    let broker = tokio::task::spawn_blocking(Broker::shared).await.expect("a broker");
    let snapshots = tempfile::tempdir().expect("a folder");
    let home = Home::on_kafka(broker)
        .set("kafka.partitions", "7")
        .set("kafka.assignment", "group")
        .set("snapshot.url", snapshots.path().to_str().expect("a UTF-8 path"));
    let service = home.start().await;
    let topics = home.topics();
    let producer = Producer::with(broker, &[]);
    for partition in 0..7 {
        producer.send_to(&topics.clicks, partition, "u", &json("u", &format!("by-{partition}")));
    }
    producer.flush();
    let all: BTreeMap<String, u64> = (0..7).map(|partition| (format!("by-{partition}"), 1)).collect();
    until("all to be counted", async || (items_of(&service, "u").await == all).then_some(())).await;
    let metrics = service.metrics().await;
    assert_eq!(metrics.sum("headwater_stray_events_total"), 6);
    assert_eq!(metrics.sum("headwater_dead_letters_total"), 0);
    // As after a crash right after they were appended anew: they are, again.
    let mut again = 0;
    for line in broker.console_consume(&topics.clicks, 13) {
        if let Some(from) = line.split("headwater.forwarded_from:").nth(1) {
            let from = from.split(['\t', ',']).next().expect("where it came");
            let item = format!("by-{}", from.split('/').next().expect("a partition"));
            let value = json("u", &item);
            producer.send_raw_to(
                &topics.clicks,
                partition_of(b"u", 7).0 as i32,
                b"u",
                value.as_bytes(),
                &[("headwater.forwarded_from", from.as_bytes())],
            );
            again += 1;
        }
    }
    assert_eq!(again, 6);
    producer.flush();
    until("them to be known", async || {
        (service.metrics().await.with("headwater_events_total", "outcome=\"duplicate\"") == 6).then_some(())
    })
    .await;
    assert_eq!(items_of(&service, "u").await, all);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producers_clock_moves_nobody_elses_windows() {
    let broker = tokio::task::spawn_blocking(Broker::shared).await.expect("a broker");
    let home = Home::on_kafka(broker);
    let service = home.start().await;
    let producer = Producer::new(broker);
    let now = now();
    // As far ahead as a broker believes producers whose topics it has been told nothing of.
    let ahead = now + 58 * 60 * 1000;
    let event = |user: &str, ts: i64| {
        serde_json::json!({ "user_id": user, "item_id": "i", "type": "click", "ts": ts }).to_string()
    };
    for hostile in 0..20 {
        let user = format!("hostile-{hostile}");
        producer.send_at(&home.topics().clicks, &user, &event(&user, ahead), ahead);
    }
    producer.flush();
    producer.send(&home.topics().clicks, "good", &event("good", now));
    producer.flush();
    service.until_events(21).await;
    let profile = answer(service.profiles().get_profile(profile("good", None)).await).expect("a profile");
    let told = millis(profile.as_of).expect("an instant");
    assert!(told < now + 5 * 60 * 1000, "it is answered as of {} ms from now", told - now);
    assert_eq!(profile.windows[0].events, 1);
    assert!(service.metrics().await.sum("headwater_events_clamped") == 20);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_is_left_open_is_told_until_it_is_ended() {
    let broker = tokio::task::spawn_blocking(Broker::shared).await.expect("a broker");
    let home = Home::on_kafka(broker).set("kafka.partitions", "2").set("ingest.max_open_transaction", "1s");
    let service = home.start().await;
    let topics = home.topics();
    let partition = partition_of(b"u", 2).0;
    let number = i32::try_from(partition).expect("a partition");
    let producer = Producer::new(broker);
    producer.send(&topics.clicks, "u", &json("u", "before"));
    producer.flush();
    service.until_events(1).await;
    let open = Transactional::begin(broker, &topics.clicks);
    open.send_to(&topics.clicks, number, "u", &json("u", "never"));
    for n in 0..50 {
        producer.send(&topics.clicks, "u", &json("u", &format!("behind-{n}")));
    }
    producer.flush();

    let (_, page) = until("it to be told", async || {
        service.page("/readyz").await.filter(|(_, page)| page.contains("transaction"))
    })
    .await;
    let clicks = &topics.clicks;
    let told = format!(
        "ready\ndegraded: a producer has left a transaction open, which holds back partition {partition} of `{clicks}` \
         from offset 1 on (51 records), since "
    );
    assert!(page.starts_with(&told), "{page}");
    let metrics = service.metrics().await;
    let place = format!("topic=\"clicks\",partition=\"{partition}\"");
    assert!(metrics.with("headwater_open_transaction_seconds", &place) >= 1, "{:?}", metrics.0);
    let all = metrics.sum("headwater_open_transaction_seconds");
    assert_eq!(
        metrics.with("headwater_open_transaction_seconds", &place),
        all,
        "the other holds back nothing"
    );
    // Nobody may read more.
    assert_eq!(metrics.sum("headwater_lag_records"), 0);
    assert_eq!(metrics.sum("headwater_events_total"), 1);
    let list = answer(service.recommender().recommend(recommend("u", 5, None)).await).expect("a list");
    assert!(list.degraded_reason.contains("a transaction open"), "{}", list.degraded_reason);

    // What the manual says.
    broker.abort_transaction(clicks, partition, 1);
    service.until_events(51).await;
    let ready = Some((200, "ready\n".to_owned()));
    until("all to be well", async || (service.page("/readyz").await == ready).then_some(())).await;
    assert_eq!(service.metrics().await.sum("headwater_open_transaction_seconds"), 0);
    let items = items_of(&service, "u").await;
    assert!(items.contains_key("behind-49") && !items.contains_key("never"), "{items:?}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_believes_its_producers_clocks_is_told_at_the_start_with_what_mends_it() {
    let broker = tokio::task::spawn_blocking(Broker::shared).await.expect("a broker");
    let home = Home::on_kafka(broker);
    let clicks = home.topics().clicks;
    tokio::task::block_in_place(|| broker.create_topic(&clicks, 1, &[]));
    let told = |service: &Process| {
        let lines = service.log().lines().map(str::to_owned).collect::<Vec<_>>();
        lines.into_iter().filter(|line| line.contains("message.timestamp.type")).collect::<Vec<_>>()
    };
    let service = home.spawn().await;
    let lines = told(&service);
    let [line] = &lines[..] else { panic!("one line: {lines:?}") };
    assert!(line.contains("\"level\":\"WARN\"") && line.contains(&clicks), "{line}");
    let command = format!("kafka-configs.sh --bootstrap-server {} ", broker.address);
    let (_, command) = line.split_once(&command).expect("a command");
    let command = command.split('"').next().expect("its arguments").to_owned();
    assert!(service.terminate().await.success());

    tokio::task::block_in_place(|| broker.configure(&command.split(' ').collect::<Vec<_>>()));
    assert!(broker.describe_topic(&clicks).contains("message.timestamp.type=LogAppendTime"));
    let service = home.spawn().await;
    assert_eq!(told(&service), Vec::<String>::new());
    assert!(service.terminate().await.success());
}
