//! `headwater snapshot` by the real binary, on snapshots that a real service has written: whole
//! ones, damaged ones and none.

mod sandbox;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;

use headwater::log::{Partition, Topic};
use headwater::snapshot::format::{Pieces, decode, encode_into, tagged};
use sandbox::kafka::Broker;
use sandbox::messages::event;
use sandbox::service::{Home, Process, headwater, run_to_end, until};
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
    publish(&service).await;
    (home, service)
}

/// Has a new service apply an event of each of the users.
async fn publish(service: &Process) {
    let events = (0..USERS).map(|user| {
        let mut event = event(&format!("u{user}"), &format!("i{}", user % 3), "click", T + user as i64);
        event.event_id = format!("e{user}");
        event
    });
    let request = headwater::proto::PublishRequest { events: events.collect() };
    service.events().publish(request).await.expect("published");
    service.until_events(USERS as u64).await;
}

/// Has a service that has replayed these events apply as many again.
async fn publish_again(service: &Process) {
    service.until_events(USERS as u64).await;
    let events = (0..USERS).map(|user| event(&format!("u{user}"), "i0", "view", T + 60_000));
    let request = headwater::proto::PublishRequest { events: events.collect() };
    service.events().publish(request).await.expect("published");
    service.until_events(2 * USERS as u64).await;
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

/// The fields of the log's lines that say this.
fn said(log: &str, message: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.map(|line| line["fields"].clone()).filter(|fields| fields["message"] == message).collect()
}

/// From which offsets a process has gone on, all in all.
fn gone_on_from(log: &str) -> u64 {
    said(log, "partition recovered")
        .iter()
        .map(|fields| fields["next_offset"].as_u64().expect("a number"))
        .sum()
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
        assert_eq!(contents["postings"], shown["next_offset"], "each is of another time");
        assert_eq!(shown["sections"].as_array().map(Vec::len), Some(12));
    }
    assert_eq!(users, USERS as u64);

    // Also by a path, from anywhere, and for people.
    let copy = home.path("copy.snap");
    fs::copy(file(&home, &names[0]), &copy).expect("a copy");
    let shown = snapshot(&home, &["inspect", copy.to_str().expect("UTF-8")]);
    assert_eq!(shown.status.code(), Some(0));
    for part in ["partition       0 of 2", "items           3", "event_ids"] {
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
    assert!(
        text(&verified.stdout)
            .contains("whole, of another stream configuration: recent_events_per_user: 64 then, 5 now"),
        "{verified:?}"
    );
    let shown = json(&snapshot(&home, &[&["inspect", &names[0], "--json"], &other[..]].concat()));
    assert_eq!((&shown["contents"], &shown["current_stream"]), (&Value::Null, &Value::from(false)));
    assert_eq!(shown["differs"], "recent_events_per_user: 64 then, 5 now");
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_decides_no_fact_may_change_and_event_types_may_be_appended_without_a_replay() {
    let types = r#"["view","click","add_to_cart","purchase","like","dislike","hide","impression","share"]"#;
    for (key, value) in [
        ("limits.users", "20000000"),
        ("stream.context_event_type", "view"),
        ("stream.as_of_horizon", "1h"),
        ("stream.event_types", types),
    ] {
        let (home, _) = stopped().await;
        let home = home.set(key, value);
        let service = home.spawn().await;
        let log = service.log();
        assert_eq!(gone_on_from(&log), USERS as u64, "{key}: {log}");
        assert_eq!(service.metrics().await.sum("headwater_users"), USERS as u64, "{key}");
        assert!(said(&log, "snapshots do not fit this stream configuration").is_empty(), "{key}: {log}");
        assert!(service.terminate().await.success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lower_limit_on_users_holds_after_the_start() {
    let (home, _) = stopped().await;
    let home = home.set("limits.users", "3");
    let service = home.spawn().await;
    assert_eq!(gone_on_from(&service.log()), USERS as u64);
    assert_eq!(service.metrics().await.sum("headwater_users"), 6, "three in each of two partitions");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_of_which_no_snapshot_is_whole_is_rebuilt_and_that_is_told() {
    let (home, names) = stopped().await;
    for name in &names {
        change(&file(&home, name), |bytes| *bytes.last_mut().expect("some bytes") ^= 1);
    }
    let service = home.spawn().await;
    service.until_events(USERS as u64).await;
    let log = service.log();
    let told =
        said(&log, "no snapshot of the partition is whole and fits: its state is rebuilt from the log");
    assert_eq!(told.len(), names.len(), "one a partition: {log}");
    for fields in told {
        let numbers = ["damaged", "unfit", "next_offset", "log_begins"].map(|name| fields[name].as_u64());
        assert_eq!(numbers, [Some(1), Some(0), Some(0), Some(0)], "{fields}");
    }
    let rebuilt = service.metrics().await.with("headwater_snapshots_total", "outcome=\"rebuilt\"");
    assert_eq!(rebuilt, names.len() as u64);
    assert!(service.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snapshots_that_do_not_fit_are_named_at_the_start_with_what_differs() {
    let (home, names) = stopped().await;
    let home = home.set("stream.dedup_horizon", "2h");
    let service = home.spawn().await;
    service.until_events(USERS as u64).await;
    let log = service.log();
    assert_eq!(gone_on_from(&log), 0, "{log}");
    let unfit = said(&log, "snapshots do not fit this stream configuration");
    assert_eq!(unfit.len(), 2, "one a partition: {log}");
    for fields in unfit {
        assert_eq!(fields["differs"], "dedup_horizon: 1h then, 2h now");
        let path = fields["path"].as_str().expect("a path");
        assert!(names.iter().all(|name| name.starts_with(path)), "{path} of {names:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_section_that_is_not_known_is_skipped_and_told() {
    let (home, names) = stopped().await;
    let config = Arc::new(home.config().stream);
    for name in &names {
        change(&file(&home, name), |bytes| {
            let decoded = decode(bytes, Arc::clone(&config)).expect("it can be read");
            let known = decoded.state.to_sections();
            let mut all: Vec<_> = tagged(&known).collect();
            all.insert(3, ("transitions", 7, b"of a later version"));
            let packed = encode_into(Pieces::default(), &decoded.header, all.into_iter());
            *bytes = packed.expect("it can be packed").concat();
        });
    }
    let shown = json(&snapshot(&home, &["inspect", &names[0], "--json"]));
    assert_eq!(shown["sections"].as_array().map(Vec::len), Some(13));
    assert_eq!(
        (&shown["sections"][3]["section"], &shown["sections"][3]["known"]),
        (&"transitions".into(), &false.into())
    );
    let shown = text(&snapshot(&home, &["inspect", &names[0]]).stdout);
    let line = shown.lines().find(|line| line.starts_with("transitions")).expect("a line each section");
    assert!(line.ends_with("not known to this version, skipped"), "{line}");

    let service = home.spawn().await;
    let log = service.log();
    assert_eq!(gone_on_from(&log), USERS as u64, "{log}");
    let skipped = said(&log, "snapshot section is not known to this version and was skipped");
    assert_eq!(skipped.iter().filter(|fields| fields["tag"] == "transitions").count(), 2, "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_of_format_1_is_named_and_not_read() {
    let (home, names) = stopped().await;
    for name in &names {
        let old = file(&home, &name.replace(name.split('/').nth(1).expect("a folder"), "00000000000000ab"));
        fs::create_dir_all(old.parent().expect("a folder")).expect("a folder");
        fs::rename(file(&home, name), &old).expect("a snapshot");
        change(&old, |bytes| bytes[8] = 1);
    }
    let service = home.spawn().await;
    service.until_events(USERS as u64).await;
    let unfit = said(&service.log(), "snapshots do not fit this stream configuration");
    let expected = "its format is 1, this version reads 2: start the version that wrote it, or remove it";
    assert_eq!(unfit.iter().filter(|fields| fields["differs"] == expected).count(), 2, "{}", service.log());
}

/// A start that would leave out what the log no longer holds is refused, with what there was to start
/// from and the option that accepts it. Once accepted, the next start needs no option.
async fn refused_unless_accepted(home: Home, had: &str) {
    let (code, message) = run_to_end(&mut home.serve());
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("` can't be restored whole: its log begins at offset "), "{message}");
    assert!(message.contains(had), "{had} in {message}");
    assert!(message.contains("starting once with --set ingest.accept_gap=true"), "{message}");

    let home = home.set("ingest.accept_gap", "true");
    let accepted = home.spawn().await;
    let gaps =
        async |process: &Process| process.metrics().await.with("headwater_log_errors_total", "class=\"gap\"");
    // In a group partitions come when it has been joined.
    until("gaps in both partitions", async || (gaps(&accepted).await == 2).then_some(())).await;
    until("readiness", async || accepted.is_ready().await.then_some(())).await;
    assert!(accepted.terminate().await.success());

    // Though no record has come since.
    let home = home.set("ingest.accept_gap", "false");
    let after = home.spawn().await;
    until("readiness", async || after.is_ready().await.then_some(())).await;
    assert_eq!(gaps(&after).await, 0, "{}", after.log());
    assert!(after.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_for_which_the_log_no_longer_holds_everything_is_refused_unless_that_is_accepted() {
    let broker = tokio::task::spawn_blocking(Broker::shared).await.expect("a broker");
    let filled = async |assignment: &str| {
        let home = Home::on_kafka(broker).set("kafka.partitions", "2").set("snapshot.interval", "1h");
        let url = home.path("data/snapshots").display().to_string();
        let home = home.set("kafka.assignment", assignment).set("snapshot.url", url);
        let service = home.spawn().await;
        publish(&service).await;
        assert!(service.terminate().await.success());
        home
    };
    let empty = |home: &Home| {
        let clicks = home.topics().clicks;
        let bounds = |partition| home.log().bounds(Topic::Clicks, partition).expect("bounds");
        tokio::task::block_in_place(|| {
            for partition in Partition::all(2) {
                broker.delete_records(&clicks, partition.0, bounds(partition).high.0);
            }
        });
    };

    // A first start with a topic that has a past, alone and in a group.
    for assignment in ["all", "group"] {
        let home = filled(assignment).await;
        fs::remove_dir_all(home.path("data/snapshots")).expect("the snapshots go");
        empty(&home);
        refused_unless_accepted(home, "to go on from, as is usual for a first start").await;
    }

    // Snapshots that are of another configuration.
    let home = filled("all").await.set("stream.recent_events_per_user", "32");
    empty(&home);
    let unfit = "but does not fit: recent_events_per_user: 64 then, 32 now";
    refused_unless_accepted(home, unfit).await;

    // Snapshots that are older than what is left of the log.
    let home = filled("all").await;
    let keep = home.path("kept");
    fs::rename(home.path("data/snapshots"), &keep).expect("the snapshots move");
    let service = home.spawn().await;
    publish_again(&service).await;
    assert!(service.terminate().await.success());
    fs::remove_dir_all(home.path("data/snapshots")).expect("the newer snapshots go");
    fs::rename(&keep, home.path("data/snapshots")).expect("the snapshots move");
    empty(&home);
    refused_unless_accepted(home, "goes on at offset ").await;
}
