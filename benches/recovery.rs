//! What state costs when the service starts and when it is saved: a million generated users with
//! twelve events each, in the real binary on its embedded journal.
//!
//! `recovery.restart` is from the start of the process to ready, after a clean stop.
//! `recovery.pause` is the p99.9 of `Recommend` while one snapshot follows another, against that
//! while none is taken; events come in all the time in both. Of each it is the median of some rounds: one
//! stall of the machine decides a p99.9 of thousands of requests.

mod common;
#[path = "common/history.rs"]
mod history;
#[path = "recovery/load.rs"]
mod load;
#[path = "../tests/sandbox/mod.rs"]
mod sandbox;

use std::time::{Duration, Instant};

use common::{bar, median, percentile};
use headwater::generate::{GenerateSettings, Generator};
use load::Load;
use sandbox::service::{Home, Process};

const USERS: u32 = 1_000_000;
const EVENTS_A_USER: u32 = 12;
const ITEMS: u32 = 2_000;
const STARTS: usize = 5;
/// Of each kind.
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(8);
/// Longer than the bench.
const NEVER: &str = "1h";
/// One partition's snapshot comes after the other.
const ALWAYS: &str = "100ms";

fn main() {
    common::part();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let started = Instant::now();
        let home = Home::on_journal().set("ingest.max_lag", "0").set("snapshot.interval", NEVER);
        let settings = GenerateSettings {
            users: USERS,
            items: ITEMS,
            events_per_user: Some(EVENTS_A_USER),
            ..GenerateSettings::default()
        };
        let generator = Generator::new(settings).expect("settings in their ranges");
        // The journal is one process's at a time.
        let records = history::append(&*home.log(), &generator).await;
        println!(
            "recovery: {records} records of {USERS} users in the journal after {:.0} s",
            started.elapsed().as_secs_f64()
        );
        let process = home.spawn().await;
        println!("          applied after {:.0} s", started.elapsed().as_secs_f64());
        assert_eq!(process.metrics().await.sum("headwater_users"), u64::from(USERS));
        stop(process).await;
        let home = home.set("ingest.max_lag", "1000");
        restart(&home).await;
        pause(home).await;
    });
}

async fn restart(home: &Home) {
    let mut seconds = Vec::new();
    for _ in 0..STARTS {
        let started = Instant::now();
        let process = home.spawn().await;
        seconds.push(started.elapsed().as_secs_f64());
        let metrics = process.metrics().await;
        assert_eq!(metrics.sum("headwater_users"), u64::from(USERS));
        assert_eq!(metrics.sum("headwater_events_total"), 0, "a clean stop leaves nothing to replay");
        stop(process).await;
    }
    println!("          starts: {seconds:.2?} s");
    bar("recovery.restart", median(seconds), "s");
}

async fn pause(home: Home) {
    let (mut quiet, mut saving) = (Vec::new(), Vec::new());
    let mut snapshots = 0;
    let mut home = home;
    for round in 0..2 * ROUNDS {
        // Which of the two comes first alternates: what the machine does besides may follow a beat.
        let saves = round % 4 == 1 || round % 4 == 2;
        home = home.set("snapshot.interval", if saves { ALWAYS } else { NEVER });
        let process = home.spawn().await;
        let load = Load::start(&process.clients, USERS);
        let mut latencies = load.latencies(ROUND).await;
        load.stop().await;
        let written = process.metrics().await.sum("headwater_snapshots_total");
        assert_eq!(written > 0, saves, "{written} snapshots were written");
        snapshots += written;
        stop(process).await;
        let (name, rounds) = match saves {
            true => ("one snapshot after another", &mut saving),
            false => ("no snapshot", &mut quiet),
        };
        println!(
            "          {name}: {} requests, p50 {:.0} us, p99 {:.0} us, p99.9 {:.0} us",
            latencies.len(),
            percentile(&mut latencies, 0.5),
            percentile(&mut latencies, 0.99),
            percentile(&mut latencies, 0.999)
        );
        rounds.push(percentile(&mut latencies, 0.999));
    }
    println!("          {snapshots} snapshots were written meanwhile");
    bar("recovery.pause", median(saving) / median(quiet), "ratio");
}

async fn stop(process: Process) {
    assert!(process.terminate().await.success(), "it stops well");
}
