//! Stopping and starting: the same answers to the last bit, from snapshots and without any; and
//! what a person reads when a start can't be.

mod sandbox;

use std::fs;
use std::path::{Path, PathBuf};

use sandbox::kafka::Broker;
use sandbox::service::{Home, run_to_end, until};
use sandbox::world::World;

const PARTITIONS: usize = 4;

/// Both kinds of log, one after the other.
async fn homes() -> [(&'static str, Home); 2] {
    let broker = tokio::task::spawn_blocking(Broker::shared).await.expect("a broker");
    let kafka = Home::on_kafka(broker).set("kafka.partitions", PARTITIONS.to_string());
    [("journal", Home::on_journal().set("journal.partitions", PARTITIONS.to_string())), ("kafka", kafka)]
}

/// The snapshots of each partition, oldest first.
fn snapshots(home: &Home) -> Vec<Vec<PathBuf>> {
    let mut found = vec![Vec::new(); PARTITIONS];
    let mut folders = vec![home.path("data/snapshots")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "snap") {
                found[partition_of(&path)].push(path);
            }
        }
    }
    found.iter_mut().for_each(|paths| paths.sort());
    found
}

fn partition_of(snapshot: &Path) -> usize {
    let folder =
        snapshot.parent().and_then(Path::file_name).and_then(|name| name.to_str()).expect("a folder");
    folder.strip_prefix("p=").and_then(|number| number.parse().ok()).expect("a partition's folder")
}

