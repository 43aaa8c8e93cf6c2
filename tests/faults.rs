//! What the service does when what it stands on goes away: the object store, the disk, the broker.
//! Real ones, stopped and filled for real. Answers go on, nothing is lost or counted twice, metrics
//! tell the truth, and it goes on by itself.

mod sandbox;

#[path = "faults/broker_away.rs"]
mod broker_away;
#[path = "faults/dead_worker.rs"]
mod dead_worker;
#[path = "faults/disk_full.rs"]
mod disk_full;
#[path = "faults/object_store.rs"]
mod object_store;
#[path = "faults/silent_broker.rs"]
mod silent_broker;
#[path = "faults/stopped_with_broker.rs"]
mod stopped_with_broker;
#[path = "faults/turned_away.rs"]
mod turned_away;

use sandbox::service::{Clients, Process};

/// Snapshots with an outcome.
async fn snapshots(service: &Clients, outcome: &str) -> u64 {
    service.metrics().await.with("headwater_snapshots_total", &format!("outcome=\"{outcome}\""))
}

/// Where each partition went on, by what the service has logged.
fn recovered(process: &Process) -> Vec<u64> {
    let log = process.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let recovered = lines.filter(|line| line["fields"]["message"] == "partition recovered");
    recovered.map(|line| line["fields"]["next_offset"].as_u64().expect("an offset")).collect()
}
