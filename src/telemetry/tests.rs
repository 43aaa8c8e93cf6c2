//! What holds for all metrics.

use super::*;

#[test]
fn each_metric_is_in_the_operations_manual() {
    let manual = include_str!("../../docs/operations.md");
    let text = Metrics::new().encode();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let names: Vec<&str> = types.filter_map(|line| line.split(' ').next()).collect();
    assert!(names.len() > 20, "{names:?}");
    let told = |name: &str| {
        let ends = |rest: &str| rest.starts_with(['`', '{']) || rest.starts_with("_total");
        manual.split(&format!("`{name}")).skip(1).any(ends)
    };
    let missing: Vec<&str> = names.into_iter().filter(|name| !told(name)).collect();
    assert!(missing.is_empty(), "not in docs/operations.md: {missing:?}");
}