/// Where each partition went on, by what the service has logged.
fn recovered(log: &str) -> Vec<u64> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let recovered = lines.filter(|line| line["fields"]["message"] == "partition recovered");
    recovered.map(|line| line["fields"]["next_offset"].as_u64().expect("an offset")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_stop_and_start_gives_the_same_bytes() {
    let world = World::small();
    for (log, home) in homes().await {
        let home = home.set("snapshot.interval", "1s");
        let first = home.spawn().await;
        world.put_items(&first).await;
        world.publish(&first, 0..2000, 0).await;
        until("a snapshot of every partition", async || {
            snapshots(&home).iter().all(|paths| !paths.is_empty()).then_some(())
        })
        .await;
        world.publish(&first, 2000..world.events.len(), 2000).await;
        let before = world.digest(&first).await;
        let status = first.terminate().await;
        assert_eq!(status.code(), Some(0), "{log}");

        let second = home.spawn().await;
        let offsets = recovered(&second.log());
        assert_eq!(offsets.len(), PARTITIONS, "{log}");
        assert_eq!(offsets.iter().sum::<u64>() as usize, world.events.len(), "{log}: {offsets:?}");
        assert!(world.digest(&second).await == before, "{log}: answers from snapshots differ");
        assert_eq!(second.terminate().await.code(), Some(0), "{log}");

        fs::remove_dir_all(home.path("data/snapshots")).expect("the snapshots go");
        let third = home.spawn().await;
        assert_eq!(recovered(&third.log()), [0; PARTITIONS], "{log}");
        third.until_events(world.events.len() as u64).await;
        assert!(world.digest(&third).await == before, "{log}: answers from a replay differ");
        assert_eq!(third.terminate().await.code(), Some(0), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_byte_in_a_snapshot_is_found_and_the_older_one_gives_the_same_answers() {
    let world = World::small();
    for (log, home) in homes().await {
        let first = home.start().await;
        world.put_items(&first).await;
        world.publish(&first, 0..2000, 0).await;
        first.stop().await;
        let second = home.start().await;
        world.publish(&second, 2000..world.events.len(), 0).await;
        let before = world.digest(&second).await;
        second.stop().await;

        for paths in snapshots(&home) {
            let [_, newest] = paths.as_slice() else { panic!("{log}: expected two snapshots: {paths:?}") };
            let mut bytes = fs::read(newest).expect("a snapshot");
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(newest, bytes).expect("a snapshot");
        }
        let third = home.start().await;
        let metrics = third.metrics().await;
        let rejected = metrics.with("headwater_snapshots_total", "outcome=\"rejected\"");
        assert_eq!(rejected as usize, PARTITIONS, "{log}");
        // The older snapshots hold the rest.
        third.until_events(world.events.len() as u64 - 2000).await;
        assert!(world.digest(&third).await == before, "{log}: answers differ");
        third.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_stream_config_rebuilds_state_by_replay() {
    let world = World::small();
    let model = |home: &Home| {
        let toml = include_str!("../models/default.toml");
        home.write_model("default", &toml.replace(r#""24h" = 0.2, "7d""#, r#""48h" = 0.2, "7d""#));
    };
    for ((log, home), (_, other)) in homes().await.into_iter().zip(homes().await) {
        let first = home.start().await;
        world.put_items(&first).await;
        world.publish(&first, 0..world.events.len(), 0).await;
        let before = world.digest(&first).await;
        first.stop().await;

        let windows = "1h,48h,7d,30d";
        let home = home.set("stream.interest_windows", windows);
        model(&home);
        let second = home.start().await;
        second.until_events(world.events.len() as u64).await;
        let rebuilt = world.digest(&second).await;
        assert!(rebuilt != before, "{log}: the windows have changed, the answers have not");
        second.stop().await;

        let other = other.set("stream.interest_windows", windows);
        model(&other);
        let fresh = other.start().await;
        world.put_items(&fresh).await;
        world.publish(&fresh, 0..world.events.len(), 0).await;
        assert!(world.digest(&fresh).await == rebuilt, "{log}: rebuilt state answers other than new state");
        fresh.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_number_of_partitions_is_refused() {
    let world = World::small();
    let [(_, journal), (_, kafka)] = homes().await;
    for home in [&journal, &kafka] {
        let service = home.start().await;
        world.publish(&service, 0..500, 0).await;
        service.stop().await;
    }
    let running = kafka.start().await;
    until("it to be ready", async || running.is_ready().await.then_some(())).await;
    Broker::shared().grow_topic(&kafka.topics().clicks, 6);
    let page =
        until("it to be told", async || running.page("/readyz").await.filter(|(status, _)| *status == 503))
            .await;
    assert!(
        page.1.contains("had 4 partitions at the start and has 6 now: the new ones are not read"),
        "{}",
        page.1
    );
    running.stop().await;
    let (code, message) = run_to_end(&mut kafka.serve());
    assert_eq!(code, Some(1), "{message}");
    let clicks = kafka.topics().clicks;
    let expected = format!(
        "snapshots of `{clicks}` were made with 4 partitions and it has 6 now, so users have moved to other \
         partitions; remove `{}",
        kafka.path("data/snapshots").display()
    );
    assert!(message.contains(&expected), "{message}");

    let journal = journal.set("journal.partitions", "8");
    let (code, message) = run_to_end(&mut journal.serve());
    assert_eq!(code, Some(1), "{message}");
    assert!(
        message.contains("was made with 4 partitions, the configuration says 8: set it back to 4"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_the_same_data_is_refused() {
    let home = Home::on_journal();
    let service = home.spawn().await;
    let (code, message) = run_to_end(&mut home.serve());
    assert_eq!(code, Some(1), "{message}");
    let expected = format!(
        "error: {} is in use by another process: stop it, or give this one a folder of its own with --set data.dir=DIR",
        home.path("data").display()
    );
    assert!(message.contains(&expected), "{message}");
    assert_eq!(service.terminate().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_is_taken_is_named_with_the_flag_that_helps() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    for key in ["server.grpc_addr", "server.http_addr"] {
        let home = Home::on_journal().set(key, address.as_str());
        let (code, message) = run_to_end(&mut home.serve());
        assert_eq!(code, Some(1), "{message}");
        assert!(message.contains(&format!("error: can't listen on {address}")), "{message}");
        assert!(message.contains(&format!("--set {key}=127.0.0.1:PORT")), "{message}");
    }
}
