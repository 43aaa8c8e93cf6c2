//! Ten times the load that can be served: how long those wait whom the service takes on, against half
//! of the load that can be served; and whether its memory stays as it was.
//!
//! The service is a process of its own on one core, the client is alone on the other one. Requests
//! are sent when chance says so (Poisson arrivals), whatever has become of those before them, as far
//! as the service lets a connection have more in flight. Rounds of both loads alternate, each on new
//! connections; the ratio is the median over pairs of rounds.

#[path = "overload/client.rs"]
mod client;
mod common;
#[path = "serving/process.rs"]
mod process;
#[path = "serving/service.rs"]
mod service;

use std::time::Duration;

use headwater::proto;
use prost::Message;

use client::{Client, Outcome, request};
use common::{Data, bar, median};
use process::{Server, closed, listener, one_thread, pin_to_client_core};

const SERVICE: &str = "service";
const USERS: usize = 4000;
const N: u32 = 20;
/// Each may have `server.max_concurrent_streams` in flight: these are as many as are ever sent at once.
const CONNECTIONS: usize = 4;
/// In flight in all while it is found out how much can be served.
const BUSY: usize = 32;
const WARM_UP: Duration = Duration::from_secs(1);
const CALIBRATION: Duration = Duration::from_secs(1);
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(3);
/// The share of half the load that may be refused for the figures to mean anything.
const REFUSED: f64 = 0.01;
/// What memory may grow by from the end of the first round of overload to the end of the last.
const GROWTH: f64 = 1.1;

fn main() {
    match common::part() {
        None => compare(),
        Some(_) => one_thread().block_on(service::run()),
    }
}

fn compare() {
    let data = Data::news();
    let mut server = Server::start(SERVICE);
    pin_to_client_core();
    let ask = |user: &str| proto::RecommendRequest { user_id: user.to_owned(), n: N, ..Default::default() };
    let requests: Vec<Vec<u8>> =
        data.users(USERS).into_iter().map(|user| request(&ask(user).encode_to_vec())).collect();
    drop(data);
    let connect = || Client::connect(server.address, CONNECTIONS, &requests);

    connect().closed_loop(BUSY, WARM_UP);
    let (mut figures, mut memory, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        // Anew in each round: what a shared machine can do changes by the second.
        let busy = connect().closed_loop(BUSY, CALIBRATION);
        let sustainable = busy.accepted() as f64 / CALIBRATION.as_secs_f64();
        println!("overload: {sustainable:.0} requests/s can be served");
        let mut half = connect().open_loop(sustainable / 2.0, ROUND);
        let mut ten = connect().open_loop(sustainable * 10.0, ROUND);
        memory.push(server.resident_bytes());
        tell("half", &mut half);
        tell("ten times", &mut ten);
        println!("         resident {:.1} MB", memory[memory.len() - 1] / 1e6);
        refused.push(half.refused as f64 / half.sent as f64);
        figures.push(ten.percentile(0.99) / half.percentile(0.99));
    }
    let told = server.finish();
    println!("         {}", told.trim());
    let refused = median(refused);
    assert!(
        refused <= REFUSED,
        "{refused:.3} of half the load was refused: the machine has other work to do"
    );
    let growth = memory[memory.len() - 1] / memory[0];
    assert!(growth <= GROWTH, "memory grew from {:.0} to {:.0} bytes", memory[0], memory[memory.len() - 1]);
    bar("overload.memory", growth, "ratio");
    bar("overload.p99", median(figures), "ratio");
}

fn tell(name: &str, outcome: &mut Outcome) {
    let rate = |count: usize| count as f64 / ROUND.as_secs_f64();
    println!(
        "         {name}: offered {:.0}/s, sent {:.0}/s, accepted {:.0}/s, refused {:.0}/s; accepted p50 {:.0} us, \
         p99 {:.0} us, p99.9 {:.0} us",
        rate(outcome.offered),
        rate(outcome.sent),
        rate(outcome.accepted()),
        rate(outcome.refused),
        outcome.percentile(0.5),
        outcome.percentile(0.99),
        outcome.percentile(0.999),
    );
}
