//! What a query names.

use std::collections::BTreeSet;

/// The metrics: ours all begin alike.
pub fn metrics(query: &str) -> impl Iterator<Item = &str> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| ["headwater_", "process_"].iter().any(|prefix| word.starts_with(prefix)))
}

/// The labels that it groups by.
pub fn groups(query: &str) -> impl Iterator<Item = &str> {
    let lists = query.split("by (").skip(1).filter_map(|rest| rest.split(')').next());
    lists.flat_map(|list| list.split(',')).map(str::trim)
}

/// The labels that a legend names.
pub fn legend(legend: &str) -> BTreeSet<&str> {
    legend.split("{{").skip(1).filter_map(|rest| rest.split("}}").next()).collect()
}
