//! What a person who watches the service sees.

use headwater::proto;

use super::sandbox::messages::{answer, event, item, recommend, trending};
use super::sandbox::service::Home;

const TS: i64 = 1_700_000_000_000;

/// Name in the `# TYPE` lines, and type.
const METRICS: [(&str, &str); 26] = [
    ("headwater_events", "counter"),
    ("headwater_item_changes", "counter"),
    ("headwater_dead_letters", "counter"),
    ("headwater_log_errors", "counter"),
    ("headwater_log_silence_seconds", "gauge"),
    ("headwater_event_to_visible_seconds", "histogram"),
    ("headwater_requests", "counter"),
    ("headwater_requests_in_flight", "gauge"),
    ("headwater_shed_requests", "counter"),
    ("headwater_request_seconds", "histogram"),
    ("headwater_candidates", "counter"),
    ("headwater_degraded_answers", "counter"),
    ("headwater_lag_records", "gauge"),
    ("headwater_users", "gauge"),
    ("headwater_catalog_items", "gauge"),
    ("headwater_event_ids", "gauge"),
    ("headwater_users_evicted", "gauge"),
    ("headwater_counts_dropped", "gauge"),
    ("headwater_events_clamped", "gauge"),
    ("headwater_pool_refresh_seconds", "gauge"),
    ("headwater_snapshots", "counter"),
    ("headwater_snapshot_timestamp_seconds", "gauge"),
    ("headwater_disk_free_bytes", "gauge"),
    ("headwater_journal_keep_free_bytes", "gauge"),
    ("headwater_model_changes", "counter"),
    ("headwater_ready", "gauge"),
];

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
    let events = vec![twice.clone(), twice, late];
    answer(service.events().publish(proto::PublishRequest { events }).await).expect("published");
    service.until_events(3).await;
    answer(service.recommender().recommend(recommend("another", 5, Some(TS))).await).expect("a list");
    answer(service.recommender().trending(trending(5000, None)).await).expect_err("too many");

    let metrics = service.metrics().await;
    for (name, kind) in METRICS {
        assert!(
            metrics.0.contains(&format!("# TYPE {name} {kind}\n")),
            "{name} is no {kind}:\n{}",
            metrics.0
        );
    }
    for line in metrics.0.lines().filter(|line| !line.starts_with('#')) {
        assert!(line.starts_with("headwater_"), "{line}");
        let (_, value) = line.rsplit_once(' ').expect("a value");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(!line.contains("-of-mine"), "{line}");
    }
    assert!(metrics.0.ends_with("# EOF\n"), "{}", metrics.0);
    let expected = [
        ("headwater_events_total", "outcome=\"applied\"", 1),
        ("headwater_events_total", "outcome=\"duplicate\"", 1),
        ("headwater_events_total", "outcome=\"late\"", 1),
        ("headwater_lag_records", "", 0),
        ("headwater_log_silence_seconds", "", 0),
        ("headwater_degraded_answers_total", "", 0),
        ("headwater_item_changes_total", "outcome=\"applied\"", 1),
        ("headwater_requests_total", "method=\"Recommend\",code=\"OK\"", 1),
        ("headwater_requests_total", "method=\"Trending\",code=\"INVALID_ARGUMENT\"", 1),
        ("headwater_event_to_visible_seconds_count", "", 1),
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
