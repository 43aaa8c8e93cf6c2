//! What a person who watches the service sees.

use headwater::proto;

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::sandbox::messages::{answer, event, item, recommend, trending};
use super::sandbox::service::{Home, Process, until};

const TS: i64 = 1_700_000_000_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_there_are_counted_and_name_nobody() {
    let home = Home::on_journal();
    let service = home.start().await;
    let items = vec![item("an-item-of-mine", &["sport"])];
    answer(service.catalog().put_items(proto::PutItemsRequest { items }).await).expect("put");
    service.until_items(1).await;
    let mut twice = event("a-user-of-mine", "an-item-of-mine", "click", TS);
    twice.event_id = "a-click-of-mine".into();
    // Older than the longest window.
    let late = event("a-user-of-mine", "an-item-of-mine", "click", TS - 40 * 86_400_000);
    let unknown = event("a-user-of-mine", "nobodys-item", "click", TS);
    // It says itself what its item is about.
    let told = proto::Event { categories: vec!["sport".into()], ..unknown.clone() };
    let events = vec![twice.clone(), twice, late, unknown, told];
    answer(service.events().publish(proto::PublishRequest { events }).await).expect("published");
    service.until_events(5).await;
    answer(service.recommender().recommend(recommend("another", 5, Some(TS))).await).expect("a list");
    answer(service.recommender().trending(trending(5000, None)).await).expect_err("too many");

    let metrics = service.metrics().await;
    for line in metrics.0.lines().filter(|line| !line.starts_with('#')) {
        assert!(["headwater_", "process_"].iter().any(|prefix| line.starts_with(prefix)), "{line}");
        let (_, value) = line.rsplit_once(' ').expect("a value");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(!line.contains("-of-mine"), "{line}");
    }
    let expected = [
        ("headwater_events_total", "outcome=\"applied\"", 3),
        ("headwater_unknown_item_events_total", "", 1),
        ("headwater_events_total", "outcome=\"duplicate\"", 1),
        ("headwater_events_total", "outcome=\"late\"", 1),
        ("headwater_lag_records", "", 0),
        ("headwater_log_silence_seconds", "", 0),
        ("headwater_degraded_answers_total", "", 0),
        ("headwater_item_changes_total", "outcome=\"applied\"", 1),
        ("headwater_requests_total", "method=\"Recommend\",code=\"OK\"", 1),
        ("headwater_requests_total", "method=\"Trending\",code=\"INVALID_ARGUMENT\"", 1),
        ("headwater_event_to_visible_seconds_count", "", 3),
        ("headwater_users", "", 1),
        ("headwater_catalog_items", "", 1),
        ("headwater_ready", "", 1),
    ];
    for (name, label, value) in expected {
        assert_eq!(metrics.with(name, label), value, "{name} {label}");
    }
    let snapshots = metrics.of("headwater_snapshot_timestamp_seconds");
    let partitions = home.config().journal.partitions;
    assert_eq!(snapshots.len(), partitions as usize, "one a partition: {snapshots:?}");
    assert_eq!(
        metrics.of("headwater_lag_records").len(),
        2 * partitions as usize,
        "one a partition and topic"
    );
    assert_eq!(service.page("/no-such-page").await.map(|(status, _)| status), Some(404));
    service.stop().await;
}

