//! The tables of `docs/operations.md`.

use std::collections::BTreeSet;

use super::text;

/// A metric as the manual has it.
#[derive(Debug)]
pub struct Metric {
    pub name: String,
    pub labels: BTreeSet<String>,
    pub kind: String,
    /// What it tells.
    pub words: String,
}

/// An alarm as the manual has it.
#[derive(Debug)]
pub struct Alarm {
    pub name: String,
    pub expression: String,
    /// For how long it should hold, as Prometheus writes it.
    pub hold: Option<String>,
    /// Whether somebody should be woken.
    pub wakes: bool,
    pub meaning: String,
    pub remedy: String,
}

impl Alarm {
    /// What Prometheus calls it: its name's words without articles, each with a capital.
    pub fn rule(&self) -> String {
        let words = self.name.split(' ').filter(|word| !["a", "the"].contains(word));
        let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
        ["Headwater".to_owned()].into_iter().chain(words.map(capital)).collect()
    }
}

/// The cells of a table's rows: of the first table under a heading.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let manual = text("docs/operations.md");
    let (_, section) = manual.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let table = section.lines().skip_while(|line| !line.starts_with('|'));
    let rows = table.take_while(|line| line.starts_with('|')).skip(2);
    let cells = |row: &str| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
    rows.map(cells).collect()
}

/// Every metric.
pub fn metrics() -> Vec<Metric> {
    let metric = |row: Vec<String>| {
        let [name, kind, words] = row.try_into().expect("a metric, its type, and what it tells");
        let name = name.trim_matches('`');
        let (name, labels) = name.split_once('{').unwrap_or((name, ""));
        let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
        Metric { name: name.to_owned(), labels: labels.map(str::to_owned).collect(), kind, words }
    };
    rows("## Metrics").into_iter().map(metric).collect()
}

/// Every alarm.
pub fn alarms() -> Vec<Alarm> {
    let alarm = |row: Vec<String>| {
        let [name, expression, meaning, remedy] = row.try_into().expect("an alarm's four cells");
        let (expression, hold) = expression.trim_start_matches('`').split_once('`').expect("an expression");
        let hold = hold.trim().strip_prefix('(').and_then(|hold| hold.strip_suffix(')'));
        Alarm {
            name: name.trim_matches('*').to_owned(),
            expression: expression.to_owned(),
            hold: hold.map(str::to_owned),
            wakes: name.starts_with("**"),
            meaning,
            remedy,
        }
    };
    rows("### Alarms").into_iter().map(alarm).collect()
}
