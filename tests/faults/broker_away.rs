//! The broker killed and started again on the same port and the same data.

use std::time::{Duration, Instant};

use headwater::proto;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::recovered;
use super::sandbox::kafka::Broker;
use super::sandbox::messages::{answer, recommend};
use super::sandbox::producer::Producer;
use super::sandbox::service::{Clients, Home, until};
use super::sandbox::world::World;

async fn health(service: &Clients) -> ServingStatus {
    let request = HealthCheckRequest { service: "headwater.v1.RecommenderService".to_owned() };
    let answered = HealthClient::new(service.channel.clone()).check(request).await;
    answered.expect("the service is known").into_inner().status()
}

async fn list(service: &Clients, world: &World) -> proto::RecommendResponse {
    answer(service.recommender().recommend(recommend("u1", 10, Some(world.end()))).await).expect("a list")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_broker_is_away_answers_go_on_and_ingestion_resumes_by_itself() {
    let (world, mut broker) = (World::small(), Broker::start());
    let home = Home::on_kafka(&broker).set("kafka.partitions", "2").set("snapshot.interval", "100ms");
    let home = home.set("ingest.max_silence", "5s").set("kafka.properties.message.timeout.ms", "2000");
    let first = home.spawn().await;
    world.put_items(&first).await;
    world.publish(&first, 0..2000, 0).await;
    let answers = world.digest(&first).await;
    let before = list(&first, &world).await;
    assert!(!before.degraded && before.profile_as_of.is_some(), "{before:?}");
    let failures = first.metrics().await.sum("headwater_log_errors_total");

    let (lines, stopped) = (first.log().lines().count(), Instant::now());
    broker.stop();
    // First the answers say so, then it is said to whoever sends requests here.
    let degraded = until("answers to be degraded", async || {
        Some(list(&first, &world).await).filter(|list| list.degraded)
    })
    .await;
    let silent = "the log has not told how far it goes since ";
    assert!(degraded.degraded_reason.starts_with(silent), "{}", degraded.degraded_reason);
    assert_eq!((&degraded.items, &degraded.profile_as_of), (&before.items, &before.profile_as_of));
    let request = proto::PublishRequest { events: world.events[2000..2100].to_vec() };
    let refused = first.events().publish(request).await.expect_err("the broker is away");
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    let clicks = home.topics().clicks;
    assert!(refused.message().starts_with(&format!("not appended: writing to `{clicks}`: ")), "{refused}");

    let page =
        until("readiness to flip", async || first.page("/readyz").await.filter(|(status, _)| *status == 503))
            .await;
    assert!(page.1.starts_with(&format!("not ready: {silent}")), "{}", page.1);
    until("health to flip", async || (health(&first).await == ServingStatus::NotServing).then_some(())).await;
    let metrics = first.metrics().await;
    assert_eq!(metrics.sum("headwater_ready"), 0);
    assert!(metrics.sum("headwater_log_silence_seconds") >= 5, "the alarm of a broker that is away");
    assert!(metrics.sum("headwater_log_errors_total") > failures);
    assert!(world.digest(&first).await == answers, "answers differ while the broker is away");

    broker.resume();
    let ready = Some((200, "ready\n".to_owned()));
    until("readiness to come back", async || (first.page("/readyz").await == ready).then_some(())).await;
    until("health to come back", async || (health(&first).await == ServingStatus::Serving).then_some(()))
        .await;
    assert_eq!(first.metrics().await.sum("headwater_log_silence_seconds"), 0);
    let over = until("the end of it", async || {
        let log = first.log();
        log.contains("the log answers again after ").then_some(log)
    })
    .await;
    told_once(&over.lines().skip(lines).collect::<Vec<_>>(), stopped.elapsed());
    let after = list(&first, &world).await;
    assert!(!after.degraded, "{}", after.degraded_reason);
    assert!(world.digest(&first).await == answers, "what was refused counts all the same");

    // What somebody else's program produces from now on counts once.
    let producer = Producer::new(&broker);
    for n in 0..50 {
        let event = format!(r#"{{"user_id":"late","item_id":"i1","type":"click","ts":{}}}"#, world.end() + n);
        producer.send(&clicks, "late", &event);
    }
    producer.flush();
    first.until_events(2050).await;
    world.publish(&first, 2000..3000, 2050).await;
    let answers = world.digest(&first).await;
    first.signal("KILL");
    first.wait().await;
    let second = home.spawn().await;
    let from = recovered(&second).iter().sum::<u64>();
    second.until_events(3050 - from).await;
    assert!(world.digest(&second).await == answers, "answers differ after the restart");
}

/// Asserts that an outage is a line when it begins, one a minute while it lasts and one when it ends, that readiness
/// is a line each time that it changes, and that nothing else is said of it.
fn told_once(lines: &[&str], lasted: Duration) {
    let log = lines.join("\n");
    let count = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
    let minutes = usize::try_from(lasted.as_secs() / 60).expect("a number");
    assert_eq!(count("the log does not answer, trying again"), 1, "{log}");
    assert!(count("the log still does not answer") <= minutes, "{log}");
    assert_eq!(count("the log answers again after "), 1, "{log}");
    assert!(count("\"target\":\"librdkafka\"") <= 1 + minutes, "{log}");
    for state in ["degraded", "not ready"] {
        assert_eq!(count(&format!("\"state\":\"{state}\"")), 1, "{log}");
    }
    assert_eq!(count("ready again after "), 1, "{log}");
    // And the request that failed. Snapshots are written as ever, and how many are due meanwhile hangs on how long it lasts.
    let told = lines.len() - count("events::snapshots");
    assert!(told <= 8 + 3 * minutes, "{told} lines:\n{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_while_the_broker_is_away_is_clean_and_saves_everything() {
    let (world, mut broker) = (World::small(), Broker::start());
    let home = Home::on_kafka(&broker).set("kafka.partitions", "2");
    let first = home.spawn().await;
    world.put_items(&first).await;
    world.publish(&first, 0..2000, 0).await;
    let answers = world.digest(&first).await;
    broker.stop();
    until("answers to be degraded", async || list(&first, &world).await.degraded.then_some(())).await;
    assert_eq!(first.terminate().await.code(), Some(0));
    broker.resume();
    let second = home.spawn().await;
    assert_eq!(recovered(&second).iter().sum::<u64>(), 2000);
    assert!(world.digest(&second).await == answers, "answers differ after the restart");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_group_what_is_held_goes_on_answering_until_the_group_has_met_again() {
    let (world, mut broker) = (World::small(), Broker::start());
    let home = Home::on_kafka(&broker).set("kafka.partitions", "2").set("kafka.assignment", "group");
    let snapshots = home.path("shared");
    let home = home
        .set("snapshot.url", snapshots.to_str().expect("a UTF-8 path"))
        .set("ingest.max_silence", "1s")
        .set("kafka.properties.session.timeout.ms", "6000");
    let service = home.spawn().await;
    until("it to be ready", async || service.is_ready().await.then_some(())).await;
    world.put_items(&service).await;
    world.publish(&service, 0..2000, 0).await;
    let (answers, before) = (world.digest(&service).await, list(&service, &world).await);

    broker.stop();
    let lost = async || service.metrics().await.with("headwater_partition_moves_total", "lost");
    until("the group to be lost", async || {
        assert_eq!(list(&service, &world).await.items, before.items);
        (lost().await > 0).then_some(())
    })
    .await;
    let degraded = until("it to be told", async || {
        let list = list(&service, &world).await;
        assert_eq!(list.items, before.items);
        list.degraded_reason.contains("the group has lost sight of this process").then_some(list)
    })
    .await;
    assert!(degraded.degraded_reason.contains("2 partitions are answered"), "{}", degraded.degraded_reason);
    assert!(world.digest(&service).await == answers, "answers differ while the broker is away");

    broker.resume();
    until("readiness to come back", async || {
        let ready = service.is_ready().await;
        let held = service.metrics().await.sum("headwater_partitions_held");
        assert!(!ready || held == 2, "ready with {held} partitions");
        assert_eq!(list(&service, &world).await.items, before.items);
        ready.then_some(())
    })
    .await;
    assert!(world.digest(&service).await == answers);
    world.publish(&service, 2000..2100, 2000).await;
    assert!(!list(&service, &world).await.degraded);
    assert_eq!(service.terminate().await.code(), Some(0));
}

/// What may be written of an outage of so many minutes and of what comes after it.
fn may_write(minutes: u64) -> u64 {
    10 + 2 * minutes
}

// `tests/outage` makes it a long one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_told_in_few_lines_however_long_it_is() {
    let minutes = std::env::var("OUTAGE_MINUTES").map_or(0, |text| text.parse().expect("a number"));
    let mut broker = Broker::start();
    let home = Home::on_kafka(&broker).set("snapshot.interval", "5s");
    let service = home.spawn().await;
    let world = World::small();
    world.put_items(&service).await;
    world.publish(&service, 0..1000, 0).await;
    let before = service.log().lines().count();
    let away = Instant::now();
    broker.stop();
    until("it to be told", async || {
        service.log().contains("the log does not answer, trying again").then_some(())
    })
    .await;
    tokio::time::sleep((Duration::from_secs(60 * minutes)).saturating_sub(away.elapsed())).await;
    broker.resume();
    let ready = Some((200, "ready\n".to_owned()));
    until("readiness to come back", async || (service.page("/readyz").await == ready).then_some(())).await;
    until("the end of it", async || service.log().contains("the log answers again after ").then_some(()))
        .await;
    world.publish(&service, 1000..2000, 1000).await;
    let log = service.log();
    // Snapshots go on, and have nothing to do with it.
    let lines = log.lines().skip(before).filter(|line| !line.contains("snapshot written")).count() as u64;
    println!("{lines} lines in {} s without a broker and after it", away.elapsed().as_secs());
    assert!(lines <= may_write(away.elapsed().as_secs() / 60), "{lines} lines:\n{log}");
    assert_eq!(service.terminate().await.code(), Some(0));
}
