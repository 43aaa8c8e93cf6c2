//! `headwater dlq` by the real binary: dead letters of a real service, on the journal and on Kafka,
//! listed and replayed once what was wrong is mended.

mod sandbox;

use std::process::Output;

use headwater::log::{NewRecord, Topic};
use sandbox::kafka::Broker;
use sandbox::service::{Home, headwater};
use serde_json::Value;

async fn homes() -> [(&'static str, Home); 2] {
    let broker = tokio::task::spawn_blocking(Broker::shared).await.expect("a broker");
    let kafka = Home::on_kafka(broker).set("kafka.partitions", "2");
    [("journal", Home::on_journal().set("journal.partitions", "2")), ("kafka", kafka)]
}

fn record(user: &str, value: &str) -> NewRecord {
    let headers = vec![("trace".to_owned(), Some(b"t1".to_vec()))];
    NewRecord { key: user.into(), value: Some(value.into()), headers }
}

fn event(user: &str, id: &str, kind: &str) -> NewRecord {
    let value = format!(
        r#"{{"event_id":"{id}","user_id":"{user}","item_id":"i1","type":"{kind}","ts":1700000000000}}"#
    );
    record(user, &value)
}

/// Appends past every check, as a producer of Kafka does.
async fn append(home: &Home, topic: Topic, records: Vec<NewRecord>) {
    let log = tokio::task::block_in_place(|| home.log());
    log.append(topic, records).await.expect("appended");
    tokio::task::block_in_place(|| drop(log));
}

fn dlq(home: &Home, words: &[&str]) -> Output {
    let mut command = headwater(&["dlq"]);
    command.args(words).current_dir(home.path("."));
    for option in home.set_options() {
        command.args(["--set", &option]);
    }
    tokio::task::block_in_place(|| command.output().expect("it runs"))
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_are_listed_and_count_once_what_was_wrong_is_mended() {
    for (log, home) in homes().await {
        let bad = vec![event("u1", "e1", "stare"), event("u2", "e2", "stare"), record("u3", "{\u{1b}[2J")];
        append(&home, Topic::Clicks, bad).await;
        append(&home, Topic::Items, vec![record("i1", r#"{"item_id":7}"#)]).await;
        let service = home.spawn().await;
        service.until_dead_letters(4).await;
        if log == "journal" {
            let busy = dlq(&home, &["list"]);
            let why = String::from_utf8_lossy(&busy.stderr).into_owned();
            assert_eq!(busy.status.code(), Some(1));
            assert!(why.contains("is in use by another process"), "{why}");
            assert!(why.contains("while the service is stopped"), "{why}");
        } else {
            assert_eq!(
                json(&dlq(&home, &["list", "--json"]))["dead_letters"].as_array().map(Vec::len),
                Some(4)
            );
        }
        assert!(service.terminate().await.success());

        let all = json(&dlq(&home, &["list", "--json"]));
        let letters = all["dead_letters"].as_array().expect("a list");
        assert_eq!((letters.len(), &all["more"]), (4, &Value::from(false)), "{log}: {all}");
        let mine = letters.iter().find(|letter| letter["key"] == "u1").expect("a letter");
        assert_eq!((&mine["class"], &mine["attempt"]), (&"unknown_event_type".into(), &1.into()));
        assert_eq!(mine["value"], String::from_utf8(event("u1", "e1", "stare").value.unwrap()).unwrap());
        assert!(mine["message"].as_str().expect("text").contains("`stare`"), "{mine}");
        let few = json(&dlq(&home, &["list", "--limit", "3", "--json"]));
        assert_eq!((few["dead_letters"].as_array().map(Vec::len), &few["more"]), (Some(3), &true.into()));
        let table = said(&dlq(&home, &["list", "--class", "decode"]));
        assert_eq!(table.lines().count(), 2, "{table}");
        assert!(table.contains("{\\u001b[2J"), "no record steers the terminal: {table}");
        let late = said(&dlq(&home, &["list", "--from", "2200-01-01T00:00:00Z"]));
        assert!(late.starts_with("no dead letters in "), "{late}");

        // Nothing is sent by a dry run, and only what was asked for by a real one.
        let only = ["replay", "--class", "unknown_event_type"];
        assert_eq!(
            said(&dlq(&home, &[&only[..], &["--dry-run"]].concat())),
            "2 dead letters would be replayed\n"
        );
        assert_eq!(said(&dlq(&home, &only)), "2 dead letters replayed\n", "{log}");
        let types =
            ["view", "click", "add_to_cart", "purchase", "like", "dislike", "hide", "impression", "stare"];
        let home = home.set("stream.event_types", types.join(","));
        // Twice: events with an id still count once.
        assert_eq!(json(&dlq(&home, &[&only[..], &["--json"]].concat()))["replayed"], 2);
        let service = home.spawn().await;
        // The snapshot serves on with a type more: what it covers is not read again, only what was replayed.
        service.until_events(4).await;
        let events = service.metrics().await;
        assert_eq!(events.with("headwater_events_total", "applied"), 2, "{log}");
        assert_eq!(events.with("headwater_events_total", "duplicate"), 2, "{log}");
        assert!(service.terminate().await.success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_again_counts_its_attempts_and_goes_to_where_it_came_from() {
    for (log, home) in homes().await {
        append(&home, Topic::Clicks, vec![record("u1", "{bad")]).await;
        append(&home, Topic::Items, vec![record("i1", r#"{"item_id":7}"#)]).await;
        let service = home.spawn().await;
        service.until_dead_letters(2).await;
        assert!(service.terminate().await.success());
        let replayed = json(&dlq(&home, &["replay", "--json"]));
        assert_eq!(replayed["replayed"], 2, "{log}: {replayed}");
        let service = home.spawn().await;
        service.until_dead_letters(2).await;
        assert!(service.terminate().await.success());
        let all = json(&dlq(&home, &["list", "--json"]));
        let letters = all["dead_letters"].as_array().expect("a list").iter();
        let mut seen: Vec<(String, u64)> = letters
            .map(|letter| {
                (
                    letter["key"].as_str().expect("text").to_owned(),
                    letter["attempt"].as_u64().expect("a number"),
                )
            })
            .collect();
        seen.sort();
        let expected =
            [("i1", 1), ("i1", 2), ("u1", 1), ("u1", 2)].map(|(key, attempt)| (key.to_owned(), attempt));
        assert_eq!(seen, expected, "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_there_is_no_journal_none_is_made() {
    let home = Home::on_journal();
    let list = dlq(&home, &["list"]);
    assert_eq!(list.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&list.stderr).contains("there is no journal in "), "{list:?}");
    assert!(!home.path("data").exists());
}
