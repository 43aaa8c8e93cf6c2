//! What it costs to keep the pools of candidates fresh, and how fresh they are, in the real binary on its
//! embedded journal with a million items, a week of events on them, and four models.
//!
//! `index.idle` is what the process uses of a core while nothing comes in and nobody asks.
//! `index.fresh` is the p99 from the acknowledgement of an item's hundredth click to the first answer
//! that finds it in the popular pool. `index.refresh` is what the pools cost while events come in, against
//! a catalog and a week of a tenth of the size: what each process uses of a core, less what the small one
//! uses when it takes the same events in and never refreshes its pools. `index.catalog` is the same ratio while
//! ten items a second change and one is new. `index.instants` is the p99 of
//! `Recommend` of now with the small catalog while one client asks for 500 past instants a second, no two the
//! same, against that without it.

#[path = "common/catalog.rs"]
mod catalog;
#[path = "index/churn.rs"]
mod churn;
mod common;
#[path = "index/fill.rs"]
mod fill;
#[path = "index/fresh.rs"]
mod fresh;
#[path = "index/instants.rs"]
mod instants;
#[path = "../tests/sandbox/mod.rs"]
mod sandbox;

use std::time::{Duration, Instant};

use common::{bar, cpu_seconds, percentile, resident_bytes};
use fill::{Visitors, publish};
use headwater::clock::wall_clock;
use sandbox::service::{Home, Process, until};

const ITEMS: u32 = 1_000_000;
const EVENTS: u32 = 3_000_000;
/// The small catalog and its week have so much less.
const SMALL: u32 = 10;
/// Items whose clicks are waited for.
const PROBES: u32 = 100;
const IDLE: Duration = Duration::from_secs(20);
/// From ready to idle: what the start has left behind is done.
const SETTLE: Duration = Duration::from_secs(5);
/// A refresh that takes less found nothing new: the last one that the start has brought is done.
const NOTHING_NEW: f64 = 0.02;

/// The pace of events while refreshes are measured.
const EVENTS_A_SECOND: u32 = 1_000;
const BATCHES_A_SECOND: u32 = 10;
const LOAD: Duration = Duration::from_secs(20);
/// What a cost counts as at least, in percent of a core: by so much ingestion differs from run to run.
const RESOLUTION: f64 = 0.5;

/// Longer than the bench.
const NEVER: &str = "1h";
/// The model that draws on the popular pool alone.
const ONLY_POPULAR: &str = "popular";

fn main() {
    common::part();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let started = Instant::now();
        let home = filled(ITEMS, EVENTS).await;
        println!("index: {ITEMS} items and {EVENTS} events after {:.0} s", started.elapsed().as_secs_f64());
        let process = settled(&home, ITEMS).await;
        until("a refresh that finds nothing new", async || {
            (last_refresh(&process).await < NOTHING_NEW).then_some(())
        })
        .await;
        let idle = used(&process, tokio::time::sleep(IDLE)).await;
        println!("       idle: {idle:.2} % of a core, {:.0} MB", resident_bytes(process.id()) / 1e6);
        println!("       the last refresh took {:.3} s", last_refresh(&process).await);
        let mut fresh = fresh::samples(&process).await;
        for (name, share) in [("p50", 0.5), ("p99", 0.99), ("longest", 1.0)] {
            println!("       a hundred clicks to popular: {name} {:.0} ms", percentile(&mut fresh, share));
        }
        let large = used(&process, load(&process)).await;
        let large_churn = used(&process, churn::churn(&process, ITEMS, LOAD)).await;
        println!("       the last refresh took {:.3} s", last_refresh(&process).await);
        stop(process).await;
        drop(home);

        let home = filled(ITEMS / SMALL, EVENTS / SMALL).await;
        let process = settled(&home, ITEMS / SMALL).await;
        let small = used(&process, load(&process)).await;
        let small_churn = used(&process, churn::churn(&process, ITEMS / SMALL, LOAD)).await;
        let slowdown = instants::slowdown(&process).await;
        stop(process).await;
        let home = home.set("server.pool_refresh", NEVER);
        let process = settled(&home, ITEMS / SMALL).await;
        let ingestion = used(&process, load(&process)).await;
        let puts = used(&process, churn::churn(&process, ITEMS / SMALL, LOAD)).await;
        stop(process).await;
        println!(
            "       at {EVENTS_A_SECOND} events/s: {large:.2} % of a core with {ITEMS} items, {small:.2} % with {}, \
             {ingestion:.2} % of them for ingestion",
            ITEMS / SMALL
        );
        println!(
            "       while the catalog changes: {large_churn:.2} % of a core, {small_churn:.2} % and {puts:.2} %"
        );
        println!("       all of it took {:.0} s", started.elapsed().as_secs_f64());

        bar("index.idle", idle, "percent");
        bar("index.fresh", percentile(&mut fresh, 0.99), "ms");
        let refresh = |all: f64, ingestion: f64| (all - ingestion).max(RESOLUTION);
        bar("index.refresh", refresh(large, ingestion) / refresh(small, ingestion), "ratio");
        bar("index.catalog", refresh(large_churn, puts) / refresh(small_churn, puts), "ratio");
        bar("index.instants", slowdown, "ratio");
    });
}

