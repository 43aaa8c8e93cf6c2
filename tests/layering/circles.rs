//! Files that need each other in a circle: the strongly connected components of what names what.

use std::collections::{BTreeMap, BTreeSet};

/// Which files each file needs, and the line that says so first.
pub type Needs = BTreeMap<String, BTreeMap<String, usize>>;

/// Each circle, as the lines that make it.
pub fn find(needs: &Needs) -> Vec<String> {
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        needs.keys().map(|file| (file.as_str(), reachable(file, needs))).collect();
    let mut told = BTreeSet::new();
    let mut circles = Vec::new();
    for file in needs.keys().map(String::as_str) {
        if told.contains(file) || !reach[file].contains(file) {
            continue;
        }
        let around = |other: &str| reach.get(other).is_some_and(|reached| reached.contains(file));
        let circle: BTreeSet<&str> = reach[file].iter().copied().filter(|other| around(other)).collect();
        let mut lines = format!("a circle of {} files:", circle.len());
        for from in &circle {
            for (to, line) in needs[*from].iter().filter(|(to, _)| circle.contains(to.as_str())) {
                lines.push_str(&format!("\n    src/{from}:{line} names src/{to}"));
            }
        }
        told.extend(circle);
        circles.push(lines);
    }
    circles
}

fn reachable<'a>(file: &str, needs: &'a Needs) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = vec![file];
    while let Some(next) = open.pop() {
        for to in needs.get(next).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(to.as_str()) {
                open.push(to);
            }
        }
    }
    reached
}
