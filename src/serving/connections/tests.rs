//! How requests wait, seen through a real connection. Client and server share one thread, so that all
//! requests of a test have been sent before any of them is read, and one that blocks the thread holds
//! up all that were read with it: each blocks for as long as its path says.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use tokio::sync::oneshot;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::*;
use crate::serving::admission::AdmissionSettings;
use crate::telemetry::ShedRequests;

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// `/headwater.v1.Test/MS` blocks the thread for so many ms, `pending` waits for a moment without
/// blocking it, `ever` waits for ever, `panic` panics.
#[derive(Clone, Default)]
struct Blocking {
    begun: Arc<AtomicUsize>,
}

impl Service<Request<Body>> for Blocking {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            match request.uri().path().rsplit('/').next() {
                Some("panic") => panic!("as it was asked to"),
                Some("pending") => tokio::task::yield_now().await,
                Some("ever") => std::future::pending().await,
                Some(ms) => std::thread::sleep(Duration::from_millis(ms.parse().expect("a number"))),
                None => {}
            }
            Ok(Status::ok("").into_http())
        })
    }
}

/// A server, and a connection to it.
struct Pair {
    begun: Arc<AtomicUsize>,
    sender: SendRequest<Bytes>,
    stop: oneshot::Sender<()>,
    served: tokio::task::JoinHandle<Result<(), WorkerEnded>>,
}

impl Pair {
    /// One where no queue of a test stands.
    async fn start() -> Self {
        Self::with(AdmissionSettings { queue_interval: Duration::from_secs(3600), ..Default::default() })
            .await
    }

