//! What comes from data never reaches a terminal as an order.

use std::fs;

use headwater::clock::wall_clock;
use headwater::log::{NewRecord, Topic};
use headwater::proto;

use super::sandbox::messages::{answer, event, item};
use super::sandbox::service::{Home, headwater, until};
use super::{Done, ask, ask_json, run};

/// Names a window, clears the screen, C1's way to do so, turns writing around, and begins a line.
const HOSTILE: &str = "T\x1b]0;owned\x07\x1b[2J\u{9b}2J\u{202e}gnp\u{2066}\r\n#";

/// Fails if anything in a text may steer a terminal.
fn harmless(what: &str, done: &Done) {
    let steers = |letter: char| {
        letter.is_control() && letter != '\n'
            || ('\u{202a}'..='\u{202e}').contains(&letter)
            || letter == '\u{2066}'
    };
    for text in [&done.out, &done.err] {
        assert!(!text.contains(steers), "{what}: {text:?}");
        assert!(!text.contains("\n#\n") && !text.lines().any(|line| line.trim() == "#"), "{what}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn titles_ids_and_categories_that_hold_terminal_escapes_are_shown_as_text() {
    let home = Home::on_journal();
    let service = home.start().await;
    let hostile = proto::Item { title: HOSTILE.into(), ..item(HOSTILE, &[HOSTILE]) };
    let long = proto::Item { title: "é".repeat(500), ..item("long", &[HOSTILE]) };
    answer(service.catalog().put_items(proto::PutItemsRequest { items: vec![hostile, long] }).await)
        .expect("put");
    service.until_items(2).await;
    let events =
        vec![event("ada", "gone", "click", wall_clock()), event("bob", HOSTILE, "click", wall_clock())];
    let mut events = proto::PublishRequest { events };
    events.events[0].categories = vec![HOSTILE.into()];
    answer(service.events().publish(events).await).expect("published");
    service.until_events(2).await;
    until("it to be in the lists", async || {
        let list = ask_json(&service, &["recommend", "ada"]);
        let trending = ask_json(&service, &["trending"]);
        let full = |list: &serde_json::Value| list["items"].as_array().is_some_and(|items| !items.is_empty());
        (full(&list) && full(&trending)).then_some(())
    })
    .await;
    let shown = r"T\u001b]0;owned\u0007\u001b[2J\u009b2J\u202egnp\u2066\r\n#";
    for words in [
        &["recommend", "ada"][..],
        &["recommend", "ada", "--explain"],
        &["recommend", "ada", "--category", "\x1b[2J"],
        &["trending"],
        &["explain", "ada", HOSTILE],
        &["profile", "ada"],
        &["profile", HOSTILE],
    ] {
        let done = ask(&service, words);
        assert_eq!(done.code, Some(0), "{words:?}: {done:?}");
        harmless(&format!("{words:?}"), &done);
        let named = words.len() == 4 || words[words.len() - 1] == HOSTILE && words[0] == "profile";
        // Such as it is, or the beginning of it.
        assert!(named || done.out.contains(&shown[..40]), "{words:?}: {}", done.out);
    }
    let list = ask(&service, &["recommend", "ada", "-n", "2"]);
    let widest = list.out.lines().map(|line| line.chars().count()).max();
    assert!(widest.is_some_and(|widest| widest < 220), "{}", list.out);
    assert!(list.out.contains(&format!("{}...", "é".repeat(57))), "{}", list.out);

    let json = ask(&service, &["recommend", "ada", "--json"]);
    harmless("--json", &json);
    let list: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    let items = list["items"].as_array().expect("items");
    assert!(items.iter().any(|item| item["item_id"] == HOSTILE), "it says what is: {list}");

    let refused = ask(&service, &["recommend", "ada", "--model", HOSTILE]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    harmless("a refusal", &refused);

    let file = home.path("clicks.jsonl");
    let row = |kind: &str| {
        serde_json::json!({ "user_id": "u", "item_id": "i", "type": kind, "ts": wall_clock() }).to_string()
    };
    fs::write(&file, format!("{}\n{}\n{{\"user_id\": \"\x7f\", \"ts\": 1}}\n", row("click"), row(HOSTILE)))
        .expect("a file");
    let published = ask(&service, &["publish", file.to_str().expect("UTF-8")]);
    assert_eq!(published.code, Some(1), "{published:?}");
    assert_eq!(
        published.err.lines().filter(|line| line.starts_with("rejected: ")).count(),
        2,
        "{published:?}"
    );
    harmless("rejected rows", &published);
    service.stop().await;

    let log = tokio::task::block_in_place(|| home.log());
    let letter =
        |value: &str| NewRecord { key: b"u".to_vec(), value: Some(value.into()), headers: Vec::new() };
    log.append(Topic::Clicks, vec![letter(HOSTILE), letter(&row(HOSTILE))]).await.expect("appended");
    tokio::task::block_in_place(|| drop(log));
    let service = home.start().await;
    service.until_dead_letters(2).await;
    service.stop().await;
    for json in [&[][..], &["--json"]] {
        let mut command = headwater(&["dlq", "list"]);
        home.set_options().iter().for_each(|option| {
            command.args(["--set", option]);
        });
        let listed = run(command.args(json).current_dir(home.path(".")));
        assert_eq!(listed.code, Some(0), "{listed:?}");
        assert!(listed.out.contains("owned"), "{}", listed.out);
        harmless("dead letters", &listed);
    }
}
