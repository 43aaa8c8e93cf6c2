//! The dashboard: each of its queries has an answer where a service is scraped.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;

use super::{promql, promtool, scrape, text};

const DASHBOARD: &str = "deploy/grafana/dashboard.json";

/// What Grafana puts in the place of its variables.
const VARIABLES: [(&str, &str); 3] = [("$__rate_interval", "5m"), ("$instance", ".*"), ("$__interval", "1m")];

fn panels() -> Vec<Value> {
    let dashboard: Value = serde_json::from_str(&text(DASHBOARD)).expect("JSON");
    dashboard["panels"].as_array().expect("panels").clone()
}

/// The queries of the panels with values for their variables, and their legends.
fn queries() -> Vec<(String, String)> {
    let panels = panels();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().cloned().unwrap_or_default());
    let query = |target: Value| {
        let text = |name: &str| target[name].as_str().expect("a text").to_owned();
        let put = |query: String, (variable, value): &(&str, &str)| query.replace(variable, value);
        (VARIABLES.iter().fold(text("expr"), put), text("legendFormat"))
    };
    targets.map(query).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_query_of_the_dashboard_has_an_answer_where_a_service_is_scraped() {
    let scrape = scrape::text().await;
    let mut test = String::from("evaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n");
    for series in scrape.series() {
        let labels = series.labels.iter().map(|(label, value)| format!("{label}=\"{value}\""));
        let added = ["instance=\"here\"", "job=\"headwater\""].map(str::to_owned);
        let labels: Vec<String> = labels.chain(added).collect();
        let _ = writeln!(test, "      - series: '{}{{{}}}'", series.name, labels.join(","));
        // As Prometheus would have it after some scrapes.
        let _ = writeln!(test, "        values: '{}+1x15'", series.value);
    }
    test.push_str("    promql_expr_test:\n");
    let queries = queries();
    assert!(queries.len() > 20, "{queries:?}");
    let no_answer = |query: &str| format!("absent({})", query.replace('\'', "''"));
    for (query, legend) in &queries {
        assert!(!query.contains('$'), "a variable is left: {query}");
        let labels = scrape.labels_of(query);
        let named = promql::groups(query).chain(promql::legend(legend));
        let strange: Vec<&str> = named.filter(|label| !labels.contains(*label)).collect();
        assert!(strange.is_empty(), "no service tells {strange:?} of {query}");
        let _ = writeln!(
            test,
            "      - expr: '{}'\n        eval_time: 10m\n        exp_samples: []",
            no_answer(query)
        );
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("dashboard.yml");
    std::fs::write(&path, test).expect("a test");
    let path = path.to_str().expect("a path");
    promtool::run(&["test", "rules", path], "").unwrap_or_else(|told| panic!("{told}"));
}

#[test]
fn the_dashboard_is_one_that_grafana_can_show() {
    let dashboard: Value = serde_json::from_str(&text(DASHBOARD)).expect("JSON");
    assert!(dashboard["id"].is_null() && dashboard["title"].is_string() && dashboard["uid"].is_string());
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    let names: Vec<&str> = variables.iter().filter_map(|variable| variable["name"].as_str()).collect();
    assert_eq!(names, ["datasource", "instance"]);
    let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels() {
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{panel}");
        let place = |name: &str| panel["gridPos"][name].as_u64().expect("a place");
        let (x, y, w, h) = (place("x"), place("y"), place("w"), place("h"));
        assert!(x + w <= 24 && w > 0 && h > 0, "{panel}");
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(cells.insert(cell), "two panels in one place: {panel}");
        }
        assert!(panel["title"].as_str().is_some_and(|title| !title.is_empty()), "{panel}");
        if panel["type"] == "row" {
            continue;
        }
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
        assert!(panel["description"].as_str().is_some_and(|words| !words.is_empty()), "{panel}");
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{panel}");
        let targets = panel["targets"].as_array().expect("queries");
        let mut names = BTreeSet::new();
        for target in targets {
            assert!(names.insert(target["refId"].as_str().expect("a name")), "{panel}");
            let query = target["expr"].as_str().expect("a query");
            assert!(
                query.contains("instance=~\"$instance\""),
                "of all instances, whichever were chosen: {query}"
            );
        }
    }
}