    async fn with(settings: AdmissionSettings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let services = Blocking::default();
        let begun = Arc::clone(&services.begun);
        let admission = Admission::new(settings, &ShedRequests::default());
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async move { drop(stopped.await) };
        let served = serve(listener, services, Arc::new(admission), Line::default(), 7401, shutdown);
        let served = tokio::spawn(served);
        let stream = TcpStream::connect(address).await.expect("a connection");
        let (sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
        tokio::spawn(connection);
        let pair = Self { begun, sender, stop, served };
        // From here on the connection is known to both sides.
        assert_eq!(pair.ask(&[("0", None)]).await, [Code::Ok]);
        pair.begun.store(0, Ordering::Relaxed);
        pair
    }

    /// Sends all, then tells how each was answered. A part with `None` has no deadline.
    async fn ask(&self, requests: &[(&str, Option<&str>)]) -> Vec<Code> {
        let mut sender = self.sender.clone().ready().await.expect("a connection that is up");
        let answers: Vec<_> = requests.iter().map(|request| send(&mut sender, *request)).collect();
        let mut codes = Vec::new();
        for answer in answers {
            codes.push(code(answer).await);
        }
        codes
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    async fn stop(self) {
        let _ = self.stop.send(());
        drop(self.sender);
        self.served.await.expect("the server ends").expect("as it was told to");
    }
}

fn send(sender: &mut SendRequest<Bytes>, (path, timeout): (&str, Option<&str>)) -> ResponseFuture {
    let mut request = Request::post(format!("http://test/headwater.v1.Test/{path}"));
    request = request.header("content-type", "application/grpc");
    if let Some(timeout) = timeout {
        request = request.header("grpc-timeout", timeout);
    }
    sender.send_request(request.body(()).expect("a request"), true).expect("it is sent").0
}

/// A request whose stream was reset has none of gRPC's codes.
async fn code(answer: ResponseFuture) -> Code {
    match answer.await {
        Ok(answer) => Status::from_header_map(answer.headers()).expect("a status").code(),
        Err(_) => Code::Aborted,
    }
}

#[tokio::test]
async fn the_wait_is_from_when_a_request_was_read_to_when_its_turn_comes() {
    let pair = Pair::start().await;
    let late = ("0", Some("20m"));
    let codes = pair.ask(&[("60", None), late, ("0", None), late]).await;
    assert_eq!(codes, [Code::Ok, Code::DeadlineExceeded, Code::Ok, Code::DeadlineExceeded]);
    assert_eq!(pair.begun(), 2, "their deadline had passed before it was their turn");
    pair.stop().await;
}

#[tokio::test]
async fn a_hiccup_that_is_shorter_than_the_interval_has_nobody_refused() {
    let pair = Pair::start().await;
    for _ in 0..5 {
        let hiccup = std::iter::once(("60", None));
        let requests: Vec<_> = hiccup.chain(std::iter::repeat_n(("0", None), 30)).collect();
        assert_eq!(pair.ask(&requests).await, [Code::Ok; 31]);
    }
    pair.stop().await;
}

#[tokio::test]
async fn a_queue_that_stands_is_cut_and_then_served_again() {
    let pair = Pair::with(AdmissionSettings::default()).await;
    let codes = pair.ask(&[("30", None); 32]).await;
    let served = codes.iter().take_while(|code| **code == Code::Ok).count();
    // All but the first have waited too long; the interval begins with the second.
    assert!((1..=5).contains(&served), "{codes:?}");
    assert!(codes[served..].iter().all(|code| *code == Code::ResourceExhausted), "{codes:?}");
    assert_eq!(pair.begun(), served);
    // Soon: until it is over, one that a hiccup of the machine holds up may be refused.
    while pair.ask(&[("0", None); 5]).await != [Code::Ok; 5] {}
    pair.stop().await;
}

#[tokio::test]
async fn a_request_that_panics_or_waits_holds_nobody_up() {
    let pair = Pair::start().await;
    let codes =
        pair.ask(&[("panic", None), ("0", None), ("pending", None), ("panic", None), ("0", None)]).await;
    assert_eq!(codes, [Code::Aborted, Code::Ok, Code::Ok, Code::Aborted, Code::Ok]);
    pair.stop().await;
}

#[tokio::test]
async fn what_has_been_sent_is_answered_when_the_server_stops() {
    let pair = Pair::start().await;
    let mut sender = pair.sender.clone().ready().await.expect("a connection that is up");
    let answers: Vec<_> = (0..5).map(|_| send(&mut sender, ("5", None))).collect();
    // The client's connection writes them, and the server's reads them, before the server is told.
    while pair.begun() == 0 {
        tokio::task::yield_now().await;
    }
    let _ = pair.stop.send(());
    for answer in answers {
        assert_eq!(code(answer).await, Code::Ok);
    }
    drop((sender, pair.sender));
    pair.served.await.expect("the server ends").expect("as it was told to");
}

#[tokio::test]
async fn what_is_too_many_is_refused_with_a_hint_while_others_packages_are_served() {
    let pair = Pair::with(AdmissionSettings { max_concurrent_requests: 2, ..Default::default() }).await;
    let mut sender = pair.sender.clone().ready().await.expect("a connection that is up");
    let held = [send(&mut sender, ("ever", None)), send(&mut sender, ("ever", None))];
    let refused = send(&mut sender, ("0", None)).await.expect("an answer");
    let refused = Status::from_header_map(refused.headers()).expect("a status");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("`server.max_concurrent_requests`"), "{}", refused.message());
    let hint = refused.get_details_retry_info().expect("a hint");
    assert_eq!(hint.retry_delay, Some(Duration::from_millis(100)));
    let pushback = refused.metadata().get("grpc-retry-pushback-ms").expect("a hint for clients that retry");
    assert_eq!(pushback, "100");
    assert_eq!(pair.begun(), 2);

    let health =
        Request::post("http://test/grpc.health.v1.Health/0").header("content-type", "application/grpc");
    let health = health.body(()).expect("a request");
    let answer = sender.send_request(health, true).expect("it is sent").0;
    assert_eq!(code(answer).await, Code::Ok, "health is never refused");
    drop(held);
    while pair.ask(&[("0", None)]).await != [Code::Ok] {}
    pair.stop().await;
}