/// The lines of a process's log that hold a text, as JSON, once there is one.
async fn lines(process: &Process, text: &str) -> Vec<Value> {
    until(text, async || {
        let log = process.log();
        let found = log.lines().filter(|line| line.contains(text));
        let found: Vec<Value> = found.map(|line| serde_json::from_str(line).expect("JSON")).collect();
        (!found.is_empty()).then_some(found)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_info_only_a_request_that_failed_or_was_slow_is_told_and_nobody_is_named() {
    let home = Home::on_journal().set("server.slow_request", "1h");
    let process = home.spawn().await;
    let mut request = recommend("a-user-of-mine", 5, None);
    request.request_id = "went-well".into();
    answer(process.recommender().recommend(request.clone()).await).expect("a list");
    request.request_id = "went-wrong".into();
    request.surface = "home".into();
    request.model = "nobodys".into();
    answer(process.recommender().recommend(request).await).expect_err("no such model");

    let failed = lines(&process, "request failed").await;
    let fields = &failed[0]["fields"];
    assert_eq!(failed[0]["level"], "INFO");
    assert_eq!(fields["method"], "Recommend");
    assert_eq!(fields["request_id"], "went-wrong");
    assert_eq!(fields["user"], format!("{:016x}", xxh3_64(b"a-user-of-mine")));
    assert_eq!((&fields["surface"], &fields["model"]), (&"home".into(), &"nobodys".into()));
    assert_eq!(fields["outcome"], "NOT_FOUND");
    assert!(fields["error"].as_str().is_some_and(|error| error.contains("nobodys")), "{fields}");
    assert!(fields["ms"].as_f64().is_some_and(|ms| ms > 0.0), "{fields}");
    // What is wrong with them is that they are long, and the log is no place to keep them.
    let long = proto::RecommendRequest { request_id: "long".repeat(1 << 17), ..recommend("u", 5, None) };
    answer(process.recommender().recommend(long).await).expect_err("too long");
    let name = "long".repeat(1 << 10);
    answer(process.models().get_model(proto::GetModelRequest { name }).await).expect_err("no such model");
    let told = lines(&process, "GetModel").await;
    assert_eq!(told[0]["fields"]["outcome"], "NOT_FOUND");
    let log = process.log();
    let longest = log.lines().map(str::len).max();
    assert!(log.contains("\"request_id\":\"longlong") && longest < Some(4096), "{longest:?}");
    assert!(!log.contains("went-well") && !log.contains("a-user-of-mine"), "{log}");
    assert!(process.terminate().await.success());

    let home = home.set("server.slow_request", "1ms").set("ingest.slow_batch", "1ms");
    let process = home.spawn().await;
    // A thousand of these take longer than that on any machine.
    let long = |n| (0..16).map(move |category| format!("{n}-{category}-{:200}", "x"));
    let click = |n| proto::Event { categories: long(n).collect(), ..event("u", "i", "click", TS + n) };
    let batch = (0..3000).map(click).collect();
    answer(process.events().publish(proto::PublishRequest { events: batch }).await).expect("published");
    let slow = lines(&process, "request was slow").await;
    assert_eq!(
        (&slow[0]["fields"]["method"], &slow[0]["fields"]["outcome"]),
        (&"Publish".into(), &"OK".into())
    );
    let slow = lines(&process, "batch was slow").await;
    assert_eq!(slow[0]["fields"]["topic"], "clicks");
    assert!(process.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_debug_each_request_and_each_batch_has_a_span() {
    let home = Home::on_journal().set("telemetry.log", "info,headwater=debug");
    let process = home.spawn().await;
    let items = vec![item("i", &["sport"]), item("j", &["sport"])];
    answer(process.catalog().put_items(proto::PutItemsRequest { items }).await).expect("put");
    process.until_items(2).await;
    // Its time is missing.
    let bad = proto::Event { ts: None, ..event("u", "i", "click", TS) };
    let events = vec![event("u", "i", "click", TS), bad];
    answer(process.events().publish(proto::PublishRequest { events }).await).expect("published");
    process.until_events(1).await;
    let mut request = recommend("u", 5, None);
    request.request_id = "mine".into();
    until("a candidate", async || {
        let list = answer(process.recommender().recommend(request.clone()).await).expect("a list");
        (!list.items.is_empty()).then_some(())
    })
    .await;

    let closed = lines(&process, "\"request_id\":\"mine\"").await;
    let span = &closed.last().expect("a line")["span"];
    assert_eq!(
        (&span["name"], &span["method"], &span["outcome"]),
        (&"rpc".into(), &"Recommend".into(), &"OK".into())
    );
    assert_eq!(span["user"], format!("{:016x}", xxh3_64(b"u")));
    assert!(span["candidates"].as_u64().is_some_and(|candidates| candidates >= 1), "{span}");
    assert!(span["ms"].as_f64().is_some_and(|ms| ms > 0.0), "{span}");
    let batches = lines(&process, "\"name\":\"batch\"").await;
    let records = batches.iter().filter_map(|line| line["span"]["records"].as_u64()).sum::<u64>();
    assert_eq!(records, 3, "{batches:?}");
    assert!(process.terminate().await.success());
}
