//! What clients do who mean harm, or whose authors have made mistakes. Each goes on until it is dropped.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use headwater::clock::wall_clock;
use headwater::proto;
use http::{Method, Request};
use prost::Message;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::open_loop::request;
use super::sandbox::messages::{profile, recommend, time};
use super::sandbox::service::Clients;

const RECOMMEND: &str = "/headwater.v1.RecommenderService/Recommend";
const PUBLISH: &str = "/headwater.v1.EventService/Publish";
/// What a connection may have in flight.
const STREAMS: usize = 32;
const MIB: usize = 1 << 20;
/// Who has a profile of very many categories.
pub const FAT: &str = "fat";

/// An attack: its name, and what starts it.
pub type Attack = (&'static str, fn(Clients, SocketAddr) -> JoinSet<()>);

/// All of them, by what they were found as.
pub const ATTACKS: [Attack; 7] = [
    ("lists", lists_of_nothing),
    ("bodies", bodies_that_do_not_come),
    ("instants", instants_without_end),
    ("answers", answers_that_nobody_reads),
    ("messages", second_messages),
    ("categories", profiles_of_many_categories),
    ("connections", idle_connections),
];

/// Batches of 16 MiB that are nothing but empty events, two at a time.
fn lists_of_nothing(_: Clients, address: SocketAddr) -> JoinSet<()> {
    let empty_events = [0x0a, 0].repeat(8 * MIB - 16);
    let body = Bytes::from(request(&empty_events));
    let mut attack = JoinSet::new();
    for _ in 0..2 {
        let body = body.clone();
        attack.spawn(async move {
            loop {
                let Some(mut raw) = Raw::connect(address, None).await else { return };
                let Some((answer, mut stream)) = raw.begin(PUBLISH).await else { continue };
                // It need not read all of it to refuse it.
                let _ = stream.send_data(body.clone(), true);
                let _ = answer.await;
            }
        });
    }
    attack
}

/// One byte of a body on every stream of many connections, and then silence.
fn bodies_that_do_not_come(_: Clients, address: SocketAddr) -> JoinSet<()> {
    let mut attack = JoinSet::new();
    for _ in 0..33 {
        attack.spawn(async move {
            loop {
                let Some(mut raw) = Raw::connect(address, None).await else { return };
                let mut held = Vec::new();
                for _ in 0..STREAMS {
                    let Some((answer, mut stream)) = raw.begin(RECOMMEND).await else { break };
                    let _ = stream.send_data(Bytes::from_static(&[0]), false);
                    held.push((answer, stream));
                }
                for (answer, _stream) in held {
                    let _ = answer.await;
                }
            }
        });
    }
    attack
}

/// Lists for a hundred instants a second, each another one, given up after a second.
fn instants_without_end(clients: Clients, _: SocketAddr) -> JoinSet<()> {
    let mut attack = JoinSet::new();
    attack.spawn(async move {
        let mut asked = JoinSet::new();
        for number in 0.. {
            let mut question = recommend("user-1", 10, None);
            question.as_of = time(wall_clock() - 1000 - number % 600_000);
            let mut request = tonic::Request::new(question);
            request.set_timeout(Duration::from_secs(1));
            let mut recommender = clients.recommender();
            asked.spawn(async move { drop(recommender.recommend(request).await) });
            while asked.try_join_next().is_some() {}
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    attack
}

/// The longest lists, with no room to send them.
fn answers_that_nobody_reads(_: Clients, address: SocketAddr) -> JoinSet<()> {
    let question = proto::RecommendRequest { explain: true, ..recommend("user-1", 1000, None) };
    let question = Bytes::from(request(&question.encode_to_vec()));
    let mut attack = JoinSet::new();
    for number in 0..120 {
        let question = question.clone();
        attack.spawn(async move {
            tokio::time::sleep(Duration::from_millis(4 * number)).await;
            loop {
                let Some(mut raw) = Raw::connect(address, Some(0)).await else { return };
                let mut held = Vec::new();
                for _ in 0..STREAMS {
                    let Some((answer, mut stream)) = raw.begin(RECOMMEND).await else { break };
                    let _ = stream.send_data(question.clone(), true);
                    held.push(answer.await);
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                raw.ended().await;
            }
        });
    }
    attack
}

/// Nothing, and behind it as a second message of the same body all but the last byte of 15 MiB.
fn second_messages(_: Clients, address: SocketAddr) -> JoinSet<()> {
    let mut body = vec![0; 5];
    body.extend_from_slice(&request(&vec![0; 15 * MIB]));
    body.pop();
    let body = Bytes::from(body);
    let mut attack = JoinSet::new();
    for _ in 0..60 {
        let body = body.clone();
        attack.spawn(async move {
            loop {
                let Some(mut raw) = Raw::connect(address, None).await else { return };
                let Some((answer, mut stream)) = raw.begin(PUBLISH).await else { continue };
                let _ = stream.send_data(body.clone(), false);
                let _ = answer.await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
    }
    attack
}

/// The profile of one who has done something in thousands of categories, eight at a time.
fn profiles_of_many_categories(clients: Clients, _: SocketAddr) -> JoinSet<()> {
    let mut attack = JoinSet::new();
    for _ in 0..8 {
        let clients = clients.clone();
        attack.spawn(async move {
            loop {
                drop(clients.profiles().get_profile(profile(FAT, None)).await);
            }
        });
    }
    attack
}

/// Connections that ask for nothing.
fn idle_connections(_: Clients, address: SocketAddr) -> JoinSet<()> {
    let mut attack = JoinSet::new();
    attack.spawn(async move {
        let mut held = Vec::new();
        while held.len() < 5000 {
            held.extend(TcpStream::connect(address).await);
            if held.len().is_multiple_of(100) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        std::future::pending::<()>().await;
    });
    attack
}

/// A connection without anything on top.
struct Raw {
    sender: SendRequest<Bytes>,
    address: SocketAddr,
    connection: tokio::task::JoinHandle<()>,
}

impl Raw {
    async fn connect(address: SocketAddr, window: Option<u32>) -> Option<Self> {
        let stream = TcpStream::connect(address).await.ok()?;
        let mut client = h2::client::Builder::new();
        if let Some(window) = window {
            client.initial_window_size(window);
        }
        let (sender, connection) = client.handshake(stream).await.ok()?;
        let connection = tokio::spawn(async move { drop(connection.await) });
        Some(Self { sender, address, connection })
    }

    async fn begin(&mut self, path: &str) -> Option<(ResponseFuture, SendStream<Bytes>)> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://{}{path}", self.address))
            .header("te", "trailers")
            .header("content-type", "application/grpc");
        let mut sender = self.sender.clone().ready().await.ok()?;
        sender.send_request(request.body(()).expect("a request"), false).ok()
    }

    async fn ended(mut self) {
        let _ = (&mut self.connection).await;
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.connection.abort();
    }
}
