//! More than the service takes on: what is refused, how, and what goes on all the same. Requests are
//! held in flight by bodies that do not end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use headwater::proto;
use http::{HeaderMap, Method, Request};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

use super::sandbox::messages::{answer, event, recommend};
use super::sandbox::service::{Home, until};

const TS: i64 = 1_700_000_000_000;
pub const PROFILE: &str = "/headwater.v1.ProfileService/GetProfile";
const PUBLISH: &str = "/headwater.v1.EventService/Publish";
/// A message of this length is announced; what of it is sent is up to each test.
const MIB: u32 = 1 << 20;

/// A connection without anything on top.
pub struct Raw {
    sender: SendRequest<Bytes>,
    address: SocketAddr,
}

/// A request whose body has not ended.
pub struct Held {
    body: SendStream<Bytes>,
    response: ResponseFuture,
}

impl Raw {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        let (sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
        tokio::spawn(connection);
        Self { sender, address }
    }

    /// Begins a call and announces a message of so many bytes.
    pub async fn hold(&mut self, path: &str, bytes: u32, timeout: Option<&str>) -> Held {
        let mut held = self.begin(path, timeout).await;
        held.announce(bytes);
        held
    }

    /// Calls with an empty message, which is there when the call's turn comes.
    async fn call(&mut self, path: &str, timeout: Option<&str>) -> Held {
        let mut held = self.begin(path, timeout).await;
        held.send(&[0; 5], true);
        held
    }

    async fn begin(&mut self, path: &str, timeout: Option<&str>) -> Held {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://{}{path}", self.address))
            .header("te", "trailers")
            .header("content-type", "application/grpc");
        if let Some(timeout) = timeout {
            request = request.header("grpc-timeout", timeout);
        }
        let mut sender = self.sender.clone().ready().await.expect("a connection that is up");
        let (response, body) =
            sender.send_request(request.body(()).expect("a request"), false).expect("a stream");
        Held { body, response }
    }
}

impl Held {
    /// Sends a part of the body, unless the service has answered already: it need not wait for what it
    /// does not want, and its answer is what each test looks at.
    fn send(&mut self, part: &[u8], end: bool) {
        let _ = self.body.send_data(Bytes::copy_from_slice(part), end);
    }

    /// Announces a message of so many bytes, in two parts as a network may deliver it.
    fn announce(&mut self, bytes: u32) {
        let [a, b, c, d] = bytes.to_be_bytes();
        self.send(&[0, a, b], false);
        self.send(&[c, d], false);
    }

