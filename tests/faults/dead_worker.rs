//! A worker that can't go on takes the process down: one that lived on would only grow stale.

use super::sandbox::kafka::Broker;
use super::sandbox::service::{Home, run_to_end, until};
use super::sandbox::world::World;
use super::snapshots;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_deleted_under_a_worker_ends_the_process_and_is_not_mistaken_for_another() {
    let (world, broker) =
        (World::small(), tokio::task::spawn_blocking(Broker::shared).await.expect("a broker"));
    let home = Home::on_kafka(broker).set("kafka.partitions", "1").set("snapshot.interval", "100ms");
    let process = home.spawn().await;
    world.put_items(&process).await;
    world.publish(&process, 0..1000, 0).await;
    until("a snapshot", async || (snapshots(&process, "written").await > 0).then_some(())).await;

    let clicks = home.topics().clicks;
    tokio::task::block_in_place(|| broker.delete_topic(&clicks));
    assert_eq!(process.wait().await.code(), Some(1));
    let log = std::fs::read_to_string(home.path("log")).expect("the log");
    let why = format!("ingestion: worker 0 of clicks: log: topic `{clicks}` does not exist");
    let mut from_the_end = log.trim_end().lines().rev();
    let told = format!(r#""message":"ended","error":"{why}"#);
    assert!(from_the_end.next().is_some_and(|line| line.contains(&told)), "{log}");
    // Libraries may still say that they were closed.
    let last = from_the_end.find(|line| line.contains(r#""target":"headwater"#)).expect("a line of ours");
    assert!(last.contains("ERROR") && last.contains(&why), "{log}");

    // A new topic by the same name holds other records: it is not read from where the old one ended.
    tokio::task::block_in_place(|| broker.create_topic(&clicks, 1, &[]));
    let (code, message) = run_to_end(&mut home.serve());
    assert_eq!(code, Some(1), "{message}");
    let expected = format!("of partition 0 of `{clicks}` goes on at offset ");
    assert!(message.contains(&expected), "{message}");
    assert!(
        message.contains("but the log ends at 0: the topic was recreated or truncated. Remove "),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_made_anew_under_a_worker_ends_the_process_with_what_to_do() {
    let world = World::small();
    let mut broker = tokio::task::spawn_blocking(Broker::start).await.expect("a broker");
    let home = Home::on_kafka(&broker).set("kafka.partitions", "1").set("snapshot.interval", "100ms");
    let process = home.spawn().await;
    world.put_items(&process).await;
    world.publish(&process, 0..1000, 0).await;
    until("a snapshot", async || (snapshots(&process, "written").await > 0).then_some(())).await;
    // It does not see that the topic is gone, only that it is another one.
    process.signal("STOP");
    let clicks = home.topics().clicks;
    tokio::task::block_in_place(|| {
        broker.delete_topic(&clicks);
        broker.create_topic(&clicks, 1, &[]);
        // A connection that is new knows nothing of the old one.
        broker.stop();
        broker.resume();
    });
    process.signal("CONT");
    assert_eq!(process.wait().await.code(), Some(1));
    let log = std::fs::read_to_string(home.path("log")).expect("the log");
    let why = format!(
        "ingestion: worker 0 of clicks: partition 0 of `{clicks}` was read up to offset 1000, but holds 0 to 0"
    );
    let last = log.trim_end().lines().next_back().expect("a line");
    assert!(last.contains(r#""message":"ended""#) && last.contains(&why), "{log}");
    let snapshots = home.path("data/snapshots");
    let what = format!(
        "the topic was recreated or truncated while it was read. Stop whatever else reads it, remove {} and start again",
        snapshots.display()
    );
    assert!(last.contains(&what), "{last}");

    // What it says does.
    std::fs::remove_dir_all(snapshots).expect("they are there");
    let again = home.spawn().await;
    world.publish(&again, 0..500, 0).await;
    assert_eq!(again.terminate().await.code(), Some(0));
}
