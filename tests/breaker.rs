//! A flood of bad records stops its partition for a while and nothing is lost: by the real binary, on the
//! journal and on Kafka.

mod sandbox;

use headwater::log::{NewRecord, Partition, Topic, partition_of};
use headwater::proto;
use sandbox::kafka::Broker;
use sandbox::messages::{answer, event, profile, recommend};
use sandbox::service::{Clients, Home, headwater, until};
use serde_json::Value;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

const PARTITIONS: u32 = 2;

async fn homes() -> [(&'static str, Home); 2] {
    let broker = tokio::task::spawn_blocking(Broker::shared).await.expect("a broker");
    let kafka = Home::on_kafka(broker).set("kafka.partitions", PARTITIONS.to_string());
    let journal = Home::on_journal().set("journal.partitions", PARTITIONS.to_string());
    [("journal", journal), ("kafka", kafka)]
}

fn good(user: &str, number: usize) -> NewRecord {
    let ts = 1_700_000_000_000 + number;
    let value = format!(r#"{{"user_id":"{user}","item_id":"i{number}","type":"click","ts":{ts}}}"#);
    NewRecord { key: user.into(), value: Some(value.into_bytes()), headers: Vec::new() }
}

fn bad(user: &str) -> NewRecord {
    NewRecord { key: user.into(), value: Some(b"{not JSON".to_vec()), headers: Vec::new() }
}

/// Appends to the topic of events past every check, as a producer of Kafka does.
async fn append(home: &Home, records: Vec<NewRecord>) {
    let log = tokio::task::block_in_place(|| home.log());
    log.append(Topic::Clicks, records).await.expect("appended");
    tokio::task::block_in_place(|| drop(log));
}

async fn health(service: &Clients) -> ServingStatus {
    let request = HealthCheckRequest { service: "headwater.v1.RecommenderService".to_owned() };
    let answered = HealthClient::new(service.channel.clone()).check(request).await;
    answered.expect("the service is known").into_inner().status()
}

/// The next offset of a partition's newest snapshot.
fn covered(home: &Home, partition: Partition) -> u64 {
    let mut command = headwater(&["snapshot", "list", "--json"]);
    for option in home.set_options() {
        command.args(["--set", &option]);
    }
    let list: Value = serde_json::from_slice(&command.output().expect("it runs").stdout).expect("JSON");
    let all = list["snapshots"].as_array().expect("a list").iter();
    let mine = all.filter(|one| one["partition"] == partition.0);
    mine.filter_map(|one| one["next_offset"].as_u64()).max().expect("a snapshot")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_stops_its_partition_which_goes_on_from_exactly_there() {
    let flooded = partition_of(b"u1", PARTITIONS);
    let mut others = (2..).map(|number| format!("u{number}"));
    let other = others.find(|user| partition_of(user.as_bytes(), PARTITIONS) != flooded);
    let other = other.expect("a user of the other partition");
    for (log, home) in homes().await {
        let home = home.set("ingest.breaker_window", "10").set("ingest.breaker_rejected", "3");
        // It is the next start that tries it again.
        let home = home.set("ingest.breaker_retry", "1h");
        // Offsets 0 to 2 are good, 3 to 7 bad, 8 and 9 good.
        let mut records: Vec<NewRecord> = (0..3).map(|number| good("u1", number)).collect();
        records.extend((0..5).map(|_| bad("u1")));
        records.extend((3..5).map(|number| good("u1", number)));
        records.push(good(&other, 5));
        append(&home, records).await;

        let service = home.spawn_unready().await;
        until("the breaker", async || {
            (service.metrics().await.sum("headwater_stopped_partitions") == 1).then_some(())
        })
        .await;
        // The other partition goes on.
        service.until_events(4).await;
        let reason = format!(
            "too many bad records (`ingest.breaker_rejected`): stopped partition {flooded} at offset 6"
        );
        let page = Some((503, format!("not ready: {reason}\n")));
        until("/readyz", async || (service.page("/readyz").await == page).then_some(())).await;
        until("health", async || (health(&service).await == ServingStatus::NotServing).then_some(())).await;
        assert_eq!(service.metrics().await.sum("headwater_ready"), 0, "{log}");
        let list =
            answer(service.recommender().recommend(recommend("u1", 5, None)).await).expect("an answer");
        assert_eq!((list.degraded, &list.degraded_reason), (true, &reason), "{log}");
        assert!(
            service.log().contains("too many bad records: partition stopped, to be tried again in 1 h 0 min")
        );
        assert_eq!(service.metrics().await.sum("headwater_dead_letters_total"), 3, "{log}");
        assert!(service.terminate().await.success());
        assert_eq!(covered(&home, flooded), 6, "{log}");

        let home = home.set("ingest.breaker_rejected", "10");
        let service = home.spawn().await;
        service.until_events(2).await;
        service.until_dead_letters(2).await;
        assert_eq!(service.metrics().await.sum("headwater_stopped_partitions"), 0, "{log}");
        assert!(service.terminate().await.success());
        assert_eq!(covered(&home, flooded), 10, "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_keeps_nobody_out_for_long_and_nothing_behind_it_is_lost() {
    const FLOOD: usize = 200;
    let flooded = partition_of(b"u1", PARTITIONS);
    let mut others = (2..).map(|number| format!("u{number}"));
    let other = others.find(|user| partition_of(user.as_bytes(), PARTITIONS) != flooded);
    let other = other.expect("a user of the other partition");
    for (log, home) in homes().await {
        let home = home.set("ingest.breaker_window", "40").set("ingest.breaker_rejected", "20");
        let home = home.set("ingest.breaker_retry", "100ms").set("ingest.breaker_max_retry", "200ms");
        let mut records: Vec<NewRecord> = (0..3).map(|number| good("u1", number)).collect();
        records.extend((0..FLOOD).map(|_| bad("u1")));
        records.extend((3..10).map(|number| good("u1", number)));
        append(&home, records).await;
        let service = home.spawn().await;
        // One worker reads both partitions: what comes meanwhile is read once as well.
        let list = recommend(&other, 5, None);
        let mut sent = 0;
        let goes_on = async || {
            let metrics = service.metrics().await;
            let letters = metrics.sum("headwater_dead_letters_total");
            assert!(letters <= FLOOD as u64, "{log}: {letters} dead letters");
            metrics.sum("headwater_stopped_partitions") == 0 && letters == FLOOD as u64
        };
        until("the flood to be over", async || {
            let event = event(&other, &format!("i{sent}"), "click", 1_700_000_000_000);
            let request = proto::PublishRequest { events: vec![event] };
            answer(service.events().publish(request).await).expect("published");
            sent += 1;
            goes_on().await.then_some(())
        })
        .await;
        service.until_events(10 + sent).await;
        let ready = Some((200, "ready\n".to_owned()));
        until("all to be well", async || (service.page("/readyz").await == ready).then_some(())).await;
        assert!(!answer(service.recommender().recommend(list).await).expect("an answer").degraded, "{log}");
        let told = service.log();
        let count = |text: &str| told.lines().filter(|line| line.contains(text)).count();
        assert_eq!(count("too many bad records: partition stopped, to be tried again in 0.1 s"), 1, "{told}");
        assert_eq!(count("the partition goes on after "), 1, "{told}");
        assert!(service.terminate().await.success());
        assert_eq!(covered(&home, flooded), 10 + FLOOD as u64, "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_an_operator_leaves_out_are_as_if_they_were_not_there_in_a_rebuild_too() {
    let flooded = partition_of(b"u1", PARTITIONS);
    for (log, home) in homes().await {
        let home = home.set("ingest.breaker_window", "10").set("ingest.breaker_rejected", "3");
        let home = home.set("ingest.breaker_retry", "1h");
        // Offsets 0 to 2 are good, 3 to 7 bad, 8 and 9 good.
        let mut records: Vec<NewRecord> = (0..3).map(|number| good("u1", number)).collect();
        records.extend((0..5).map(|_| bad("u1")));
        records.extend((3..5).map(|number| good("u1", number)));
        append(&home, records).await;
        let service = home.spawn_unready().await;
        until("the breaker", async || {
            (service.metrics().await.sum("headwater_stopped_partitions") == 1).then_some(())
        })
        .await;
        assert!(service.terminate().await.success());
        assert_eq!(covered(&home, flooded), 6, "{log}");

        // What is bad from there on, and a good one that is not wanted.
        let home = home.set("ingest.skip", format!("[\"{flooded}:6-8\"]"));
        let items = async |service: &Clients| {
            let request = profile("u1", Some(1_700_000_000_100));
            let profile = answer(service.profiles().get_profile(request).await).expect("a profile");
            profile.recent_events.into_iter().map(|event| event.item_id).collect::<Vec<_>>()
        };
        let service = home.spawn().await;
        service.until_events(1).await;
        assert!(service.log().contains("records are left out, as `ingest.skip` says"), "{}", service.log());
        let metrics = service.metrics().await;
        assert_eq!(metrics.sum("headwater_skipped_records_total"), 3, "{log}");
        assert_eq!(metrics.sum("headwater_dead_letters_total"), 0, "{log}");
        let before = items(&service).await;
        assert_eq!(before, ["i4", "i2", "i1", "i0"], "{log}");
        assert!(service.terminate().await.success());
        assert_eq!(covered(&home, flooded), 10, "{log}");

        std::fs::remove_dir_all(home.path("data/snapshots")).expect("snapshots");
        let service = home.spawn().await;
        service.until_events(4).await;
        service.until_dead_letters(3).await;
        assert_eq!(items(&service).await, before, "{log}");
        assert!(service.terminate().await.success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_and_a_short_burst_trip_nothing_by_default() {
    let home = Home::on_journal().set("journal.partitions", "1");
    let mut records: Vec<NewRecord> = (0..400).map(|_| bad("u1")).collect();
    records.push(good("u1", 0));
    append(&home, records).await;
    let service = home.spawn().await;
    service.until_events(1).await;
    service.until_dead_letters(400).await;
    assert_eq!(service.metrics().await.sum("headwater_stopped_partitions"), 0);
}
