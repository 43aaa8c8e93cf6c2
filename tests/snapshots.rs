//! `headwater snapshot` by the real binary, on snapshots that a real service has written: whole
//! ones, damaged ones and none.

mod sandbox;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use sandbox::messages::event;
use sandbox::service::{Home, Process, headwater};
use serde_json::Value;

const T: i64 = 1_700_000_000_000;
const USERS: usize = 20;

/// `headwater snapshot WORDS` on the home's data folder.
fn snapshot(home: &Home, words: &[&str]) -> Output {
    let data = format!("data.dir={}", home.path("data").display());
    let mut command = headwater(&["snapshot"]);
    command.args(words).args(["--set", &data]).current_dir(home.path("."));
    command.output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// A service on two partitions that has applied an event of each of some users.
async fn filled() -> (Home, Process) {
    let home = Home::on_journal().set("journal.partitions", "2").set("snapshot.interval", "1h");
    let service = home.spawn().await;
    let events = (0..USERS).map(|user| {
        let mut event = event(&format!("u{user}"), &format!("i{}", user % 3), "click", T + user as i64);
        event.event_id = format!("e{user}");
        event
    });
    let request = headwater::proto::PublishRequest { events: events.collect() };
    service.events().publish(request).await.expect("published");
    service.until_events(USERS as u64).await;
    (home, service)
}

/// A stopped one: each partition has a snapshot.
async fn stopped() -> (Home, Vec<String>) {
    let (home, service) = filled().await;
    assert!(service.terminate().await.success());
    let list = json(&snapshot(&home, &["list", "--json"]));
    let names = list["snapshots"].as_array().expect("a list").iter();
    let names: Vec<String> = names.map(|one| one["name"].as_str().expect("a name").to_owned()).collect();
    assert_eq!(names.len(), 2, "{list}");
    (home, names)
}

fn file(home: &Home, name: &str) -> PathBuf {
    home.path("data/snapshots").join(name)
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("a snapshot");
    change(&mut bytes);
    fs::write(path, bytes).expect("a snapshot");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whole_snapshots_are_listed_verified_and_shown_with_what_is_in_them() {
    let (home, names) = stopped().await;
    let list = snapshot(&home, &["list"]);
    assert_eq!(list.status.code(), Some(0));
    let lines = text(&list.stdout);
    for name in &names {
        let line = lines.lines().find(|line| line.ends_with(name)).expect("a line each snapshot");
        assert!(line.contains("  whole  "), "{line}");
    }
    let verified = snapshot(&home, &["verify"]);
    assert_eq!((verified.status.code(), text(&verified.stdout).lines().count()), (Some(0), 2));

    let mut users = 0;
    for name in &names {
        let shown = json(&snapshot(&home, &["inspect", name, "--json"]));
        assert_eq!(shown["topic"], "clicks");
        assert_eq!(shown["partitions"], 2);
        assert_eq!(shown["bytes"], fs::metadata(file(&home, name)).expect("a file").len());
        let contents = &shown["contents"];
        users += contents["users"].as_u64().expect("a number");
        assert_eq!(contents["applied"], shown["next_offset"], "an event a record");
        assert_eq!(contents["event_ids"], shown["next_offset"]);
        assert_eq!(contents["items"], 3);
        assert_eq!(shown["sections"].as_array().map(Vec::len), Some(6));
    }
    assert_eq!(users, USERS as u64);

    // Also by a path, from anywhere, and for people.
    let copy = home.path("copy.snap");
    fs::copy(file(&home, &names[0]), &copy).expect("a copy");
    let shown = snapshot(&home, &["inspect", copy.to_str().expect("UTF-8")]);
    assert_eq!(shown.status.code(), Some(0));
    for part in ["partition       0 of 2", "items           3", "EventIds"] {
        assert!(text(&shown.stdout).contains(part), "{part} in {}", text(&shown.stdout));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_byte_and_a_cut_file_are_named_with_the_reason() {
    let (home, names) = stopped().await;
    let flipped = file(&home, &names[0]);
    change(&flipped, |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    let verified = snapshot(&home, &["verify"]);
    assert_eq!(verified.status.code(), Some(1));
    let damaged = format!("damaged: {}: the checksum of its content does not match", names[0]);
    assert_eq!(text(&verified.stdout), format!("{damaged}\nwhole: {}\n", names[1]));
    assert_eq!(text(&verified.stderr), "error: 1 of 2 snapshots are damaged\n");

    change(&file(&home, &names[1]), |bytes| bytes.truncate(bytes.len() - 1));
    let verified = json(&snapshot(&home, &["verify", "--json"]));
    assert_eq!((&verified["ok"], &verified["damaged"]), (&Value::from(false), &Value::from(2)));
    assert_eq!(verified["snapshots"][1]["damage"], "it is torn: its end is missing");
    let list = snapshot(&home, &["list"]);
    assert_eq!(list.status.code(), Some(0), "listing is not verifying");
    assert_eq!(text(&list.stdout).matches("damaged: ").count(), 2);

    let shown = snapshot(&home, &["inspect", &names[1]]);
    assert_eq!(shown.status.code(), Some(1));
    assert!(text(&shown.stderr).contains("is damaged: it is torn: its end is missing"), "{shown:?}");

    // A file cut to nothing, and one that lies under the name of another.
    fs::write(&flipped, b"").expect("an empty file");
    let verified = json(&snapshot(&home, &["verify", "--json"]));
    assert_eq!(verified["snapshots"][0]["damage"], "it is torn: it is shorter than any snapshot");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_under_the_name_of_another_partition_is_damaged() {
    let (home, names) = stopped().await;
    fs::copy(file(&home, &names[1]), file(&home, &names[0])).expect("a copy");
    let verified = snapshot(&home, &["verify"]);
    assert_eq!(verified.status.code(), Some(1));
    let expected = "it is not what its name says: it is partition 1 of `clicks` up to offset";
    assert!(text(&verified.stdout).contains(expected), "{verified:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_of_another_stream_configuration_are_whole_and_said_to_be_of_another() {
    let (home, names) = stopped().await;
    let other = ["--set", "stream.recent_events_per_user=5"];
    let verified = snapshot(&home, &[&["verify"], &other[..]].concat());
    assert_eq!(verified.status.code(), Some(0));
    assert!(text(&verified.stdout).contains("whole, of another stream configuration"), "{verified:?}");
    let shown = json(&snapshot(&home, &[&["inspect", &names[0], "--json"], &other[..]].concat()));
    assert_eq!((&shown["contents"], &shown["current_stream"]), (&Value::Null, &Value::from(false)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_service_does_not_keep_anyone_from_looking() {
    let (home, service) = filled().await;
    let list = snapshot(&home, &["list"]);
    assert_eq!(list.status.code(), Some(0), "{list:?}");
    assert!(service.terminate().await.success());
}

#[test]
fn where_there_are_none_the_list_says_so_and_verify_fails() {
    let home = Home::on_journal();
    for made in [false, true] {
        if made {
            fs::create_dir_all(home.path("data/snapshots")).expect("a folder");
        }
        let list = snapshot(&home, &["list"]);
        assert_eq!(list.status.code(), Some(0));
        assert!(text(&list.stdout).starts_with("no snapshots in "), "{list:?}");
        assert_eq!(json(&snapshot(&home, &["list", "--json"]))["snapshots"], Value::Array(Vec::new()));
        let verified = snapshot(&home, &["verify"]);
        assert_eq!(verified.status.code(), Some(1));
        assert!(text(&verified.stderr).starts_with("error: no snapshots in "), "{verified:?}");
        assert_eq!(home.path("data/snapshots").exists(), made, "looking makes nothing");
    }
    let shown = snapshot(&home, &["inspect", "o=1.snap"]);
    assert_eq!(shown.status.code(), Some(1));
    assert!(text(&shown.stderr).contains("is called `o=1.snap`"), "{shown:?}");
}
