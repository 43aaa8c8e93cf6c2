//! Metrics: their formats, and what the manual says of them.

use std::collections::BTreeSet;

use super::manual;
use super::promtool;
use super::scrape::{self, Scrape};

/// As Prometheus asks.
const PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_come_in_the_format_that_is_accepted_and_promtool_finds_nothing_wrong() {
    let [text, open] = scrape::scrape(["*/*", PROMETHEUS]).await;
    let is = |scrape: &Scrape, media: &str| {
        assert_eq!(scrape.content_type, media);
    };
    is(&text, "text/plain; version=0.0.4; charset=utf-8");
    is(&open, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(open.text.ends_with("\n# EOF\n") && !text.text.contains("# EOF"), "{}", open.text);
    let names =
        |scrape: &Scrape| scrape.series().into_iter().map(|series| series.text).collect::<BTreeSet<_>>();
    assert_eq!(names(&text), names(&open), "they tell of the same");

    assert_eq!(promtool::run(&["check", "metrics"], &text.text), Ok(String::new()));
    // That it would.
    let wrong = format!("{}# TYPE headwater_thing counter\nheadwater_thing 1\n", text.text);
    let found = promtool::run(&["check", "metrics"], &wrong).expect_err("a counter without its suffix");
    assert!(found.contains("headwater_thing"), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_manual_has_each_metric_that_is_scraped_with_its_type_and_labels_and_no_other() {
    let scrape = scrape::text().await;
    let types = scrape.types();
    let manual = manual::metrics();
    assert!(manual.len() > 30, "{manual:?}");
    for metric in &manual {
        let name = &metric.name;
        let kind =
            types.get(name).unwrap_or_else(|| panic!("`{name}` is in docs/operations.md and in no scrape"));
        assert_eq!(*kind, metric.kind, "the type of `{name}`");
        assert_eq!(scrape.labels(name), metric.labels, "the labels of `{name}`");
    }
    let told: BTreeSet<&String> = manual.iter().map(|metric| &metric.name).collect();
    let untold: Vec<&String> = types.keys().filter(|name| !told.contains(name)).collect();
    assert!(untold.is_empty(), "not in the table of docs/operations.md: {untold:?}");
    assert_eq!(told.len(), manual.len(), "one is there twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_manual_says_what_an_outcome_a_class_and_a_reason_may_be() {
    let scrape = scrape::text().await;
    let mut values = 0;
    for metric in manual::metrics() {
        for series in scrape.series().iter().filter(|series| series.name == metric.name) {
            for label in ["outcome", "class", "reason"] {
                let Some(value) = series.labels.get(label) else { continue };
                assert!(metric.words.contains(&format!("`{value}`")), "`{value}` of `{}`", metric.name);
                values += 1;
            }
        }
    }
    assert!(values > 20, "{values}");
}
