//! Brokers that refuse the password that they had taken.

use super::sandbox::kafka::Broker;
use super::sandbox::service::{Home, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_is_not_right_any_more_is_told_while_the_brokers_are_away() {
    let mut broker =
        tokio::task::spawn_blocking(|| Broker::start_with_password("old")).await.expect("a broker");
    let address = broker.password_address.clone().expect("an address");
    let home = Home::on_kafka(&broker)
        .set("kafka.brokers", address)
        .set("kafka.properties.security.protocol", "SASL_PLAINTEXT")
        .set("kafka.properties.sasl.mechanism", "PLAIN")
        .set("kafka.properties.sasl.username", "headwater")
        .set("kafka.properties.sasl.password", "old");
    let service = home.spawn().await;
    broker.stop();
    until("the outage to be told", async || {
        service.log().contains("the log does not answer, trying again").then_some(())
    })
    .await;
    broker.change_password("old", "new");
    broker.resume();
    let why = "the brokers do not let this client in";
    let line = until("it to be told", async || {
        service.log().lines().find(|line| line.contains(why)).map(str::to_owned)
    })
    .await;
    assert!(line.contains("\"level\":\"WARN\"") && line.contains("uthentication failed"), "{line}");
    assert!(!line.contains("old"), "{line}");
    until("readiness to say so", async || {
        service.page("/readyz").await.filter(|(_, page)| page.contains("the log has not told"))
    })
    .await;

    broker.stop();
    broker.change_password("new", "old");
    broker.resume();
    let ready = Some((200, "ready\n".to_owned()));
    until("readiness to come back", async || (service.page("/readyz").await == ready).then_some(())).await;
    assert_eq!(service.terminate().await.code(), Some(0));
}
