//! The load: requests that are encoded beforehand, over HTTP/2 connections without anything on top,
//! so that the client is not what is measured.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use http::{Method, Request, Uri};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

const CONNECTIONS: usize = 2;
const STREAMS: usize = 32;
const WINDOW: u32 = 1 << 24;

/// A message as gRPC sends it: not compressed, its length, its bytes.
pub fn frame(message: &[u8]) -> Bytes {
    let mut framed = vec![0];
    framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
    framed.extend_from_slice(message);
    framed.into()
}

/// Connections to one method of a server, and what to send.
pub struct Load {
    connections: Vec<SendRequest<Bytes>>,
    uri: Uri,
    requests: Rc<[Bytes]>,
    next: Rc<Cell<usize>>,
}

impl Load {
    pub async fn connect(address: SocketAddr, path: &str, requests: Vec<Bytes>) -> Self {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            let stream = TcpStream::connect(address).await.expect("a connection");
            stream.set_nodelay(true).expect("no delay");
            let mut builder = h2::client::Builder::new();
            builder.initial_window_size(WINDOW).initial_connection_window_size(WINDOW);
            let (sender, connection) = builder.handshake(stream).await.expect("HTTP/2");
            tokio::spawn(connection);
            connections.push(sender);
        }
        let uri = format!("http://{address}{path}").parse().expect("a URI");
        Self { connections, uri, requests: requests.into(), next: Rc::default() }
    }

    /// The answer to each request, one after another.
    pub async fn one_of_each(&self) -> Vec<Bytes> {
        let mut answers = Vec::new();
        for request in &*self.requests {
            let mut whole = BytesMut::new();
            call(self.connections[0].clone(), &self.uri, request, |part| whole.extend_from_slice(part)).await;
            answers.push(whole.freeze());
        }
        answers
    }

    /// Keeps every stream of every connection busy. How many answers came, and in what time.
    pub async fn run(&self, duration: Duration) -> (u64, f64) {
        let done = Rc::new(Cell::new(0));
        let started = Instant::now();
        let tasks = LocalSet::new();
        for stream in 0..CONNECTIONS * STREAMS {
            let sender = self.connections[stream % CONNECTIONS].clone();
            let (uri, requests) = (self.uri.clone(), Rc::clone(&self.requests));
            let (next, done) = (Rc::clone(&self.next), Rc::clone(&done));
            tasks.spawn_local(async move {
                while started.elapsed() < duration {
                    let place = next.replace((next.get() + 1) % requests.len());
                    call(sender.clone(), &uri, &requests[place], |_| {}).await;
                    done.set(done.get() + 1);
                }
            });
        }
        tasks.await;
        (done.get(), started.elapsed().as_secs_f64())
    }
}

async fn call(sender: SendRequest<Bytes>, uri: &Uri, message: &Bytes, mut with: impl FnMut(&[u8])) {
    let request = Request::builder()
        .method(Method::POST)
        .uri(uri.clone())
        .header("te", "trailers")
        .header("content-type", "application/grpc")
        .body(())
        .expect("a request");
    let mut sender = sender.ready().await.expect("a connection that is up");
    let (response, mut stream) = sender.send_request(request, false).expect("a stream");
    // A server that has refused it already wants no message; its answer says so.
    let _ = stream.send_data(message.clone(), true);
    let mut body = response.await.expect("an answer").into_body();
    while let Some(part) = body.data().await {
        let part = part.expect("the whole answer");
        with(&part);
        let _ = body.flow_control().release_capacity(part.len());
    }
    let trailers = body.trailers().await.expect("trailers");
    let status = trailers.as_ref().and_then(|trailers| trailers.get("grpc-status"));
    assert!(status.is_some_and(|status| status == "0"), "{trailers:?}");
}
