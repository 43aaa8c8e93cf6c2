//! Snapshots in a bucket of a real S3-compatible server, and that server gone.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use headwater::engine::config::StreamConfig;
use headwater::log::{Offset, Partition};
use headwater::snapshot::Location;
use headwater::snapshot::SnapshotStore;

use super::sandbox::kafka::Broker;
use super::sandbox::s3::{BUCKET, S3};
use super::sandbox::service::{Clients, Home, run_to_end, until};
use super::sandbox::world::World;
use super::{recovered, snapshots};

const PARTITIONS: usize = 2;
const NO_CREDENTIALS: &str =
    "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_machine_goes_on_from_the_bucket_and_a_flipped_byte_costs_one_snapshot() {
    let (world, s3) = (World::small(), S3::start());
    let kafka = || Home::on_kafka(Broker::shared()).set("kafka.partitions", PARTITIONS.to_string());
    let home = s3.keeps(kafka(), "a/prefix").set("snapshot.interval", "100ms");
    let first = home.spawn().await;
    world.put_items(&first).await;
    // More snapshots than are kept.
    for before in (0..world.events.len()).step_by(500) {
        let end = (before + 500).min(world.events.len());
        world.publish(&first, before..end, before).await;
        until("a snapshot of every record", async || {
            (newest(&s3).iter().sum::<u64>() as usize == end).then_some(())
        })
        .await;
    }
    let before = world.digest(&first).await;
    first.signal("KILL");
    first.wait().await;
    let kept = s3.objects("a/prefix", ".snap");
    assert_eq!(kept.len(), 3 * PARTITIONS, "{kept:?}");

    // Nothing of this machine is left but the log.
    fs::remove_dir_all(home.path("data")).expect("the data folder goes");
    let second = home.spawn().await;
    assert_eq!(recovered(&second).iter().sum::<u64>() as usize, world.events.len());
    assert!(world.digest(&second).await == before, "answers from the bucket differ");
    second.signal("KILL");
    second.wait().await;

    for newest in s3.objects("a/prefix", ".snap").chunks(3).map(|kept| &kept[2]) {
        let mut bytes = fs::read(newest).expect("a snapshot");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(newest, bytes).expect("a snapshot");
    }
    let third = home.spawn().await;
    assert_eq!(snapshots(&third, "rejected").await as usize, PARTITIONS);
    let offsets = recovered(&third).iter().sum::<u64>();
    assert!(0 < offsets && (offsets as usize) < world.events.len(), "{offsets}");
    third.until_events(world.events.len() as u64 - offsets).await;
    assert!(world.digest(&third).await == before, "answers from the older snapshots differ");
    assert_eq!(third.terminate().await.code(), Some(0));
}

/// Until when all that any partition holds is in a snapshot.
async fn oldest(service: &Clients) -> f64 {
    let times = service.metrics().await.of("headwater_snapshot_timestamp_seconds");
    assert_eq!(times.len(), PARTITIONS, "one a partition: {times:?}");
    times.iter().fold(f64::INFINITY, |oldest, (_, time)| oldest.min(*time))
}