    /// What the service says although the request has not ended.
    async fn refusal(self) -> Status {
        let headers: HeaderMap = self.response.await.expect("an answer").into_parts().0.headers;
        drop(self.body);
        Status::from_header_map(&headers).expect("a status")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_many_is_refused_with_a_hint_while_health_answers_and_then_served_again() {
    let home = Home::on_journal().set("server.max_concurrent_requests", "2");
    let service = home.start().await;
    let mut raw = Raw::connect(service.grpc).await;
    let held = [raw.hold(PROFILE, 100, None).await, raw.hold(PROFILE, 100, None).await];
    until("both to be in flight", async || {
        (service.metrics().await.sum("headwater_requests_in_flight") == 2).then_some(())
    })
    .await;
    let refused = service.recommender().recommend(recommend("u", 5, None)).await.expect_err("a refusal");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("`server.max_concurrent_requests`"), "{}", refused.message());
    let hint = refused.get_details_retry_info().expect("a hint");
    assert_eq!(hint.retry_delay, Some(Duration::from_millis(100)));
    let pushback = refused.metadata().get("grpc-retry-pushback-ms").expect("a hint for clients that retry");
    assert_eq!(pushback, "100");

    let request = HealthCheckRequest { service: String::new() };
    HealthClient::new(service.channel.clone()).check(request).await.expect("health is never refused");
    assert_eq!(service.page("/readyz").await.map(|(status, _)| status), Some(200));
    let metrics = service.metrics().await;
    assert!(metrics.with("headwater_shed_requests_total", "reason=\"in_flight\"") >= 1);
    assert_eq!(metrics.with("headwater_requests_total", "code=\"RESOURCE_EXHAUSTED\""), 0, "none was begun");

    drop((held, raw));
    until("an answer", async || service.recommender().recommend(recommend("u", 5, None)).await.ok()).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_that_has_passed_ends_a_request_before_it_is_begun_or_while_it_waits() {
    let service = Home::on_journal().start().await;
    let mut raw = Raw::connect(service.grpc).await;
    // Each comes as a whole: it would be answered at once if it were begun.
    for _ in 0..20 {
        let refused = raw.call(PROFILE, Some("0n")).await.refusal().await;
        assert_eq!(refused.code(), Code::DeadlineExceeded, "{refused}");
    }
    assert_eq!(service.metrics().await.sum("headwater_requests_total"), 0, "it was begun");

    let waits = raw.hold(PROFILE, 100, Some("20m")).await;
    assert_eq!(waits.refusal().await.code(), Code::DeadlineExceeded);
    let metrics = service.metrics().await;
    assert_eq!(metrics.with("headwater_shed_requests_total", "reason=\"deadline\""), 21);
    service.stop().await;

    let service = Home::on_journal().set("server.request_timeout", "20ms").start().await;
    let mut raw = Raw::connect(service.grpc).await;
    let refused = raw.hold(PROFILE, 100, Some("1H")).await.refusal().await;
    assert_eq!(refused.code(), Code::DeadlineExceeded);
    assert!(refused.message().contains("`server.request_timeout`"), "{}", refused.message());
    drop(raw);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_messages_share_what_is_set_aside_for_them() {
    let home = Home::on_journal().set("server.max_upload_bytes", "16MiB");
    let service = home.start().await;
    let mut raw = Raw::connect(service.grpc).await;
    let mut uploads = JoinSet::new();
    for _ in 0..8 {
        let held = raw.hold(PUBLISH, 12 * MIB, None).await;
        uploads.spawn(held.refusal());
    }
    for _ in 0..7 {
        let refused = uploads.join_next().await.expect("seven of eight").expect("it ends");
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
        assert!(refused.message().contains("`server.max_upload_bytes`"), "{}", refused.message());
        assert!(refused.get_details_retry_info().is_some());
    }
    let metrics = service.metrics().await;
    assert_eq!(metrics.with("headwater_shed_requests_total", "reason=\"upload_bytes\""), 7);
    assert_eq!(uploads.len(), 1);

    let publish = async |count: usize| {
        let id = "x".repeat(256);
        let events = (0..count).map(|_| event(&id, &id, "click", TS)).collect();
        answer(service.events().publish(proto::PublishRequest { events }).await)
    };
    assert_eq!(publish(1).await.expect("a small one needs no room").accepted, 1);
    let refused = publish(10_000).await.expect_err("there is no room for a large one");
    assert_eq!(refused.0, Code::ResourceExhausted, "{}", refused.1);
    uploads.abort_all();
    let published =
        until("the room of the upload that was given up", async || publish(10_000).await.ok()).await;
    assert_eq!(published.accepted, 10_000);
    drop(raw);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_message_of_a_body_is_weighed_and_not_the_first_one_alone() {
    let home = Home::on_journal().set("server.max_upload_bytes", "16MiB");
    let service = home.start().await;
    let mut raw = Raw::connect(service.grpc).await;
    let mut uploads = JoinSet::new();
    for _ in 0..8 {
        let mut held = raw.begin(PUBLISH, None).await;
        // Two that are nothing, and the head of a third one beside the end of the second.
        held.send(&[0; 8], false);
        held.send(&[0; 2], false);
        held.announce(12 * MIB);
        uploads.spawn(held.refusal());
    }
    for _ in 0..7 {
        let refused = uploads.join_next().await.expect("seven of eight").expect("it ends");
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
        assert!(refused.message().contains("`server.max_upload_bytes`"), "{}", refused.message());
    }
    uploads.abort_all();
    drop(raw);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_stands_still_for_a_moment_each_second_refuses_nobody() {
    let process = Home::on_journal().spawn().await;
    let asking = Arc::new(AtomicBool::new(true));
    let mut callers = JoinSet::new();
    for _ in 0..8 {
        let (mut recommender, asking) = (process.recommender(), Arc::clone(&asking));
        callers.spawn(async move {
            let mut answers = 0;
            while asking.load(Ordering::Relaxed) {
                recommender.recommend(recommend("u", 5, None)).await.expect("an answer");
                answers += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            answers
        });
    }
    for _ in 0..5 {
        process.signal("STOP");
        tokio::time::sleep(Duration::from_millis(50)).await;
        process.signal("CONT");
        tokio::time::sleep(Duration::from_millis(450)).await;
    }
    asking.store(false, Ordering::Relaxed);
    let answers: usize = callers.join_all().await.into_iter().sum();
    assert!(answers > 0);
    assert_eq!(process.metrics().await.sum("headwater_shed_requests_total"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_told_how_many_requests_it_may_have_in_flight() {
    let service = Home::on_journal().set("server.max_concurrent_streams", "3").start().await;
    let mut raw = Raw::connect(service.grpc).await;
    until("the server's settings", async || (raw.sender.current_max_send_streams() == 3).then_some(())).await;
    let held = [raw.hold(PROFILE, 100, None).await, raw.hold(PROFILE, 100, None).await];
    assert_eq!(raw.sender.current_max_send_streams(), 3);
    drop((held, raw));
    service.stop().await;
}
