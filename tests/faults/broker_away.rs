//! The broker killed and started again on the same port and the same data.

use super::recovered;
use super::sandbox::kafka::Broker;
use super::sandbox::service::{Home, until};
use super::sandbox::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_broker_is_away_answers_go_on_and_ingestion_resumes_by_itself() {
    let (world, mut broker) = (World::small(), Broker::start());
    let home = Home::on_kafka(&broker).set("kafka.partitions", "2").set("snapshot.interval", "100ms");
    let first = home.spawn().await;
    world.put_items(&first).await;
    world.publish(&first, 0..2000, 0).await;
    let answers = world.digest(&first).await;
    let failures = first.metrics().await.sum("headwater_log_errors_total");

    broker.stop();
    until("the failures to be counted", async || {
        (first.metrics().await.sum("headwater_log_errors_total") > failures).then_some(())
    })
    .await;
    assert!(world.digest(&first).await == answers, "answers differ while the broker is away");

    broker.resume();
    world.publish(&first, 2000..3000, 2000).await;
    let answers = world.digest(&first).await;
    first.signal("KILL");
    first.wait().await;
    let second = home.spawn().await;
    let from = recovered(&second).iter().sum::<u64>();
    second.until_events(3000 - from).await;
    assert!(world.digest(&second).await == answers, "answers differ after the restart");
}
