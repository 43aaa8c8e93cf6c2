//! A good client beside hostile ones: how long it waits against how long it waits alone, whether any of its requests
//! is refused, and what memory an attack takes.
//!
//! The service is a process of its own on one core; all clients, the good one and the hostile ones, are on the other.
//! The good client asks for lists at instants that chance chooses. `hostile.NAME` is its p99 while the attack lasts
//! against that before; where it waits for 15 ms at most the ratio is told as 2 if it is more, as it is made of fractions
//! of milliseconds then. `hostile.memory` is the most that the process has grown by while an attack lasted.

#[path = "hostile/attacks.rs"]
mod attacks;
#[path = "common/catalog.rs"]
mod catalog;
mod common;
#[path = "common/open_loop.rs"]
mod open_loop;
#[path = "serving/process.rs"]
mod process;
#[path = "../tests/sandbox/mod.rs"]
mod sandbox;

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use headwater::clock::wall_clock;
use headwater::proto;
use prost::Message;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use attacks::{ATTACKS, FAT};
use common::bar;
use open_loop::{Client, Excess, Outcome, Target, request};
use process::pin_to_client_core;
use sandbox::messages::{event, recommend};
use sandbox::service::{Home, Process, until};

const ITEMS: u32 = 20_000;
const USERS: u32 = 5_000;
const EVENTS: u32 = 50_000;
const BATCH: u32 = 1_000;
/// Of the good client, in a second.
const RATE: f64 = 200.0;
const CONNECTIONS: usize = 2;
const ROUND: Duration = Duration::from_secs(8);
const BEGINS: Duration = Duration::from_millis(500);
const PATH: &str = "/headwater.v1.RecommenderService/Recommend";
/// What the good client may wait for in any case, in us, and the ratio that it stands for.
const SHORT: f64 = 15_000.0;
const BAR: f64 = 2.0;

fn main() {
    common::part();
    let limit = getrlimit(Resource::Nofile);
    // Thousands of connections are ours.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(compare());
}

async fn compare() {
    let home = Home::on_journal();
    let service = home.spawn().await;
    pin_to_server_core(service.id());
    pin_to_client_core();
    fill(&service).await;
    let questions: Vec<Vec<u8>> =
        (0..1000).map(|user| request(&recommend(&name(user), 10, None).encode_to_vec())).collect();
    let address = service.grpc;
    good(address, &questions).await;
    let mut most = 0.0_f64;
    for (attack, start) in ATTACKS {
        let mut alone = good(address, &questions).await;
        let before = reset_peak(service.id());
        let attacking = start(service.clients.clone(), address);
        tokio::time::sleep(BEGINS).await;
        let mut beside = good(address, &questions).await;
        let grown = (common::peak_bytes(service.id()) - before) / f64::from(1 << 20);
        drop(attacking);
        println!(
            "hostile: {attack}: alone p50 {:.0} us, p99 {:.0} us; beside it p50 {:.0} us, p99 {:.0} us, {} of {} refused; \
             {grown:.0} MiB more",
            alone.percentile(0.5),
            alone.percentile(0.99),
            beside.percentile(0.5),
            beside.percentile(0.99),
            beside.refused,
            beside.offered,
        );
        assert_eq!(
            (beside.refused, beside.accepted),
            (0, beside.offered),
            "requests of the good client were refused"
        );
        let (waits, ratio) = (beside.percentile(0.99), beside.percentile(0.99) / alone.percentile(0.99));
        bar(&format!("hostile.{attack}"), if waits <= SHORT { ratio.min(BAR) } else { ratio }, "ratio");
        most = most.max(grown);
        until("what the attack has left behind to go", async || {
            let metrics = service.metrics().await;
            let left = metrics.sum("headwater_incoming_bodies") + metrics.sum("headwater_requests_in_flight");
            (left == 0).then_some(())
        })
        .await;
    }
    bar("hostile.memory", most, "MiB");
    assert!(service.terminate().await.success(), "it stops well");
}

/// What becomes of the good client's requests.
async fn good(address: SocketAddr, questions: &[Vec<u8>]) -> Outcome {
    let questions = questions.to_vec();
    let asking = tokio::task::spawn_blocking(move || {
        let target = Target { address, path: PATH, requests: &questions };
        Client::connect(target, CONNECTIONS).open_loop(RATE, ROUND, Excess::Waits)
    });
    asking.await.expect("it is served")
}

fn name(user: u32) -> String {
    format!("user-{user}")
}

/// A catalog, a day of clicks, and one user of thousands of categories.
async fn fill(service: &Process) {
    let now = wall_clock();
    for from in (0..ITEMS).step_by(BATCH as usize) {
        let items = (from..from + BATCH).map(|number| catalog::item(number, ITEMS, now)).collect();
        service.catalog().put_items(proto::PutItemsRequest { items }).await.expect("items are taken");
    }
    for from in (0..EVENTS).step_by(BATCH as usize) {
        let click = |number: u32| {
            let item = catalog::item_id(number.wrapping_mul(2_654_435_761) % ITEMS);
            event(&name(number % USERS), &item, "click", now - i64::from(EVENTS - number) * 1000)
        };
        let events = (from..from + BATCH).map(click).collect();
        service.events().publish(proto::PublishRequest { events }).await.expect("events are taken");
    }
    let fat = |number: u32| proto::Event {
        categories: (0..16).map(|place| format!("fat-{}", number * 16 + place)).collect(),
        ..event(FAT, &format!("fat-{number}"), "click", now - i64::from(6000 - number) * 100)
    };
    for from in (0..6000).step_by(BATCH as usize) {
        let events = (from..from + BATCH).map(fat).collect();
        service.events().publish(proto::PublishRequest { events }).await.expect("events are taken");
    }
    service.until_events(u64::from(EVENTS) + 6000).await;
    service.until_items(u64::from(ITEMS)).await;
}

/// Its threads stay on the other core than ours.
fn pin_to_server_core(process: u32) {
    let pinned = Command::new("taskset")
        .args(["--all-tasks", "--cpu-list", "--pid", "0", &process.to_string()])
        .output();
    assert!(pinned.is_ok_and(|output| output.status.success()), "taskset (util-linux) sets its core");
}

/// The memory that a process has; its peak is that from now on.
fn reset_peak(process: u32) -> f64 {
    fs::write(format!("/proc/{process}/clear_refs"), "5").expect("its peak can be reset");
    common::resident_bytes(process)
}
