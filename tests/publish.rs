//! `headwater publish`, as whoever has files of clicks uses it.

mod sandbox;

use std::fs;

use sandbox::messages::{answer, profile};
use sandbox::service::{Home, Service, headwater};

const DAY: i64 = 86_400_000;

/// Publishes and gives the exit code, what it printed and what it said of errors.
fn publish(service: &Service, args: &[&str]) -> (Option<i32>, String, String) {
    let server = service.grpc.to_string();
    let output = headwater(&["publish", "--server", &server]).args(args).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// How many events a user has in the longest window.
async fn known(service: &Service, user: &str) -> u64 {
    let told = answer(service.profiles().get_profile(profile(user, None)).await).expect("a profile");
    told.windows.last().expect("windows").events
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_nothing_would_count_are_refused_with_what_helps_and_that_helps() {
    let home = Home::on_journal();
    let service = home.start().await;
    let now = headwater::clock::wall_clock();
    let file = home.path("clicks.csv");
    let file = file.to_str().expect("a UTF-8 path");
    let write = |user: &str, times: [i64; 2]| {
        let [first, last] = times;
        let rows = format!("user_id,item_id,type,ts\n{user},i1,click,{first}\n{user},i2,click,{last}\n");
        fs::write(file, rows).expect("a file");
    };

    write("ada", [now / 1000 - 60, now / 1000]);
    let (code, _, error) = publish(&service, &[file]);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("nothing was sent: the newest event is of 1970-01-2"), "{error}");
    assert!(error.contains("`--ts-unit s`"), "{error}");
    let (code, told, error) = publish(&service, &[file, "--ts-unit", "s"]);
    assert_eq!(code, Some(0), "{error}");
    assert!(told.starts_with("2 events of 20") && told.ends_with(", 0 items sent; 0 rejected\n"), "{told}");
    service.until_events(2).await;
    assert_eq!(known(&service, "ada").await, 2);

    write("bob", [now - 40 * DAY, now - 39 * DAY]);
    let (code, _, error) = publish(&service, &[file]);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("which no window counts any more (the longest is 30d"), "{error}");
    let (code, told, error) = publish(&service, &[file, "--shift-to-now", "--json"]);
    assert_eq!(code, Some(0), "{error}");
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    let (first, last) = (&told["first_event"], &told["last_event"]);
    assert!(last.as_i64() >= Some(now), "{told}");
    assert_eq!(last.as_i64().zip(first.as_i64()).map(|(last, first)| last - first), Some(DAY), "{told}");
    service.until_events(4).await;
    assert_eq!(known(&service, "bob").await, 2);

    write("cyd", [now - 40 * DAY, now - 39 * DAY]);
    let (code, _, error) = publish(&service, &[file, "--any-time"]);
    assert_eq!(code, Some(0), "{error}");
    service.until_events(6).await;
    assert_eq!(known(&service, "cyd").await, 0);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipe_is_read_once_and_all_of_it() {
    let home = Home::on_journal();
    let service = home.start().await;
    let pipe = home.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("it runs").success());
    let rows = format!("user_id,item_id,type,ts\nada,i1,click,{}\n", headwater::clock::wall_clock());
    let (writing, path) = (pipe.clone(), pipe.to_str().expect("a UTF-8 path"));
    // Opens once there is a reader.
    let writer = std::thread::spawn(move || fs::write(writing, rows).expect("it is read"));
    let (code, told, error) = publish(&service, &[path, "--format", "csv"]);
    writer.join().expect("it is read");
    assert_eq!(code, Some(0), "{error}");
    assert!(told.starts_with("1 events of "), "{told}");
    let (code, _, error) = publish(&service, &["-", "--format", "csv", "--shift-to-now"]);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("not standard input"), "{error}");
    service.stop().await;
}