/// The offset of each partition's newest snapshot.
fn newest(s3: &S3) -> Vec<u64> {
    let mut newest = std::collections::BTreeMap::new();
    for path in s3.objects("a/prefix", ".snap") {
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        let offset: u64 = name.strip_prefix("o=").and_then(|offset| offset.parse().ok()).expect("an offset");
        newest.insert(path.parent().expect("a folder").to_owned(), offset);
    }
    newest.into_values().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_object_store_is_away_answers_go_on_and_snapshots_resume_by_themselves() {
    let (world, mut s3) = (World::small(), S3::start());
    let home = s3.keeps(Home::on_journal().set("journal.partitions", "2"), "away");
    let home = home.set("snapshot.interval", "100ms").set("snapshot.s3_timeout", "3s");
    let first = home.spawn().await;
    world.put_items(&first).await;
    world.publish(&first, 0..1000, 0).await;
    until("snapshots", async || (oldest(&first).await > 0.0).then_some(())).await;

    s3.stop();
    world.publish(&first, 1000..2000, 1000).await;
    until("failures", async || (snapshots(&first, "failed").await > 2).then_some(())).await;
    let taken = oldest(&first).await;
    world.publish(&first, 2000..3000, 2000).await;
    let failed = snapshots(&first, "failed").await;
    until("more failures", async || (snapshots(&first, "failed").await > failed).then_some(())).await;
    let still = oldest(&first).await;
    assert_eq!(still, taken, "the newest snapshot got younger while none could be written");
    let answers = world.digest(&first).await;
    assert!(first.is_ready().await, "answers are as fresh as ever");

    s3.resume();
    let written = snapshots(&first, "written").await;
    until("snapshots to resume", async || (snapshots(&first, "written").await > written).then_some(())).await;
    until("none to be old", async || (oldest(&first).await > still).then_some(())).await;
    // What is in a snapshot whole is not old, though nothing new comes and none is written.
    let now = oldest(&first).await;
    until("the age to be told anew", async || (oldest(&first).await > now).then_some(())).await;
    assert!(world.digest(&first).await == answers);
    first.signal("KILL");
    first.wait().await;
    let second = home.spawn().await;
    let from = recovered(&second).iter().sum::<u64>();
    second.until_events(3000 - from).await;
    assert!(world.digest(&second).await == answers, "answers differ after the restart");

    // A stop while it is away says that the last snapshots are missing, within its time.
    world.publish(&second, 3000..world.events.len(), (3000 - from) as usize).await;
    s3.stop();
    let log = home.path("log");
    assert_eq!(second.terminate().await.code(), Some(1));
    let log = fs::read_to_string(log).expect("the log");
    assert!(log.contains("`snapshot.s3_endpoint` can be reached"), "{log}");
    let (code, message) = run_to_end(&mut home.serve());
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("error: snapshots in s3://snapshots/away: "), "{message}");
    assert!(message.contains("check that `snapshot.s3_endpoint` can be reached from here"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_that_can_not_save_state_in_time_says_so_and_is_over() {
    let (world, mut s3) = (World::small(), S3::start());
    let home = s3.keeps(Home::on_journal(), "x").set("snapshot.s3_timeout", "10m");
    let home = home.set("snapshot.interval", "1h").set("server.shutdown_grace", "6s");
    let service = home.spawn().await;
    world.put_items(&service).await;
    world.publish(&service, 0..1000, 0).await;
    let answers = world.digest(&service).await;
    s3.stop();
    let log = home.path("log");
    assert_eq!(service.terminate().await.code(), Some(1));
    let log = fs::read_to_string(log).expect("the log");
    assert!(log.contains("state was not saved within `server.shutdown_grace` (6s)"), "{log}");
    s3.resume();
    let service = home.spawn().await;
    service.until_events(1000).await;
    assert!(world.digest(&service).await == answers, "answers differ after the restart");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_bucket_is_told_with_the_key_that_mends_it() {
    let s3 = S3::start();
    let home = || s3.keeps(Home::on_journal(), "x");
    for (home, expected) in [
        (
            home().set("snapshot.url", "s3://elsewhere/x"),
            "there is no such bucket: make it, or correct `snapshot.url`",
        ),
        (
            home().variable("AWS_SECRET_ACCESS_KEY", "wrong"),
            "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ),
        (home().variable("AWS_ACCESS_KEY_ID", "nobody"), "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        (home().without_variable("AWS_SECRET_ACCESS_KEY"), NO_CREDENTIALS),
        (
            // What the machine itself would be asked for its role is not there.
            home()
                .without_variable("AWS_ACCESS_KEY_ID")
                .without_variable("AWS_SECRET_ACCESS_KEY")
                .variable("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
                .set("snapshot.s3_timeout", "1s"),
            NO_CREDENTIALS,
        ),
        (
            home().set("snapshot.s3_allow_http", "false"),
            "an https:// URL, or `snapshot.s3_allow_http = true`",
        ),
    ] {
        let (code, message) = run_to_end(&mut home.serve());
        assert!(matches!(code, Some(1 | 2)), "{code:?}: {message}");
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains(super::sandbox::s3::SECRET), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_snapshot_goes_in_parts_and_arrives_whole() {
    let s3 = S3::start();
    let settings = s3.keeps(Home::on_journal(), "x").config().snapshot.s3;
    let place = Location::Bucket { name: BUCKET.to_owned(), prefix: "large".to_owned() };
    let settings = headwater::snapshot::S3Settings { timeout: Duration::from_secs(60), ..settings };
    let config = Arc::new(StreamConfig::default());
    let store = SnapshotStore::open(&place, &settings, "clicks", 1, config, 3).expect("a store");
    // Nothing that packs.
    let mut random = 1_u64;
    let mut noise = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random as u8
    };
    let section: Vec<u8> = (0..20 * 1024 * 1024).map(|_| noise()).collect();
    let header = store.header(Partition(0), Offset(7), 1);
    let expected =
        headwater::snapshot::format::encode(&header, std::slice::from_ref(&section)).expect("a snapshot");
    let size = store.put(&header, expected.clone()).await.expect("it is written");
    let expected = expected.concat();
    assert_eq!(size, expected.len());
    let [object] = &s3.objects("large", ".snap")[..] else { panic!("one object") };
    assert!(fs::read(object).expect("the object") == expected, "the parts are not what was sent");
}
