//! Questions in the forms in which people ask them.

use std::fs;
use std::io::Write as _;

use headwater::clock::wall_clock;
use headwater::proto;
use serde_json::Value;

use super::sandbox::messages::{answer, event, item};
use super::sandbox::service::{Home, Service, headwater, until};
use super::{ask, ask_json, run};

async fn with_items(home: &Home, count: usize) -> Service {
    let service = home.start().await;
    let items = (0..count).map(|number| item(&format!("i{number}"), &["travel"])).collect();
    answer(service.catalog().put_items(proto::PutItemsRequest { items }).await).expect("put");
    service.until_items(count as u64).await;
    until("items in lists", async || {
        let list = ask_json(&service, &["recommend", "-n", "1"]);
        list["items"].as_array().is_some_and(|items| items.len() == 1).then_some(())
    })
    .await;
    service
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_named_in_any_form_and_by_a_variable() {
    let home = Home::on_journal();
    let service = with_items(&home, 1).await;
    let (grpc, port) = (service.grpc.to_string(), service.grpc.port());
    let recommend = |server: &str| run(headwater(&["recommend", "ada"]).args(["--server", server]));
    for server in [
        &grpc,
        &format!("http://{grpc}"),
        &format!("http://{grpc}/"),
        &format!(":{port}"),
        &format!("localhost:{port}"),
    ] {
        let done = recommend(server);
        assert!(done.code == Some(0) && done.out.contains("i0"), "{server}: {done:?}");
    }
    let by_variable = |value: &str, words: &[&str]| run(headwater(words).env("HEADWATER_SERVER", value));
    for words in [
        &["recommend", "ada"][..],
        &["trending"],
        &["profile", "ada"],
        &["explain", "ada", "i0"],
        &["models", "list"],
    ] {
        let done = by_variable(&format!("http://{grpc}"), words);
        assert_eq!(done.code, Some(0), "{words:?}: {done:?}");
    }
    let overridden = run(headwater(&["recommend", "--server", &grpc]).env("HEADWATER_SERVER", "127.0.0.1:1"));
    assert_eq!(overridden.code, Some(0), "{overridden:?}");

    let fails = |server: &str, code: i32, told: &str| {
        let done = recommend(server);
        assert!(done.code == Some(code) && done.err.contains(told), "{server}: {done:?}");
    };
    fails(&format!("https://{grpc}"), 2, "headwater speaks no TLS");
    fails(&format!("{grpc}/metrics"), 2, "more than a host and a port");
    fails("nowhere.invalid:7400", 1, "there is no such host as `nowhere.invalid`");
    fails("127.0.0.1:1", 1, "no server answers at 127.0.0.1:1 (Connection refused");
    fails(&service.http.to_string(), 1, "that is the HTTP port");
    let wrong = by_variable("https://reco-1", &["trending"]);
    assert!(wrong.err.contains("HEADWATER_SERVER is `https://reco-1`: headwater speaks no TLS"), "{wrong:?}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_answered_says_what_to_ask_instead() {
    let home = Home::on_journal();
    let service = with_items(&home, 3).await;
    let nobody = ask(&service, &["recommend"]);
    assert!(nobody.code == Some(0) && nobody.out.contains("i0"), "{nobody:?}");
    for number in ["0", "-1", "many"] {
        for command in ["recommend", "trending"] {
            let done = ask(&service, &[command, "-n", number]);
            assert_eq!(done.code, Some(2), "{done:?}");
            assert!(done.err.contains("how many items the list is to have: 1 or more"), "{done:?}");
        }
    }
    for command in ["recommend", "trending"] {
        let empty = ask(&service, &[command, "--category", "trvel"]);
        assert_eq!(empty.code, Some(0), "{empty:?}");
        assert!(empty.out.contains("no item that may be shown has the category `trvel`"), "{empty:?}");
        assert!(!empty.out.contains("item  "), "no header of nothing: {empty:?}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_for_many_users_are_lines_in_the_order_of_the_file_and_errors_are_among_them() {
    let home = Home::on_journal();
    let service = with_items(&home, 20).await;
    let events = vec![event("user-7", "i3", "click", wall_clock())];
    answer(service.events().publish(proto::PublishRequest { events }).await).expect("published");
    service.until_events(1).await;
    let (users, lists) = (home.path("users.txt.gz"), home.path("lists.jsonl"));
    let (users, lists) = (users.to_str().expect("UTF-8"), lists.to_str().expect("UTF-8"));
    let too_long = "x".repeat(300);
    let mut names: Vec<String> = (0..200).map(|number| format!("user-{number}")).collect();
    names[100].clone_from(&too_long);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(names.join("\n").as_bytes()).expect("packed");
    fs::write(users, packed.finish().expect("packed")).expect("a file");

    let done = ask(&service, &["recommend", "--users", users, "--out", lists, "-n", "2"]);
    assert_eq!((done.code, done.out.as_str()), (Some(1), ""), "{done:?}");
    assert!(done.err.contains("there is no list for 1 of 200 users: their lines in "), "{done:?}");
    let text = fs::read_to_string(lists).expect("lists");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of: Vec<&str> = lines.iter().map(|line| line["user_id"].as_str().expect("a user")).collect();
    assert_eq!(of, names);
    for (index, line) in lines.iter().enumerate() {
        if index == 100 {
            assert_eq!(line["error"]["code"], "invalid_argument", "{line}");
            assert!(line.get("items").is_none(), "{line}");
        } else {
            assert_eq!(line["items"].as_array().map(Vec::len), Some(2), "{line}");
            assert!(line.get("error").is_none(), "{line}");
        }
    }
    assert!(lines[7]["profile_as_of"].is_string(), "hers is a list of her own: {}", lines[7]);

    fs::write(users, "ada\n\n bob \n").expect("a file");
    let done = ask(&service, &["recommend", "--users", users]);
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{done:?}");
    let of: Vec<Value> = done
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["user_id"].take())
        .collect();
    assert_eq!(of, ["ada", "bob"]);
    service.stop().await;
}
