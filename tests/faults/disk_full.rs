//! A disk that is full: a small tmpfs that holds the data folder, in a mount namespace of its own, so
//! that it needs no root and is gone with the process.

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use headwater::proto;
use tonic::Code;

use super::sandbox::service::{Home, Process, until};
use super::sandbox::world::World;
use super::{recovered, snapshots};

/// Bytes of the disk, and of it what the journal leaves free.
const DISK: u64 = 96 << 20;
const KEEP_FREE: &str = "32MiB";
/// Longer than it takes to fill the disk, beside other work too: a snapshot of what was published before that
/// then mostly meets a full disk.
const SNAPSHOT_INTERVAL: &str = "1s";

/// A tmpfs that lives as long as the shell that mounted it.
struct Disk {
    holder: std::process::Child,
}

impl Disk {
    fn new(home: &Home) -> Self {
        let data = home.path("data");
        fs::create_dir(&data).expect("a folder");
        let script = format!(
            "mount -t tmpfs -o size={DISK} none \"$1\" && touch \"$1/mounted\" && exec sleep infinity"
        );
        let mut unshare = Command::new("unshare");
        unshare.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"]).arg(&data);
        let disk = Self { holder: unshare.spawn().expect("unshare runs") };
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while !disk.data(home).join("mounted").exists() {
            assert!(std::time::Instant::now() < deadline, "no tmpfs could be mounted in a user namespace");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        disk
    }

    /// The data folder as the namespace sees it.
    fn data(&self, home: &Home) -> PathBuf {
        let path = home.path("data");
        let inside = path.strip_prefix("/").expect("an absolute path");
        PathBuf::from(format!("/proc/{}/root", self.holder.id())).join(inside)
    }

    /// Runs the service in the namespace.
    async fn spawn(&self, home: &Home) -> Process {
        let holder = self.holder.id().to_string();
        home.spawn_by(|serve| {
            let mut command = Command::new("nsenter");
            command.args(["--user", "--preserve-credentials", "--mount", "-t", &holder, "--"]);
            command.arg(serve.get_program()).args(serve.get_args());
            if let Some(folder) = serve.get_current_dir() {
                command.current_dir(folder);
            }
            command.arg0("nsenter");
            command
        })
        .await
    }

    /// Fills it but for so many bytes.
    fn fill(&self, home: &Home, leave: u64) -> PathBuf {
        let path = self.data(home).join("filler");
        let mut filler = fs::File::create(&path).expect("a file");
        let zeros = vec![0; 1 << 20];
        while filler.write_all(&zeros).is_ok() {}
        let length = filler.metadata().expect("its length").len();
        filler.set_len(length - leave).expect("it can be cut");
        path
    }
}

/// Whether more snapshots fail than had before, within two of their intervals.
async fn failed_soon(service: &Process, before: u64) -> bool {
    for _ in 0..200 {
        if snapshots(service, "failed").await > before {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_events_with_the_reason_and_takes_them_again_when_there_is_room() {
    let world = World::small();
    let home = Home::on_journal().set("journal.partitions", "2").set("journal.keep_free", KEEP_FREE);
    let home = home.set("snapshot.interval", SNAPSHOT_INTERVAL);
    let disk = Disk::new(&home);
    let first = disk.spawn(&home).await;
    world.put_items(&first).await;
    world.publish(&first, 0..1000, 0).await;
    until("a snapshot", async || (snapshots(&first, "written").await > 0).then_some(())).await;

    // Less than the journal leaves free: events are refused, snapshots are still written.
    let filler = disk.fill(&home, 16 << 20);
    let answers = world.digest(&first).await;
    let request = || proto::PublishRequest { events: world.events[1000..1100].to_vec() };
    let refused = first.events().publish(request()).await.expect_err("the disk is full");
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    assert!(refused.message().contains("is almost full"), "{refused}");
    assert!(refused.message().contains("`journal.keep_free` is 33554432"), "{refused}");
    assert!(world.digest(&first).await == answers, "what was refused counts all the same");
    // The alarms.
    assert_eq!(first.metrics().await.with("headwater_log_errors_total", "class=\"append\""), 1);
    until("free bytes below what the journal needs", async || {
        let metrics = first.metrics().await;
        let (free, needed) = ("headwater_disk_free_bytes", "headwater_journal_keep_free_bytes");
        (metrics.sum(free) < metrics.sum(needed)).then_some(())
    })
    .await;
    fs::remove_file(filler).expect("room");
    world.publish(&first, 1000..2000, 1000).await;

    // Not a byte left: snapshots fail and are counted. One that was written just before the disk was
    // full leaves nothing to write, so that it takes some tries to meet one.
    let mut sent = 2000;
    let filler = loop {
        world.publish(&first, sent..sent + 20, sent).await;
        sent += 20;
        let failed = snapshots(&first, "failed").await;
        let filler = disk.fill(&home, 0);
        if failed_soon(&first, failed).await {
            break filler;
        }
        assert!(sent < 2900, "no snapshot met the full disk");
        fs::remove_file(filler).expect("room");
    };
    let answers = world.digest(&first).await;
    let refused = first.events().publish(request()).await.expect_err("the disk is full");
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    assert!(world.digest(&first).await == answers);
    assert!(first.is_ready().await, "what is in the log is in the answers");
    let written = snapshots(&first, "written").await;
    fs::remove_file(filler).expect("room");
    until("snapshots to resume", async || (snapshots(&first, "written").await > written).then_some(())).await;
    world.publish(&first, sent..3000, sent).await;
    let answers = world.digest(&first).await;

    first.signal("KILL");
    first.wait().await;
    let second = disk.spawn(&home).await;
    let from = recovered(&second).iter().sum::<u64>();
    second.until_events(3000 - from).await;
    assert!(world.digest(&second).await == answers, "answers differ after the restart");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_meets_the_end_of_the_disk_ends_the_process_once_there_is_room() {
    let world = World::small();
    let home = Home::on_journal().set("journal.partitions", "2").set("journal.keep_free", "1MiB");
    let disk = Disk::new(&home);
    let first = disk.spawn(&home).await;
    world.put_items(&first).await;
    world.publish(&first, 0..1000, 0).await;
    let answers = world.digest(&first).await;

    // Room enough for the journal to try, and not for what it is given.
    let filler = disk.fill(&home, (1 << 20) + (256 << 10));
    let large =
        |n| proto::Item { item_id: format!("large-{n}"), title: "x".repeat(1000), ..Default::default() };
    let request = proto::PutItemsRequest { items: (0..10_000).map(large).collect() };
    let refused = first.catalog().put_items(request).await.expect_err("it does not fit");
    let why = "takes no more records, because a write to it failed";
    assert!(refused.message().contains(why), "{refused}");
    let request = || proto::PublishRequest { events: world.events[1000..1100].to_vec() };
    let refused = first.events().publish(request()).await.expect_err("nothing more is taken");
    assert!(refused.message().contains(why), "{refused}");
    assert!(world.digest(&first).await == answers, "what was refused counts all the same");
    assert!(first.is_ready().await, "what is in the log is in the answers");

    fs::remove_file(filler).expect("room");
    assert_eq!(first.wait().await.code(), Some(1));
    let log = fs::read_to_string(home.path("log")).expect("the log");
    assert!(
        log.trim_end()
            .lines()
            .last()
            .is_some_and(|line| line.contains(r#""message":"ended""#) && line.contains("the journal in"))
    );
    let second = disk.spawn(&home).await;
    assert!(world.digest(&second).await == answers, "answers differ after the restart");
    let published = second.events().publish(request()).await.expect("it goes on").into_inner();
    assert_eq!((published.accepted, published.rejected.len()), (100, 0));
}
