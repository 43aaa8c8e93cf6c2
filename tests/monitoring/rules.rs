//! The alarms as rules: those of the manual, and each seen to go off.

use std::fmt::Write;

use super::manual::{self, Alarm};
use super::scrape::{self, ADDED, Scrape, Series};
use super::{file, promql, promtool, text};

const RULES: &str = "deploy/prometheus/rules.yml";
/// A case for each, by promtool's rules.
const CASES: &str = "tests/monitoring/alarms.yml";

/// A text that YAML takes as it is.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Without what makes it a link.
fn plain(text: &str) -> String {
    let mut parts = text.split("](");
    let first = parts.next().unwrap_or_default().to_owned();
    parts
        .fold(first, |plain, part| plain + part.split_once(')').map_or("", |(_, rest)| rest))
        .replace('[', "")
}

/// The rules file that the manual makes.
fn rules(alarms: &[Alarm]) -> String {
    let mut rules = String::from(
        "# The alarms of docs/operations.md, made from its table:\n\
         # UPDATE_DOCS=1 cargo test --release --test monitoring\n\
         groups:\n  - name: headwater\n    rules:\n",
    );
    for alarm in alarms {
        let severity = if alarm.wakes { "page" } else { "ticket" };
        let summary = format!("{} on {{{{ $labels.instance }}}}: {}", alarm.name, plain(&alarm.meaning));
        let _ = writeln!(rules, "      - alert: {}", alarm.rule());
        let _ = writeln!(rules, "        expr: {}", quoted(&alarm.expression));
        if let Some(hold) = &alarm.hold {
            let _ = writeln!(rules, "        for: {hold}");
        }
        let _ = writeln!(rules, "        labels:\n          severity: {severity}\n        annotations:");
        let _ = writeln!(rules, "          summary: {}", quoted(&summary));
        let _ = writeln!(rules, "          description: {}", quoted(&plain(&alarm.remedy)));
    }
    rules
}

#[test]
fn the_rules_are_the_alarms_of_the_manual() {
    let alarms = manual::alarms();
    assert!(alarms.len() >= 15, "{alarms:?}");
    let expected = rules(&alarms);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(file(RULES), &expected).expect("the rules");
    }
    assert_eq!(text(RULES), expected, "UPDATE_DOCS=1 cargo test --release --test monitoring writes {RULES}");
    for args in [["check", "rules", RULES], ["check", "config", "deploy/prometheus/prometheus.yml"]] {
        promtool::run(&args, "").unwrap_or_else(|told| panic!("{args:?}: {told}"));
    }
}

#[test]
fn each_alarm_goes_off_when_it_should_and_for_nobody_else() {
    let cases = text(CASES);
    for alarm in manual::alarms() {
        let rule = alarm.rule();
        assert!(cases.contains(&format!("alertname=\"{rule}\"")), "{CASES} has no case of {rule}");
    }
    promtool::run(&["test", "rules", CASES], "").unwrap_or_else(|told| panic!("{told}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_alarms_go_off_is_what_a_service_tells() {
    let scrape = scrape::text().await;
    let cases = text(CASES);
    let inputs = cases.lines().filter_map(|line| line.split_once("series: '")?.1.split('\'').next());
    let inputs: Vec<Series> = inputs.map(|series| Series::of(series, "")).collect();
    assert!(inputs.len() > 30, "{inputs:?}");
    for input in inputs.iter().filter(|input| input.name != "up") {
        assert!(is_told(&scrape, input), "no service tells {}", input.text);
    }
    for alarm in manual::alarms() {
        let labels = scrape.labels_of(&alarm.expression);
        let strange: Vec<&str> =
            promql::groups(&alarm.expression).filter(|label| !labels.contains(*label)).collect();
        assert!(strange.is_empty(), "no service tells {strange:?} of {}", alarm.expression);
        for name in promql::metrics(&alarm.expression) {
            assert!(inputs.iter().any(|input| input.name == name), "{name} of {alarm:?} is in no case");
        }
    }
}

/// Whether a series with these labels, but for what Prometheus adds, is in a scrape.
fn is_told(scrape: &Scrape, input: &Series) -> bool {
    let own = || input.labels.iter().filter(|(label, _)| !ADDED.contains(&label.as_str()));
    let with = |series: &Series| own().all(|(label, value)| series.labels.get(label) == Some(value));
    scrape.series().iter().filter(|series| series.name == input.name).any(with)
}
