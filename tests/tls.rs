//! TLS to what the service stands on: to brokers by librdkafka and OpenSSL, to an object store by
//! rustls. Real servers, with a certificate that only the test knows.

mod sandbox;

use sandbox::certificate::Certificate;
use sandbox::kafka::Broker;
use sandbox::s3::S3;
use sandbox::service::{Home, run_to_end};
use sandbox::world::World;

/// A home whose log is reached by TLS.
fn on_kafka(broker: &Broker) -> Home {
    let address = broker.tls_address.as_ref().expect("a port for TLS");
    Home::on_kafka(broker)
        .set("kafka.brokers", address)
        .set("kafka.partitions", "2")
        .set("kafka.properties.security.protocol", "SSL")
}

fn pem(certificate: &Certificate) -> String {
    certificate.pem().to_str().expect("a UTF-8 path").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_go_through_a_broker_and_snapshots_into_a_bucket_over_tls() {
    let certificate = Certificate::make();
    let (world, broker, s3) =
        (World::small(), Broker::start_with_tls(&certificate), S3::start_with_tls(&certificate));
    let home = s3
        .keeps(on_kafka(&broker), "tls")
        .set("kafka.properties.ssl.ca.location", pem(&certificate))
        .variable("SSL_CERT_FILE", &pem(&certificate));
    let first = home.spawn().await;
    world.put_items(&first).await;
    world.publish(&first, 0..500, 0).await;
    let answers = world.digest(&first).await;
    assert_eq!(first.terminate().await.code(), Some(0));
    assert_eq!(s3.objects("tls", ".snap").len(), 2, "one of each partition");

    let second = home.spawn().await;
    assert!(world.digest(&second).await == answers, "answers from the bucket differ");
    assert_eq!(second.terminate().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_whose_certificate_nobody_vouches_for_is_refused() {
    let certificate = Certificate::make();
    let broker = Broker::start_with_tls(&certificate);
    let (code, message) = run_to_end(&mut on_kafka(&broker).serve());
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("verify that ssl.ca.location is correctly configured"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_store_whose_certificate_nobody_vouches_for_is_refused() {
    let s3 = S3::start_with_tls(&Certificate::make());
    let (code, message) = run_to_end(&mut s3.keeps(Home::on_journal(), "tls").serve());
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("its certificate is one to trust"), "{message}");
}
