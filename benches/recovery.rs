//! What state costs when the service starts and when it is saved: a million generated users with
//! twelve events each, in the real binary on its embedded journal.
//!
//! `recovery.restart` is from the start of the process to ready, after a clean stop.
//! `recovery.pause` is the p99.9 of `Recommend` while one snapshot follows another, against that
//! while none is taken; events come in all the time in both.

mod common;
#[path = "recovery/fill.rs"]
mod fill;
#[path = "recovery/load.rs"]
mod load;
#[path = "../tests/sandbox/mod.rs"]
mod sandbox;

use std::time::{Duration, Instant};

use common::{bar, median, percentile};
use load::Load;
use sandbox::service::{Home, Process};

const USERS: u32 = 1_000_000;
const EVENTS_A_USER: u32 = 12;
const ITEMS: u32 = 2_000;
const STARTS: usize = 5;
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(10);
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
        let records = fill::fill(&home.config()).await;
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
    for _ in 0..ROUNDS {
        for (interval, latencies) in [(NEVER, &mut quiet), (ALWAYS, &mut saving)] {
            home = home.set("snapshot.interval", interval);
            let process = home.spawn().await;
            let load = Load::start(&process.clients, USERS);
            latencies.extend(load.latencies(ROUND).await);
            load.stop().await;
            let written = process.metrics().await.sum("headwater_snapshots_total");
            if interval == NEVER {
                assert_eq!(written, 0);
            }
            snapshots += written;
            stop(process).await;
        }
    }
    assert!(snapshots > 0, "no snapshot was taken");
    for (name, latencies) in [("no snapshot", &mut quiet), ("one snapshot after another", &mut saving)] {
        println!(
            "          {name}: {} requests, p50 {:.0} us, p99 {:.0} us, p99.9 {:.0} us",
            latencies.len(),
            percentile(latencies, 0.5),
            percentile(latencies, 0.99),
            percentile(latencies, 0.999)
        );
    }
    println!("          {snapshots} snapshots were written meanwhile");
    bar("recovery.pause", percentile(&mut saving, 0.999) / percentile(&mut quiet, 0.999), "ratio");
}

async fn stop(process: Process) {
    assert!(process.terminate().await.success(), "it stops well");
}
