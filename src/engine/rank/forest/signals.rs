//! Which signals there are for a stream: those of windows hang on how long its windows are.

use super::signal::{Named, Signal};
use crate::engine::config::{StreamConfig, window_name};
use crate::engine::rank::features::columns::RELATED;
use crate::engine::rank::features::{FEATURES, POPULARITY};
use crate::engine::rank::related::Relation;

/// All signals of a stream with these windows, in the order in which they are told.
pub fn signals(config: &StreamConfig) -> Vec<Named> {
    let mut all = Vec::new();
    let mut add = |name: String, signal| all.push(Named { name, signal });
    add("linear".to_owned(), Signal::Linear);
    add("linear_rank".to_owned(), Signal::LinearRank);
    add("linear_behind".to_owned(), Signal::LinearBehind);
    for (index, feature) in FEATURES.iter().enumerate() {
        add(feature.name.to_owned(), Signal::Feature(index));
        if index == INTEREST || index == POPULARITY || RELATED.contains(&index) {
            add(format!("{}_share", feature.name), Signal::FeatureShare(index));
            add(format!("{}_rank", feature.name), Signal::FeatureRank(index));
        }
    }
    for (index, window) in config.interest_windows.iter().enumerate() {
        add(format!("interest_{}", window_name(*window)), Signal::Interest(index));
    }
    add("interest_recent".to_owned(), Signal::InterestRecent);
    // What the user was on is no relation to the last of it.
    let others = RELATED.iter().enumerate().filter(|(relation, _)| *relation != Relation::Own as usize);
    for (relation, feature) in others {
        add(format!("{}_last", FEATURES[*feature].name), Signal::Last(relation));
    }
    add("shared_categories".to_owned(), Signal::SharedCategories);
    let windows = &config.popularity_windows;
    for (index, window) in windows.iter().enumerate() {
        let count = format!("count_{}", window_name(*window));
        add(format!("{count}_share"), Signal::CountShare(index));
        add(format!("{count}_median"), Signal::CountMedian(index));
        add(format!("{count}_rank"), Signal::CountRank(index));
        add(format!("{count}_part"), Signal::CountPart(index));
        add(count, Signal::Count(index));
    }
    for (index, pair) in windows.windows(2).enumerate() {
        let name = format!("momentum_{}_{}", window_name(pair[0]), window_name(pair[1]));
        add(name, Signal::Momentum(index));
    }
    add("age".to_owned(), Signal::Age);
    add("age_median".to_owned(), Signal::AgeMedian);
    add("user_events".to_owned(), Signal::UserEvents);
    add("user_idle".to_owned(), Signal::UserIdle);
    add("visit_events".to_owned(), Signal::VisitEvents);
    add("list_length".to_owned(), Signal::ListLength);
    all
}

/// The feature that is the interest in categories.
const INTEREST: usize = 0;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::engine::rank::features::feature::Per;

    #[test]
    fn no_two_have_one_name_and_the_interest_is_the_users_own() {
        let all = signals(&StreamConfig::default());
        let names: BTreeSet<&str> = all.iter().map(|named| &*named.name).collect();
        assert_eq!(names.len(), all.len());
        assert!(matches!(FEATURES[INTEREST].per, Per::Pair(..)));
    }

    /// The names that a row of the table of the documentation begins with.
    fn documented() -> (BTreeSet<String>, Vec<String>) {
        let docs = include_str!("../../../../docs/forest.md");
        let section = docs.split("## What it may look at").nth(1).and_then(|rest| rest.split("\n## ").next());
        let rows = section.expect("the section").lines().filter_map(|line| line.strip_prefix("| `"));
        let cells = rows.filter_map(|row| row.split(" |").next());
        let all = cells.flat_map(|cell| cell.split(", ")).map(|name| name.trim_matches('`').to_owned());
        let (endings, names) = all.partition::<Vec<_>, _>(|name| name.starts_with('_'));
        (names.into_iter().collect(), endings)
    }

    #[test]
    fn the_documentation_has_all_of_them_and_no_others() {
        let (mut documented, endings) = documented();
        assert_eq!(endings.len(), 4, "{endings:?}");
        let counts: Vec<String> =
            documented.iter().filter(|name| name.starts_with("count_")).cloned().collect();
        for count in counts {
            documented.extend(endings.iter().map(|ending| format!("{count}{ending}")));
        }
        let all: BTreeSet<String> =
            signals(&StreamConfig::default()).into_iter().map(|named| named.name).collect();
        assert_eq!(documented, all);
    }
}