/// The home of a service that has stopped well with a catalog and a week of events.
async fn filled(items: u32, events: u32) -> Home {
    let home = Home::on_journal().set("ingest.max_lag", "0").set("snapshot.interval", NEVER);
    write_models(&home);
    // As by default: tests look at the models more often.
    let home = home.set("server.pool_refresh", NEVER).set("models.poll_interval", "500ms");
    let process = home.spawn().await;
    fill::fill(&process, items, PROBES, events).await;
    process.until_items(u64::from(items + PROBES)).await;
    process.until_events(u64::from(events)).await;
    assert_eq!(process.metrics().await.with("headwater_events_total", "applied"), u64::from(events));
    stop(process).await;
    home.set("server.pool_refresh", "1s")
}

/// Models that share no weight, three of which count the same types of events.
fn write_models(home: &Home) {
    type Change<'a> = (&'a str, &'a str, toml::Value);
    let changes: [(&str, &[Change<'_>]); 3] = [
        ("interest", &[("weights", "interest", 0.8.into()), ("recency", "half_life", "1d".into())]),
        ("sales", &[("weights", "popularity", 0.5.into()), ("event_weights", "view", 0.0.into())]),
        (
            ONLY_POPULAR,
            &[
                ("weights", "popularity", 0.9.into()),
                ("candidates", "popular", fresh::POPULAR.into()),
                ("candidates", "categories", 0.into()),
                ("candidates", "trending", 0.into()),
                ("candidates", "fresh", 0.into()),
            ],
        ),
    ];
    for (name, changes) in changes {
        let mut model: toml::Table = include_str!("../models/default.toml").parse().expect("TOML");
        for (table, key, value) in changes {
            model[*table][*key] = value.clone();
        }
        home.write_model(name, &model.to_string());
    }
}

/// A process that is ready, has all items, and has done what a start leaves behind.
async fn settled(home: &Home, items: u32) -> Process {
    let process = home.spawn().await;
    let all = u64::from(items + PROBES);
    until("all items in the catalog", async || {
        (process.metrics().await.sum("headwater_catalog_items") >= all).then_some(())
    })
    .await;
    tokio::time::sleep(SETTLE).await;
    process
}

/// How long it took, in seconds.
async fn last_refresh(process: &Process) -> f64 {
    let refresh = process.metrics().await.of("headwater_pool_refresh_seconds");
    refresh.iter().map(|(_, seconds)| seconds).sum()
}

/// What a process uses meanwhile, in percent of a core.
async fn used(process: &Process, meanwhile: impl Future<Output = ()>) -> f64 {
    let (started, before) = (Instant::now(), cpu_seconds(process.id()));
    meanwhile.await;
    (cpu_seconds(process.id()) - before) / started.elapsed().as_secs_f64() * 100.0
}

/// Events at a steady pace, the same whatever the size of the catalog.
async fn load(process: &Process) {
    let mut visitors = Visitors::new(ITEMS / SMALL, EVENTS / SMALL);
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / BATCHES_A_SECOND);
    let started = Instant::now();
    while started.elapsed() < LOAD {
        ticks.tick().await;
        let events = EVENTS_A_SECOND / BATCHES_A_SECOND;
        publish(process, (0..events).map(|_| visitors.event(wall_clock())).collect()).await;
    }
}

async fn stop(process: Process) {
    assert!(process.terminate().await.success(), "it stops well");
}
