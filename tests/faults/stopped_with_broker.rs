//! The service and its broker stopped as when a whole machine goes down: whatever librdkafka still
//! waits for then, the process ends, and state is saved.

use super::sandbox::kafka::{Broker, unique};
use super::sandbox::service::{Home, Process, until};
use super::sandbox::world::World;

/// Services alone and in a group, with snapshots (and so commits) that are rare and that are frequent.
async fn services(broker: &Broker, world: &World) -> Vec<(Home, Process)> {
    let mut services = Vec::new();
    for assignment in ["all", "group"] {
        for interval in ["5m", "100ms"] {
            let home = Home::on_kafka(broker)
                .set("kafka.partitions", "2")
                .set("kafka.assignment", assignment)
                .set("kafka.properties.group.id", unique("group"))
                .set("snapshot.interval", interval);
            let shared = home.path("shared");
            let home = home.set("snapshot.url", shared.to_str().expect("a UTF-8 path"));
            let process = home.spawn().await;
            world.put_items(&process).await;
            world.publish(&process, 0..1000, 0).await;
            services.push((home, process));
        }
    }
    services
}

/// Whether it has logged a message.
fn said(process: &Process, message: &str) -> bool {
    let lines = process.log();
    let mut lines = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    lines.any(|line| line["fields"]["message"] == message)
}

async fn all_end(services: Vec<(Home, Process)>) {
    for (home, process) in services {
        let status = process.wait().await;
        let log = std::fs::read_to_string(home.path("log")).expect("the log");
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(log.contains(r#""message":"stopped""#), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_ends_when_its_broker_is_stopped_before_it_together_with_it_and_after_it() {
    let (world, mut broker) = (World::small(), Broker::start());

    let together = services(&broker, &world).await;
    broker.terminate();
    together.iter().for_each(|(_, process)| process.signal("TERM"));
    all_end(together).await;

    broker.stop();
    broker.resume();
    let before = services(&broker, &world).await;
    broker.stop();
    before.iter().for_each(|(_, process)| process.signal("TERM"));
    all_end(before).await;

    broker.resume();
    let after = services(&broker, &world).await;
    after.iter().for_each(|(_, process)| process.signal("TERM"));
    let draining = async || after.iter().any(|(_, process)| said(process, "draining")).then_some(());
    until("one to save its state", draining).await;
    broker.terminate();
    all_end(after).await;
}
