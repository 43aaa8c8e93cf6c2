//! Ten times the load that can be served: how long those wait whom the service takes on, against half
//! of the load that can be served, of which none may be refused; and whether its memory stays as it was.
//!
//! The service is a process of its own on one core, the client is alone on the other one. Requests
//! are sent when chance says so (Poisson arrivals), whatever has become of those before them, as far
//! as the service lets a connection have more in flight. Rounds of both loads alternate, each on new
//! connections; the ratio is the median over pairs of rounds. Where it is above 3 and those who are taken on wait for 15 ms at
//! most, it is told as 3: half of the load is answered in so little time that three times as much is
//! less than the target of a queue.
//!
//! The same number of connections can't have so much in flight that a queue stands. So ten times the load
//! comes over many as well, and it is told how long those who are taken on wait once it stands.
//!
//! Nor may anyone be refused at less than half of that load while the whole process stands still for 50 ms in
//! every second, as on a machine that others use too.

mod common;
#[path = "overload/hiccups.rs"]
mod hiccups;
#[path = "common/open_loop.rs"]
mod open_loop;
#[path = "serving/process.rs"]
mod process;
#[path = "serving/service.rs"]
mod service;

use std::time::Duration;

use headwater::proto;
use prost::Message;

use common::{Data, bar, median};
use hiccups::Hiccups;
use open_loop::{Client, Excess, Outcome, Target, request};
use process::{Server, closed, listener, one_thread, pin_to_client_core};

const SERVICE: &str = "service";
const USERS: usize = 4000;
const N: u32 = 20;
const PATH: &str = "/headwater.v1.RecommenderService/Recommend";
/// Each may have `server.max_concurrent_streams` (32) in flight. What many have in flight takes several
/// times the target of the queue to be served.
const FEW: usize = 4;
const MANY: usize = 32;
/// By then the queue has been found to stand, for which it takes `server.queue_interval`.
const STANDS: Duration = Duration::from_millis(500);
/// In flight in all while it is found out how much can be served.
const BUSY: usize = 32;
const WARM_UP: Duration = Duration::from_secs(1);
const CALIBRATION: Duration = Duration::from_secs(1);
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(3);
/// Of what can be served, while the process has hiccups.
const BELOW_HALF: f64 = 0.4;
/// What those who are taken on may wait for in any case, in us, and the ratio that it stands for.
const SHORT: f64 = 15_000.0;
const BAR: f64 = 3.0;
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
    let target = Target { address: server.address, path: PATH, requests: &requests };
    let connect = |connections| Client::connect(target, connections);

    connect(FEW).closed_loop(BUSY, WARM_UP);
    let (mut ratios, mut longest, mut memory, mut refused) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        // Anew in each round: what a shared machine can do changes by the second.
        let busy = connect(FEW).closed_loop(BUSY, CALIBRATION);
        let sustainable = busy.accepted as f64 / CALIBRATION.as_secs_f64();
        println!("overload: {sustainable:.0} requests/s can be served");
        let mut half = connect(FEW).open_loop(sustainable / 2.0, ROUND, Excess::Dropped);
        let mut ten = connect(FEW).open_loop(sustainable * 10.0, ROUND, Excess::Dropped);
        let many = connect(MANY).skip(STANDS);
        let mut standing = many.open_loop(sustainable * 10.0, ROUND, Excess::Dropped);
        memory.push(server.resident_bytes());
        let hiccups = Hiccups::begin(server.id());
        // Over many, and what is due meanwhile waits: all of it comes in at once when it is over.
        let mut shaken = connect(MANY).open_loop(sustainable * BELOW_HALF, ROUND, Excess::Waits);
        let hiccups = hiccups.end();
        tell("half", &mut half);
        tell(&format!("less than half, {hiccups} hiccups"), &mut shaken);
        tell("ten times", &mut ten);
        tell("ten times over many", &mut standing);
        println!("         resident {:.1} MB", memory[memory.len() - 1] / 1e6);
        refused += half.refused + shaken.refused;
        longest.push(ten.percentile(0.99));
        ratios.push(ten.percentile(0.99) / half.percentile(0.99));
    }
    let told = server.finish();
    println!("         {}", told.trim());
    assert_eq!(refused, 0, "requests of half the load were refused");
    let growth = memory[memory.len() - 1] / memory[0];
    assert!(growth <= GROWTH, "memory grew from {:.0} to {:.0} bytes", memory[0], memory[memory.len() - 1]);
    bar("overload.memory", growth, "ratio");
    let (ratio, longest) = (median(ratios), median(longest));
    println!("         ratio {ratio:.3}, accepted p99 {longest:.0} us (medians)");
    bar("overload.p99", if longest <= SHORT { ratio.min(BAR) } else { ratio }, "ratio");
}

fn tell(name: &str, outcome: &mut Outcome) {
    let rate = |count: usize| count as f64 / ROUND.as_secs_f64();
    println!(
        "         {name}: offered {:.0}/s, sent {:.0}/s, accepted {:.0}/s, refused {:.0}/s; accepted p50 {:.0} us, \
         p99 {:.0} us, p99.9 {:.0} us",
        rate(outcome.offered),
        rate(outcome.sent),
        rate(outcome.accepted),
        rate(outcome.refused),
        outcome.percentile(0.5),
        outcome.percentile(0.99),
        outcome.percentile(0.999),
    );
}
