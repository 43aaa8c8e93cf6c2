//! From not ready over ready to drained, and what health says on the way.

use std::collections::BTreeSet;

use headwater::log::partition_of;
use headwater::proto;
use tokio_stream::StreamExt;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use super::sandbox::kafka::Broker;
use super::sandbox::messages::{answer, event, item, recommend};
use super::sandbox::producer::Producer;
use super::sandbox::service::{Clients, Home, until};

const TS: i64 = 1_700_000_000_000;
const SERVICES: [&str; 6] = [
    "headwater.v1.CatalogService",
    "headwater.v1.EventService",
    "headwater.v1.ModelService",
    "headwater.v1.ProfileService",
    "headwater.v1.RecommenderService",
    "headwater.v1.StatusService",
];

async fn health(service: &Clients, name: &str) -> ServingStatus {
    let request = HealthCheckRequest { service: name.to_owned() };
    let answered = HealthClient::new(service.channel.clone()).check(request).await;
    answered.expect("the service is known").into_inner().status()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_list_of_one_that_is_ready_again_is_that_of_before_the_stop() {
    let home = Home::on_journal().set("server.pool_refresh", "50ms");
    let service = home.start().await;
    let items = (0..40).map(|n| item(&format!("i{n}"), &[["travel", "health"][n % 2]])).collect();
    answer(service.catalog().put_items(proto::PutItemsRequest { items }).await).expect("put");
    let now = headwater::clock::wall_clock();
    let popular = (0..30).map(|n| event(&format!("u{n}"), "i1", "click", now));
    let ada = (0..3).map(|n| event("ada", &format!("i{}", 2 * n), "like", now));
    let events: Vec<_> = popular.chain(ada).collect();
    let count = events.len() as u64;
    answer(service.events().publish(proto::PublishRequest { events }).await).expect("published");
    service.until_events(count).await;
    let travel = || {
        let filter = proto::Filter { categories_any: vec!["travel".into()], ..proto::Filter::default() };
        proto::RecommendRequest { filter: Some(filter), ..recommend("ada", 5, None) }
    };
    let told = async |service: &Clients| {
        let mut lists = Vec::new();
        for request in [recommend("ada", 5, None), recommend("", 5, None), travel()] {
            let list = answer(service.recommender().recommend(request).await).expect("a list");
            assert!(!list.degraded, "{list:?}");
            let why = |item: &proto::RankedItem| (item.item_id.to_string(), item.reason.to_string());
            lists.push(list.items.iter().map(why).collect::<Vec<_>>());
        }
        lists
    };
    let before = until("the index to know all of it", async || {
        let lists = told(&service).await;
        lists.iter().all(|list| list.len() == 5).then_some(lists)
    })
    .await;
    assert!(before[0].iter().any(|(_, why)| why == "interest in travel"), "{before:?}");
    assert_eq!(before[1][0], ("i1".to_owned(), "popular now".to_owned()));
    service.stop().await;

    // Nothing else makes pools.
    let home = home.set("server.pool_refresh", "1h");
    let service = home.start().await;
    assert_eq!(told(&service).await, before);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_serves_but_is_not_ready_until_it_has_caught_up() {
    let broker = tokio::task::spawn_blocking(Broker::bereft).await.expect("a broker");
    let home = Home::on_kafka(broker).set("ingest.max_lag", "0");
    let topics = home.topics();
    // No dead letter is acknowledged, so that the worker can't get past a bad record.
    broker.create_unacknowledged(&topics.dead_letters);
    home.start().await.stop().await;
    let producer = Producer::new(broker);
    producer.send(&topics.clicks, "u", "not an event");
    producer.flush();

    let service = home.start_unready().await;
    // Wherever it is in its start: it must not claim to be ready.
    for name in SERVICES.into_iter().chain([""]) {
        assert_eq!(health(&service, name).await, ServingStatus::NotServing, "`{name}`");
    }
    assert_eq!(service.page("/healthz").await, Some((200, "ok\n".to_owned())));
    let (status, why) = service.page("/readyz").await.expect("a page");
    assert_eq!(status, 503);
    assert!(why.starts_with("not ready: state has not caught up with the log yet"), "{why}");
    let list = answer(service.recommender().recommend(recommend("u", 5, None)).await).expect("an answer");
    assert!(list.degraded);
    assert!(list.degraded_reason.starts_with("state has not caught up with the log yet"), "{list:?}");
    let behind = format!(
        "not ready: state has not caught up with the log yet: partition {} of `{}` lags by 1\n",
        partition_of(b"u", 8),
        topics.clicks
    );
    until("the partition that is behind to be named", async || {
        (service.page("/readyz").await == Some((503, behind.clone()))).then_some(())
    })
    .await;
    let lag = service.metrics().await.sum("headwater_lag_records");
    assert_eq!(lag, 1, "the lag is told");

    broker.acknowledge(&topics.dead_letters);
    until("readiness", async || {
        (service.page("/readyz").await == Some((200, "ready\n".to_owned()))).then_some(())
    })
    .await;
    for name in SERVICES {
        until("health of every service", async || {
            (health(&service, name).await == ServingStatus::Serving).then_some(())
        })
        .await;
    }
    assert_eq!(health(&service, "").await, ServingStatus::Serving);
    let request = HealthCheckRequest { service: "no.such.Service".to_owned() };
    let unknown = HealthClient::new(service.channel.clone()).check(request).await.expect_err("unknown");
    assert_eq!(unknown.code(), Code::NotFound);
    let list = answer(service.recommender().recommend(recommend("u", 5, None)).await).expect("an answer");
    assert!(!list.degraded && list.degraded_reason.is_empty());
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reflection_lists_every_service() {
    let home = Home::on_journal();
    let service = home.start().await;
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(service.channel.clone());
    let mut answers = client
        .server_reflection_info(tokio_stream::once(request))
        .await
        .expect("reflection answers")
        .into_inner();
    let answered = answers.next().await.expect("an answer").expect("an answer").message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answered else { panic!("{answered:?}") };
    let names: BTreeSet<&str> = list.service.iter().map(|service| service.name.as_str()).collect();
    for name in SERVICES.into_iter().chain(["grpc.health.v1.Health"]) {
        assert!(names.contains(name), "{name} is not in {names:?}");
    }
    drop(answers);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_in_flight_is_finished_while_others_are_shed_and_new_connections_refused() {
    let broker = tokio::task::spawn_blocking(Broker::bereft).await.expect("a broker");
    let home =
        Home::on_kafka(broker).set("server.max_concurrent_requests", "1").set("server.shutdown_grace", "4m");
    let clicks = home.topics().clicks;
    // The broker does not acknowledge, so that a call of Publish waits.
    broker.create_unacknowledged(&clicks);
    let process = home.spawn().await;
    let mut events = process.events();
    let request = proto::PublishRequest { events: vec![event("u", "i", "click", TS)] };
    // It may itself meet one of the questions below, and be shed.
    let publishing = tokio::spawn(async move {
        loop {
            match answer(events.publish(request.clone()).await) {
                Err((Code::ResourceExhausted, _)) => tokio::task::yield_now().await,
                ended => return ended,
            }
        }
    });
    let shed = until("a request to be shed", async || {
        answer(process.recommender().recommend(recommend("u", 5, None)).await).err()
    })
    .await;
    assert_eq!(shed.0, Code::ResourceExhausted);
    assert!(shed.1.contains("`server.max_concurrent_requests`"), "{}", shed.1);

    process.signal("TERM");
    let http = process.http;
    until("new connections to be refused", async || {
        tokio::net::TcpStream::connect(http).await.is_err().then_some(())
    })
    .await;
    assert!(!publishing.is_finished());
    broker.acknowledge(&clicks);
    let published = publishing.await.expect("it ends").expect("it is acknowledged");
    assert_eq!((published.accepted, published.rejected.len()), (1, 0));
    assert_eq!(process.wait().await.code(), Some(0));
}

/// What a watcher of a service's health is told.
async fn watch_health(service: &Clients, name: &str) -> tonic::Streaming<HealthCheckResponse> {
    let request = HealthCheckRequest { service: name.to_owned() };
    let watching = HealthClient::new(service.channel.clone()).watch(request).await;
    watching.expect("the service is known").into_inner()
}

async fn next(watcher: &mut tonic::Streaming<HealthCheckResponse>) -> ServingStatus {
    watcher.next().await.expect("it goes on").expect("a status").status()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_is_told_first_and_requests_are_served_until_the_delay_is_over_or_a_second_signal_comes() {
    let home = Home::on_journal().set("server.shutdown_delay", "1h");
    let process = home.spawn().await;
    let mut watchers = Vec::new();
    for name in SERVICES.into_iter().chain([""]) {
        watchers.push(watch_health(&process, name).await);
        assert_eq!(next(watchers.last_mut().expect("one")).await, ServingStatus::Serving, "`{name}`");
    }
    process.signal("TERM");
    for watcher in &mut watchers {
        assert_eq!(next(watcher).await, ServingStatus::NotServing);
    }
    let stopping = Some((503, "not ready: stopping\n".to_owned()));
    assert_eq!(process.page("/readyz").await, stopping);
    assert_eq!(health(&process, "").await, ServingStatus::NotServing);
    // On a new connection too: not everybody knows yet.
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", process.grpc)).expect("one");
    let mut late = proto::recommender_service_client::RecommenderServiceClient::new(
        endpoint.connect().await.expect("it still listens"),
    );
    let list = answer(late.recommend(recommend("u", 5, None)).await).expect("an answer");
    assert!(!list.degraded, "nothing is wrong with it: {}", list.degraded_reason);
    let request = proto::PublishRequest { events: vec![event("u", "i", "click", TS)] };
    assert_eq!(answer(process.events().publish(request).await).expect("published").accepted, 1);

    process.signal("TERM");
    assert_eq!(process.wait().await.code(), Some(1));
    let log = std::fs::read_to_string(home.path("log")).expect("the log");
    assert!(log.trim_end().lines().last().is_some_and(|line| line.contains("by a second signal")), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_delay_watchers_of_health_hold_up_nothing() {
    // A watcher that kept its connection open would hold up the stop for half of the grace.
    let home = Home::on_journal().set("server.shutdown_delay", "10ms").set("server.shutdown_grace", "1h");
    let process = home.spawn().await;
    let mut watcher = watch_health(&process, "").await;
    assert_eq!(next(&mut watcher).await, ServingStatus::Serving);
    process.signal("TERM");
    assert_eq!(next(&mut watcher).await, ServingStatus::NotServing);
    assert!(watcher.next().await.is_none(), "it ends in order");
    assert_eq!(process.wait().await.code(), Some(0));
}
