//! What ranking costs on top of gRPC: `Recommend` with a thousand candidates or more, ranked anew for
//! every request, against a bare tonic service that answers with as many bytes.
//!
//! Each server is a process of its own on one core; the client is alone on the other one. Rounds
//! alternate, and the ratio is the median over pairs of rounds.
//!
//! First how many each can serve, with every stream of the connections busy. Then how long the slowest
//! of a hundred take at half of that: requests come when chance says so (Poisson arrivals), and their
//! time runs from when they were due, whether or not they could be sent then.

#[path = "serving/client.rs"]
mod client;
mod common;
#[path = "serving/echo.rs"]
mod echo;
#[path = "common/open_loop.rs"]
mod open_loop;
#[path = "serving/process.rs"]
mod process;
#[path = "serving/service.rs"]
mod service;

use std::time::Duration;

use bytes::Bytes;
use headwater::proto;
use prost::Message;

use client::{Load, frame};
use common::{Data, bar, median};
use open_loop::{Client, Excess, Outcome, Target};
use process::{Server, closed, listener, one_thread, pin_to_client_core};

const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_millis(1500);
/// Pairs of rounds at half of what each can serve, and the connections that they come over.
const HALVES: usize = 7;
const CONNECTIONS: usize = 4;
/// New connections take a moment.
const WARM_UP: Duration = Duration::from_millis(100);
const PATH: &str = "/headwater.v1.RecommenderService/Recommend";
const USERS: usize = 4000;
const N: u32 = 20;
const SERVICE: &str = "service";
const ECHO: &str = "echo-";

fn main() {
    match common::part() {
        None => compare(),
        Some(part) if part == SERVICE => one_thread().block_on(service::run()),
        Some(part) => {
            let bytes = part.strip_prefix(ECHO).and_then(|bytes| bytes.parse().ok());
            one_thread().block_on(echo::run(bytes.expect("echo-BYTES")));
        }
    }
}

fn compare() {
    let data = Data::news();
    let mut service = Server::start(SERVICE);
    pin_to_client_core();

    let runtime = one_thread();
    let ask = |user: &str| {
        frame(
            &proto::RecommendRequest { user_id: user.to_owned(), n: N, ..Default::default() }.encode_to_vec(),
        )
    };
    let requests: Vec<Bytes> = data.users(USERS).into_iter().map(ask).collect();
    let framed: Vec<Vec<u8>> = requests.iter().map(|request| request.to_vec()).collect();
    let recommend = runtime.block_on(Load::connect(service.address, PATH, requests.clone()));
    let answers = runtime.block_on(recommend.one_of_each());
    for answer in &answers {
        let answer = proto::RecommendResponse::decode(&answer[5..]).expect("an answer");
        assert_eq!(answer.items.len(), N as usize);
        assert!(!answer.degraded, "{}", answer.degraded_reason);
    }
    let bytes = median(answers.iter().map(|answer| answer.len() as f64 - 5.0).collect());
    let mut echo = Server::start(&format!("{ECHO}{bytes}"));
    let echoed = runtime.block_on(Load::connect(echo.address, echo::PATH, requests));
    let echoes = runtime.block_on(echoed.one_of_each());
    assert!(echoes.iter().all(|echo| echo.len() == bytes as usize + 5), "an echo of another size");
    println!("serving: {} users, answers of {bytes} bytes (median)", answers.len());

    let mut ratios = Vec::new();
    let mut rates = [Vec::new(), Vec::new()];
    let mut costs = [Vec::new(), Vec::new()];
    let mut busy = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (place, (load, server)) in [(&recommend, &service), (&echoed, &echo)].into_iter().enumerate() {
            let before = server.cpu_seconds();
            let (done, seconds) = runtime.block_on(load.run(ROUND));
            let cpu = server.cpu_seconds() - before;
            rates[place].push(done as f64 / seconds);
            costs[place].push(cpu * 1e6 / done as f64);
            busy[place].push(cpu / seconds);
        }
        ratios.push(rates[0][rates[0].len() - 1] / rates[1][rates[1].len() - 1]);
    }
    // Their connections would keep the servers from ending.
    drop((recommend, echoed, runtime));
    let halves = rates.clone().map(|rates| median(rates) / 2.0);
    let targets = [(service.address, PATH), (echo.address, echo::PATH)].map(|(address, path)| Target {
        address,
        path,
        requests: &framed,
    });
    let tail = tail(targets, halves);
    let told = service.finish();
    echo.finish();
    println!("         {}", told.trim());
    for (place, name) in ["Recommend", "echo"].into_iter().enumerate() {
        println!(
            "         {name}: {:.0} requests/s, {:.1} us of server CPU a request, core {:.0} % busy (medians)",
            median(rates[place].clone()),
            median(costs[place].clone()),
            median(busy[place].clone()) * 100.0
        );
    }
    let [recommend, echo] = costs.map(median);
    println!("         by server CPU a request the ratio is {:.3}", echo / recommend);
    bar("serving.vs_echo", median(ratios), "ratio");
    bar("serving.tail", tail, "ratio");
}

/// The p99 of `Recommend` against that of the echo, each at its rate; the median over pairs of rounds.
fn tail(targets: [Target<'_>; 2], rates: [f64; 2]) -> f64 {
    let half = |place: usize| {
        let client = Client::connect(targets[place], CONNECTIONS).skip(WARM_UP);
        let outcome = client.open_loop(rates[place], ROUND, Excess::Waits);
        assert_eq!(outcome.refused, 0, "requests were refused at half of what can be served");
        outcome
    };
    let mut rounds: Vec<[Outcome; 2]> = (0..HALVES).map(|_| [half(0), half(1)]).collect();
    for (place, name) in ["Recommend", "echo"].into_iter().enumerate() {
        let mut at = |share| median(rounds.iter_mut().map(|pair| pair[place].percentile(share)).collect());
        let (p50, p99, p999) = (at(0.5), at(0.99), at(0.999));
        println!(
            "         {name} at {:.0} requests/s: p50 {p50:.0} us, p99 {p99:.0} us, p99.9 {p999:.0} us (medians)",
            rates[place]
        );
    }
    median(rounds.iter_mut().map(|[ours, echo]| ours.percentile(0.99) / echo.percentile(0.99)).collect())
}
