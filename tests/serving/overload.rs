//! More than the service takes on: what is refused, how, and what goes on all the same. Requests are
//! held by bodies that do not end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use headwater::proto;
use http::{HeaderMap, Method, Request};
use prost::Message;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::sandbox::messages::{answer, event, item, recommend};
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
        self.begin_if_up(path, timeout).await.expect("a connection that is up")
    }

    /// None if the connection has been cut.
    async fn begin_if_up(&mut self, path: &str, timeout: Option<&str>) -> Option<Held> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://{}{path}", self.address))
            .header("te", "trailers")
            .header("content-type", "application/grpc");
        if let Some(timeout) = timeout {
            request = request.header("grpc-timeout", timeout);
        }
        let mut sender = self.sender.clone().ready().await.ok()?;
        let (response, body) = sender.send_request(request.body(()).expect("a request"), false).ok()?;
        Some(Held { body, response })
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

    /// The status of an answer that has a body.
    async fn code(self) -> Code {
        let mut answer = self.response.await.expect("an answer").into_body();
        while let Some(data) = answer.data().await {
            let data = data.expect("a part of it");
            answer.flow_control().release_capacity(data.len()).expect("it was held");
        }
        let trailers = answer.trailers().await.expect("trailers").expect("a status");
        Status::from_header_map(&trailers).expect("a status").code()
    }

    /// What the service says although the request has not ended.
    async fn refusal(self) -> Status {
        let headers: HeaderMap = self.response.await.expect("an answer").into_parts().0.headers;
        drop(self.body);
        Status::from_header_map(&headers).expect("a status")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_do_not_come_keep_nobody_out_and_are_given_up() {
    let service = Home::on_journal().set("server.body_timeout", "1h").start().await;
    let (mut connections, mut held) = (Vec::new(), Vec::new());
    for _ in 0..33 {
        let mut raw = Raw::connect(service.grpc).await;
        for _ in 0..32 {
            let mut slow = raw.begin(PROFILE, None).await;
            slow.send(&[0], false);
            held.push(slow);
        }
        connections.push(raw);
    }
    // More than may be in flight, and than may be on their way.
    assert_eq!(held.len(), 1056);
    let metrics = until("as many to be waited for as may be", async || {
        let metrics = service.metrics().await;
        (metrics.with("headwater_shed_requests_total", "reason=\"slow_body\"") == 32).then_some(metrics)
    })
    .await;
    assert_eq!(metrics.sum("headwater_incoming_bodies"), 1024);
    assert_eq!(metrics.sum("headwater_requests_in_flight"), 0);
    // One whose body comes in two parts is among them for a moment.
    let mut raw = Raw::connect(service.grpc).await;
    for _ in 0..20 {
        service.recommender().recommend(recommend("u", 5, None)).await.expect("an answer");
        let mut parts = raw.begin("/headwater.v1.ModelService/ListModels", None).await;
        parts.send(&[0; 2], false);
        // The first one has another one give way; there is room for the others since.
        until("it to be waited for", async || {
            let metrics = service.metrics().await;
            let shed = metrics.with("headwater_shed_requests_total", "reason=\"slow_body\"");
            (shed == 33 && metrics.sum("headwater_incoming_bodies") == 1024).then_some(())
        })
        .await;
        parts.send(&[0; 3], true);
        assert_eq!(parts.code().await, Code::Ok);
    }
    drop((held, connections, raw));
    service.stop().await;

    let service = Home::on_journal().set("server.body_timeout", "20ms").start().await;
    let refused = Raw::connect(service.grpc).await.hold(PROFILE, 100, None).await.refusal().await;
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("`server.body_timeout`"), "{}", refused.message());
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_nobody_reads_are_let_go_of_and_others_are_answered() {
    let home = Home::on_journal().set("server.max_unsent_bytes", "1MiB").set("server.send_timeout", "5s");
    let service = home.start().await;
    let items = (0..1000).map(|number| item(&format!("{}-{number}", "x".repeat(200)), &[])).collect();
    service.catalog().put_items(proto::PutItemsRequest { items }).await.expect("they are taken");
    let list = until("a long list", async || {
        let list =
            answer(service.recommender().recommend(recommend("u", 1000, None)).await).expect("an answer");
        (list.items.len() == 1000).then_some(list)
    })
    .await;
    let length = list.encoded_len() as u64;
    assert!(length > 200_000);

    let question = recommend("u", 1000, None).encode_to_vec();
    let message = [&[0], (question.len() as u32).to_be_bytes().as_slice(), &question].concat();
    let ask_and_read_nothing = async |window| {
        let stream = TcpStream::connect(service.grpc).await.expect("a connection");
        let mut client = h2::client::Builder::new();
        let (sender, connection) =
            client.initial_window_size(window).handshake(stream).await.expect("HTTP/2");
        let ended = tokio::spawn(connection);
        let mut raw = Raw { sender, address: service.grpc };
        let mut held = raw.begin("/headwater.v1.RecommenderService/Recommend", None).await;
        held.send(&message, true);
        (held.response.await.expect("the head of an answer"), held.body, raw, ended)
    };
    // Whether there is room for nothing or for one byte.
    for window in [0, 1] {
        let mut unread = ask_and_read_nothing(window).await;
        let waits = service.metrics().await.sum("headwater_unsent_answers_bytes");
        assert!(waits > length - 10_000 && waits <= length + 5, "{waits} of {length}");
        let _ = (&mut unread.3).await.expect("the connection ends: it has read nothing for too long");
        assert_eq!(service.metrics().await.sum("headwater_unsent_answers_bytes"), 0);
    }

    // One that promises to read everything, and whose socket nobody reads.
    let before = service.metrics().await.sum("headwater_connections");
    let stream = TcpStream::connect(service.grpc).await.expect("a connection");
    let mut client = h2::client::Builder::new();
    client.initial_window_size(u32::MAX >> 1).initial_connection_window_size(u32::MAX >> 1);
    let (sender, mut connection) = client.handshake::<_, Bytes>(stream).await.expect("HTTP/2");
    let asked = Arc::new(Notify::new());
    let told = Arc::clone(&asked);
    let unread = tokio::spawn(async move {
        tokio::select! {
            _ = &mut connection => {}
            () = told.notified() => std::future::pending().await,
        }
    });
    let mut raw = Raw { sender, address: service.grpc };
    let mut held = Vec::new();
    for _ in 0..32 {
        // It may be cut before all are asked: what they come to is more than may wait.
        let Some(mut one) = raw.begin_if_up("/headwater.v1.RecommenderService/Recommend", None).await else {
            break;
        };
        one.send(&message, true);
        held.push(one);
    }
    // Its requests have been sent once one of them is answered, or it has been cut.
    let _ = (&mut held[0].response).await;
    asked.notify_one();
    until("it to be cut", async || {
        (service.metrics().await.sum("headwater_connections") == before).then_some(())
    })
    .await;
    unread.abort();
    drop((held, raw));

    let mut many = Vec::new();
    for _ in 0..2 * (1 << 20) / length {
        many.push(ask_and_read_nothing(0).await);
        let waits = service.metrics().await.sum("headwater_unsent_answers_bytes");
        assert!(waits <= (1 << 20) + length, "{waits}");
        service.recommender().recommend(recommend("u", 5, None)).await.expect("an answer");
    }
    drop(many);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_make_room_for_others_and_are_ended_after_a_while() {
    let home = Home::on_journal().set("server.max_connections", "10").set("server.connection_idle", "2s");
    let service = home.start().await;
    let mut idle = Vec::new();
    for _ in 0..30 {
        idle.push(TcpStream::connect(service.grpc).await.expect("a connection"));
    }
    for _ in 0..5 {
        let mut raw = Raw::connect(service.grpc).await;
        assert_eq!(raw.call("/headwater.v1.ModelService/ListModels", None).await.code().await, Code::Ok);
    }
    // Those that had to go are told so.
    let mut open = 0;
    for mut socket in idle {
        let mut told = Vec::new();
        let ended = tokio::time::timeout(Duration::from_millis(20), socket.read_to_end(&mut told)).await;
        open += usize::from(ended.is_err());
    }
    assert!(open <= 10, "{open} are open");
    until("all to be ended", async || {
        (service.metrics().await.sum("headwater_connections") == 0).then_some(())
    })
    .await;
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
    let mut larger = Raw::connect(service.grpc).await;
    let refused = larger.hold(PUBLISH, 16 * MIB - 5, None).await.refusal().await;
    assert!(refused.message().contains("`server.max_upload_bytes`"), "{}", refused.message());
    // One that is smaller than what another connection has on its way.
    assert_eq!(publish(10_000).await.expect("the other makes room").accepted, 10_000);
    let given_up = uploads.join_next().await.expect("the last one").expect("it ends");
    assert!(given_up.message().contains("`server.body_timeout`"), "{}", given_up.message());
    drop((raw, larger));
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
