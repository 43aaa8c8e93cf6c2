//! `headwater publish`, as whoever has files of clicks uses it.

mod sandbox;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use headwater::clock::wall_clock;
use headwater::log::{NewRecord, Topic};
use headwater::proto;
use sandbox::messages::{answer, profile};
use sandbox::service::{Home, Service, headwater, output_of, until};
use serde_json::{Value, json};

const DAY: i64 = 86_400_000;

/// Publishes and gives the exit code, what it printed and what it said of errors.
fn publish(service: &Service, args: &[&str]) -> (Option<i32>, String, String) {
    let server = service.grpc.to_string();
    let mut command = headwater(&["publish", "--server", &server]);
    let output = output_of(command.args(args).stdout(Stdio::piped()));
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
    let now = wall_clock();
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
    let rows = format!("user_id,item_id,type,ts\nada,i1,click,{}\n", wall_clock());
    let (writing, path) = (pipe.clone(), pipe.to_str().expect("a UTF-8 path"));
    // Opens once there is a reader.
    let writer = std::thread::spawn(move || fs::write(writing, rows).expect("it is read"));
    let (code, told, error) = publish(&service, &[path, "--format", "csv"]);
    writer.join().expect("it is read");
    assert_eq!(code, Some(0), "{error}");
    assert!(told.starts_with("1 event of "), "{told}");
    let (code, _, error) = publish(&service, &["-", "--format", "csv", "--shift-to-now"]);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("not standard input"), "{error}");
    service.stop().await;
}

/// A file of a home.
fn write(home: &Home, name: &str, text: &str) -> String {
    let path: PathBuf = home.path(name);
    fs::write(&path, text).expect("a file");
    path.to_str().expect("a UTF-8 path").to_owned()
}

