//! More than can be carried: what is refused, what the client is told, and what stays free.

use std::time::Duration;

use bytes::Bytes;
use headwater::proto;
use http::{HeaderMap, Method, Request};
use prost::Message;
use tokio::net::TcpStream;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

use super::sandbox::kafka::Broker;
use super::sandbox::messages::{event, recommend};
use super::sandbox::service::{Home, Process, until};

const TS: i64 = 1_700_000_000_000;
const PUBLISH: &str = "/headwater.v1.EventService/Publish";

/// A connection of HTTP/2 without anything on top.
async fn connect(process: &Process) -> h2::client::SendRequest<Bytes> {
    let stream = TcpStream::connect(process.address).await.expect("a connection");
    let (sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    tokio::spawn(connection);
    sender.ready().await.expect("it is up")
}

/// Begins a request whose body is still to come.
fn begin(
    process: &Process,
    sender: &mut h2::client::SendRequest<Bytes>,
    headers: &[(&str, &str)],
) -> (h2::client::ResponseFuture, h2::SendStream<Bytes>) {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(format!("http://{}{PUBLISH}", process.address))
        .header("te", "trailers")
        .header("content-type", "application/grpc");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    sender.send_request(request.body(()).expect("a request"), false).expect("a stream")
}

/// The status of an answer that is a status only, or in the trailers of one that is more.
async fn status(answer: h2::client::ResponseFuture) -> HeaderMap {
    let answer = answer.await.expect("an answer");
    if answer.headers().contains_key("grpc-status") {
        return answer.headers().clone();
    }
    let mut body = answer.into_body();
    while body.data().await.is_some() {}
    body.trailers().await.expect("trailers").expect("trailers")
}

fn framed(message: &impl Message) -> Bytes {
    let message = message.encode_to_vec();
    [&[0][..], &(message.len() as u32).to_be_bytes(), &message].concat().into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_much_is_refused_with_a_hint_when_to_try_again_and_health_is_not() {
    let process = Home::on_journal().set("server.max_concurrent_requests", "2").spawn().await;
    let mut sender = connect(&process).await;
    let (first, mut first_body) = begin(&process, &mut sender, &[]);
    let (second, _second_body) = begin(&process, &mut sender, &[]);
    let refused = until("a request to be refused", async || {
        process.recommender().recommend(recommend("u", 5, None)).await.err()
    })
    .await;
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let expected =
        "as many requests as `server.max_concurrent_requests` allows are in flight: try again in 100 ms";
    assert_eq!(refused.message(), expected);
    assert_eq!(refused.metadata().get("grpc-retry-pushback-ms").expect("a hint"), "100");
    let hint = refused.get_details_retry_info().and_then(|info| info.retry_delay);
    assert_eq!(hint, Some(Duration::from_millis(100)));

    let health = HealthClient::new(process.channel.clone()).check(HealthCheckRequest::default()).await;
    assert!(health.is_ok(), "{health:?}");
    assert!(process.is_ready().await);
    let metrics = process.metrics().await;
    assert!(metrics.with("headwater_shed_requests_total", "in_flight") > 0);
    assert!(metrics.with("headwater_requests_total", "RESOURCE_EXHAUSTED") > 0);

    // What was let in is not disturbed, and what is over makes room.
    let request = proto::PublishRequest { events: vec![event("u", "i", "click", TS)] };
    first_body.send_data(framed(&request), true).expect("it takes the body");
    assert_eq!(status(first).await.get("grpc-status").expect("a status"), "0");
    assert!(process.recommender().recommend(recommend("u", 5, None)).await.is_ok());
    drop(second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_ends_a_request_that_waits_and_one_that_is_over_is_not_begun() {
    let broker = tokio::task::spawn_blocking(Broker::shared).await.expect("a broker");
    let home = Home::on_kafka(broker);
    // The broker does not acknowledge, so that a call of Publish waits.
    broker.create_topic(&home.topics().clicks, 1, &["min.insync.replicas=2"]);
    let process = home.spawn().await;
    let mut sender = connect(&process).await;
    let request = framed(&proto::PublishRequest { events: vec![event("u", "i", "click", TS)] });

    let (answer, mut body) = begin(&process, &mut sender, &[("grpc-timeout", "300m")]);
    body.send_data(request.clone(), true).expect("it takes the body");
    let ended = status(answer).await;
    assert_eq!(ended.get("grpc-status").expect("a status"), "4", "{ended:?}");
    let metrics = process.metrics().await;
    assert_eq!(metrics.with("headwater_requests_total", "method=\"Publish\",code=\"DEADLINE_EXCEEDED\""), 1);

    // A question is answered whole at its first turn, unless it is too late for it.
    let mut question = recommend("u", 5, None);
    question.request_id = "late".into();
    let mut question = tonic::Request::new(question);
    question.metadata_mut().insert("grpc-timeout", "0n".parse().expect("a timeout"));
    let late = process.recommender().recommend(question).await.expect_err("it is too late");
    assert_eq!(late.code(), Code::DeadlineExceeded, "{late}");
    assert!(late.message().contains("`grpc-timeout`"), "{late}");
    let metrics = process.metrics().await;
    assert_eq!(metrics.with("headwater_requests_total", "method=\"Recommend\",code=\"OK\""), 0);

    // Nor does the service let one wait for ever that names no deadline.
    let patient = Home::on_journal().set("server.request_timeout", "200ms").spawn().await;
    let mut sender = connect(&patient).await;
    let (answer, _body) = begin(&patient, &mut sender, &[]);
    let ended = status(answer).await;
    assert_eq!(ended.get("grpc-status").expect("a status"), "4");
    let message = ended.get("grpc-message").and_then(|text| text.to_str().ok()).expect("a message");
    assert!(message.contains("server.request_timeout"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_are_being_sent_take_no_more_memory_than_they_may() {
    const MB: usize = 1 << 20;
    let process = Home::on_journal().set("server.max_request_bytes", "8MiB").spawn().await;
    // Each announces 15 MB and stops before its end: none can be answered, all have to be kept.
    let mut head = vec![0];
    head.extend((15 * MB as u32).to_be_bytes());
    let mut open = Vec::new();
    let mut refused = 0;
    for _ in 0..6 {
        let mut sender = connect(&process).await;
        let (answer, mut body) = begin(&process, &mut sender, &[]);
        body.send_data(Bytes::copy_from_slice(&head), false).expect("it takes the head");
        let mut sent = 0;
        while sent < 4 * MB {
            body.reserve_capacity(256 << 10);
            let capacity = std::future::poll_fn(|context| body.poll_capacity(context));
            // One that is refused takes no more.
            let Some(Ok(capacity)) = capacity.await else { break };
            if body.send_data(Bytes::from(vec![0; capacity]), false).is_err() {
                break;
            }
            sent += capacity;
        }
        if sent < 4 * MB {
            let ended = status(answer).await;
            assert_eq!(ended.get("grpc-status").expect("a status"), "8", "{ended:?}");
            assert_eq!(ended.get("grpc-retry-pushback-ms").expect("a hint"), "100");
            refused += 1;
        } else {
            open.push((sender, answer, body));
        }
    }
    assert!((1..=2).contains(&open.len()) && refused >= 4, "{} are open, {refused} were refused", open.len());
    let shed = process.metrics().await.with("headwater_shed_requests_total", "reason=\"bytes\"");
    assert_eq!(shed, refused);
    // Those who go give back what they took.
    drop(open);
    let request = proto::PublishRequest { events: vec![event("u", "i", "click", TS)] };
    until("room for others", async || process.events().publish(request.clone()).await.ok()).await;
}