fn event(user: &str, kind: &str) -> Value {
    json!({ "user_id": user, "item_id": "i1", "type": kind, "ts": wall_clock() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_others_are_read_by_what_they_call_things() {
    let home = Home::on_journal();
    let service = home.start().await;
    let seconds = wall_clock() / 1000;
    let csv = write(&home, "export.csv", &format!("userId;item_id;kind;when\nada;i1;click;{seconds}\n"));
    let (code, _, error) = publish(&service, &[&csv]);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("try --separator ';'"), "{error}");
    let (code, _, error) = publish(&service, &[&csv, "--separator", ";"]);
    assert_eq!(code, Some(1), "{error}");
    assert!(
        error.contains("did you mean `user_id` by `userId`? Say so with --map userId=user_id"),
        "{error}"
    );
    let map = "userId=user_id,kind=type,when=ts";
    let (code, told, error) = publish(&service, &[&csv, "--separator", ";", "--map", map, "--ts-unit", "s"]);
    assert_eq!(code, Some(0), "{error}");
    assert!(told.starts_with("1 event of ") && told.ends_with(", 0 items sent; 0 rejected\n"), "{told}");
    let lines = json!({ "userId": "ada", "item_id": "i2", "kind": "click", "when": seconds });
    let lines = write(&home, "export.jsonl", &format!("{lines}\n"));
    let (code, _, error) = publish(&service, &[&lines, "--map", map, "--ts-unit", "s"]);
    assert_eq!(code, Some(0), "{error}");
    let (code, _, error) = publish(&service, &[&lines, "--map", "userId=userid"]);
    assert_eq!(code, Some(1), "{error}");
    assert!(
        error.contains("`userid` is no field of an event or an item; did you mean `user_id`?"),
        "{error}"
    );

    let pretty = format!(
        "\n {:#}\n",
        json!([event("ada", "click"), event("bob", "no such type"), event("ada", "like")])
    );
    let array = write(&home, "events.json", &pretty);
    let (code, told, error) = publish(&service, &[&array]);
    assert_eq!(code, Some(1), "{error}");
    assert!(told.starts_with("2 events of ") && told.ends_with("; 1 rejected\n"), "{told}");
    assert!(error.contains("events.json:9: `type` is `no such type`"), "{error}");
    assert!(error.ends_with("error: 1 row was rejected\n"), "{error}");
    service.until_events(4).await;
    assert_eq!(known(&service, "ada").await, 4);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejected_rows_are_named_in_the_order_of_their_lines_whoever_rejects_them() {
    let home = Home::on_journal();
    let service = home.start().await;
    let items = vec![sandbox::messages::item("i1", &["travel"])];
    answer(service.catalog().put_items(proto::PutItemsRequest { items }).await).expect("put");
    service.until_items(1).await;
    // By the server, by what reads lines, by the server.
    let row = |kind: &str| event("ada", kind).to_string();
    let rows = [row("click"), row("no"), "{}".to_owned(), "no json".to_owned(), row("nor this"), row("like")];
    let file = write(&home, "rows.jsonl", &rows.join("\n"));
    let (code, told, error) = publish(&service, &[&file]);
    assert_eq!(code, Some(1), "{error}");
    assert!(told.ends_with("; 4 rejected\n"), "{told}");
    let lines: Vec<&str> = error
        .lines()
        .filter_map(|line| line.strip_prefix("rejected: ")?.strip_prefix(file.as_str()))
        .collect();
    let numbers: Vec<&str> = lines.iter().map(|line| &line[..3]).collect();
    assert_eq!(numbers, [":2:", ":3:", ":4:", ":5:"], "{error}");

    let many: Vec<String> =
        (0..30).map(|number| if number % 2 == 0 { "{}".to_owned() } else { row("no") }).collect();
    let file = write(&home, "many.jsonl", &many.join("\n"));
    let (_, _, error) = publish(&service, &[&file]);
    let told: Vec<&str> = error.lines().collect();
    assert!(told[0].contains("many.jsonl:1: ") && told[19].contains("many.jsonl:20: "), "{error}");
    assert_eq!(told[20..], ["rejected: and 10 more, which are only counted", "error: 30 rows were rejected"]);
    let (_, _, error) = publish(&service, &[&file, "--json"]);
    assert!(error.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{error}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_among_items_are_refused_and_items_that_lose_their_categories_are_told() {
    let home = Home::on_journal();
    let service = home.start().await;
    let items = write(&home, "items.jsonl", "{\"item_id\":\"i1\",\"categories\":[\"travel\"]}\n");
    let (code, _, error) = publish(&service, &["--items", &items]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    service.until_items(1).await;
    let categories = async || {
        let request = proto::GetItemRequest { item_id: "i1".into() };
        answer(service.catalog().get_item(request).await)
            .expect("it is there")
            .item
            .unwrap_or_default()
            .categories
    };
    let clicks = write(&home, "clicks.jsonl", &event("ada", "click").to_string());
    let table = write(&home, "clicks.csv", "user_id,item_id,type,ts\nada,i1,click,1\n");
    for (file, told_of) in [(&clicks, "clicks.jsonl:1 has `type`"), (&table, "clicks.csv:1 has `user_id`")] {
        let (code, told, error) = publish(&service, &["--items", file]);
        assert_eq!((code, told.as_str()), (Some(1), ""), "{error}");
        assert!(error.contains(&format!("{told_of}: these look like events")), "{error}");
    }
    assert_eq!(categories().await, ["travel"]);

    let misspelt = write(&home, "items.csv", "item_id,category\ni1,travel\n");
    let (code, told, error) = publish(&service, &["--items", &misspelt]);
    assert_eq!((code, told.as_str()), (Some(0), "0 events, 1 item sent; 0 rejected\n"), "{error}");
    let warnings: Vec<&str> = error.lines().collect();
    assert!(
        warnings[0].ends_with("did you mean `categories`? Say so with --map category=categories"),
        "{error}"
    );
    assert!(warnings[1].starts_with("warning: 1 of 1 item came without a category"), "{error}");
    service.until_items(2).await;
    assert_eq!(
        service.metrics().await.with("headwater_item_changes_total", "outcome=\"lost_categories\""),
        1
    );
    let (code, _, error) = publish(&service, &["--items", &misspelt, "--map", "category=categories"]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    service.until_items(3).await;
    assert_eq!(categories().await, ["travel"]);
    service.stop().await;

    // Past every check, as a producer of Kafka does.
    let log = tokio::task::block_in_place(|| home.log());
    let value = Some(event("ada", "click").to_string().into_bytes());
    // By another key, as of two records of one key the log may keep the later one only.
    let record = NewRecord { key: b"i2".to_vec(), value, headers: Vec::new() };
    log.append(Topic::Items, vec![record]).await.expect("appended");
    tokio::task::block_in_place(|| drop(log));
    let process = home.spawn().await;
    process.until_dead_letters(1).await;
    assert!(process.log().contains("an item has no `type`: this looks like an event"), "{}", process.log());

    let emptied = || process.log().matches("items have lost all their categories").count();
    let count = async |outcome: &str| {
        process.metrics().await.with("headwater_item_changes_total", &format!("outcome=\"{outcome}\""))
    };
    let bare = proto::Item { item_id: "i1".into(), ..proto::Item::default() };
    let full = proto::Item { categories: vec!["travel".into()], ..bare.clone() };
    for (item, outcome) in [(&bare, "lost_categories"), (&full, "applied"), (&bare, "lost_categories")] {
        let before = count(outcome).await;
        let request = proto::PutItemsRequest { items: vec![item.clone()] };
        answer(process.catalog().put_items(request).await).expect("put");
        // One after the other: of two changes of an item the log may keep the later one only.
        until("the change to count", async || (count(outcome).await > before).then_some(())).await;
    }
    until("it to be told", async || (emptied() > 0).then_some(())).await;
    assert_eq!(emptied(), 1, "once a minute: {}", process.log());
    assert!(process.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_says_how_many_were_sent_and_how_to_go_on() {
    let home = Home::on_journal();
    let service = home.start().await;
    let server = service.grpc.to_string();
    let mut command = headwater(&["publish", "-", "--format", "jsonl", "--server", &server]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let mut stdin = child.stdin.take().expect("piped");
    // There is always another row, until nobody reads.
    let writer = std::thread::spawn(move || while writeln!(stdin, "{}", event("ada", "view")).is_ok() {});
    until("some events", async || (service.metrics().await.sum("headwater_events_total") > 0).then_some(()))
        .await;
    let pressed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(pressed.expect("kill runs").success());
    let output = tokio::task::block_in_place(|| child.wait_with_output()).expect("it ends");
    writer.join().expect("it ends");
    let (told, error) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert_eq!(output.status.code(), Some(130), "{told}{error}");
    let sent: u64 = told.split(' ').next().and_then(|count| count.parse().ok()).expect("a summary");
    assert!(
        error.contains(&format!("sent before that: {sent} events, 0 items; to go on, call it again")),
        "{error}"
    );
    assert!(error.contains(&format!("with - as the first file of events, and --skip {sent}")), "{error}");
    assert!(error.ends_with("error: ended by ctrl-c\n"), "{error}");
    service.until_events(sent).await;

    let rows: String = (0..10).map(|_| format!("{}\n", event("bob", "view"))).collect();
    let (code, told, error) = publish(&service, &[&write(&home, "ten.jsonl", &rows), "--skip", "4"]);
    assert!(code == Some(0) && told.starts_with("6 events of "), "{told}{error}");
    service.until_events(sent + 6).await;
    assert_eq!(known(&service, "bob").await, 6);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_on_items_that_the_catalog_does_not_have_are_warned_of() {
    let home = Home::on_journal();
    let service = home.start().await;
    let strange = write(&home, "clicks.jsonl", &event("ada", "click").to_string());
    let (code, _, error) = publish(&service, &[&strange]);
    assert_eq!(code, Some(0), "{error}");
    assert!(
        error.starts_with("warning: the catalog does not have the item that these events name, such as `i1`"),
        "{error}"
    );
    let items = vec![sandbox::messages::item("i1", &["travel"])];
    answer(service.catalog().put_items(proto::PutItemsRequest { items }).await).expect("put");
    service.until_items(1).await;
    let (code, _, error) = publish(&service, &[&strange, "--again"]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    service.stop().await;
}

/// How many events were counted, and how many were known already.
async fn counted(service: &Service) -> (u64, u64) {
    let metrics = service.metrics().await;
    let of = |outcome| metrics.with("headwater_events_total", outcome);
    (of("applied"), of("duplicate"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_file_twice_counts_once_and_one_that_has_grown_sends_what_is_new() {
    let home = Home::on_journal();
    let service = home.start().await;
    let rows = |count: u32| (0..count).map(|_| format!("{}\n", event("ada", "view"))).collect::<String>();
    let four = rows(4);
    let file = write(&home, "clicks.jsonl", &four);
    let (code, told, error) = publish(&service, &[&file]);
    assert!(code == Some(0) && told.starts_with("4 events of "), "{told}{error}");
    service.until_events(4).await;

    let (code, told, error) = publish(&service, &[&file]);
    assert_eq!((code, told.as_str()), (Some(1), ""), "{error}");
    let sent = format!("nothing was sent: {file} was sent already to {}, 4 rows by 20", service.grpc);
    assert!(error.contains(&sent) && error.contains("`--again`"), "{error}");
    let (code, told, error) = publish(&service, &[&file, "--resume"]);
    assert_eq!((code, told.as_str()), (Some(0), "0 events, 0 items sent; 0 rejected\n"), "{error}");

    // Whoever has copied it within the time in which ids are remembered has sent nothing new either.
    let (code, told, error) = publish(&service, &[&write(&home, "copy.jsonl", &four)]);
    assert!(code == Some(0) && told.starts_with("4 events of "), "{told}{error}");
    service.until_events(8).await;
    assert_eq!(counted(&service).await, (4, 4));

    let account = fs::read(format!("{file}.sent")).expect("what was sent");
    write(&home, "clicks.jsonl", &(four.clone() + &rows(6)));
    let (code, _, error) = publish(&service, &[&file]);
    assert!(code == Some(1) && error.contains("nothing was sent: the first 4 rows of"), "{error}");
    let (code, told, error) = publish(&service, &[&file, "--resume"]);
    assert!(code == Some(0) && told.starts_with("6 events of "), "{told}{error}");
    service.until_events(14).await;
    assert_eq!(counted(&service).await, (10, 4));
    // As if it had been killed after the last batch was taken and before it heard of that.
    fs::write(format!("{file}.sent"), account).expect("what was sent");
    let (code, told, error) = publish(&service, &[&file, "--resume"]);
    assert!(code == Some(0) && told.starts_with("6 events of "), "{told}{error}");
    service.until_events(20).await;
    assert_eq!(counted(&service).await, (10, 10));

    let (code, told, error) = publish(&service, &[&file, "--again"]);
    assert!(code == Some(0) && told.starts_with("10 events of "), "{told}{error}");
    service.until_events(30).await;
    assert_eq!(counted(&service).await, (20, 10));

    // Another file by that name is none that was sent.
    let others = write(&home, "clicks.jsonl", &rows(3));
    let (code, _, error) = publish(&service, &[&others, "--resume"]);
    assert!(code == Some(1) && error.contains("does not begin with the 10 rows"), "{error}");
    let (code, told, error) = publish(&service, &[&others]);
    assert!(code == Some(0) && told.starts_with("3 events of "), "{told}{error}");
    let (code, _, error) = publish(&service, &[&others, &others]);
    assert!(code == Some(1) && error.contains("is named twice"), "{error}");
    service.until_events(33).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_is_killed_goes_on_where_it_was_and_each_event_counts_once() {
    const ROWS: u64 = 300_000;
    let home = Home::on_journal();
    let service = home.start().await;
    let now = wall_clock();
    let row = |row: u64| format!("u{},i{},view,{}\n", row % 1000, row % 50, now - (ROWS - row) as i64);
    let rows: String = (0..ROWS).map(row).collect();
    let file = write(&home, "clicks.csv", &format!("user_id,item_id,type,ts\n{rows}"));
    let server = service.grpc.to_string();
    let mut load = headwater(&["publish", &file, "--server", &server])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let rows_sent = || {
        let account = fs::read_to_string(format!("{file}.sent")).unwrap_or_default();
        let account: Value = serde_json::from_str(&account).unwrap_or_default();
        account[&server]["rows"].as_u64().filter(|rows| *rows > 0)
    };
    until("some rows to be acknowledged", async || rows_sent()).await;
    load.kill().expect("it is killed");
    assert_eq!(load.wait().expect("it ends").code(), None, "it was done before it could be killed");
    let sent = rows_sent().expect("they were sent");
    assert!(sent < ROWS, "{sent} rows were sent");

    let (code, told, error) = publish(&service, &[&file, "--resume"]);
    assert_eq!(code, Some(0), "{error}");
    assert!(error.contains(&format!("sent before: {sent} rows of {file}, which are left out")), "{error}");
    assert!(told.starts_with(&format!("{} events of ", ROWS - sent)), "{told}");
    until("all to be counted", async || (counted(&service).await.0 >= ROWS).then_some(())).await;
    let again = counted(&service).await.1;
    service.until_events(ROWS + again).await;
    assert_eq!(counted(&service).await.0, ROWS, "{again} came twice");
    service.stop().await;
}
