//! Titles that a person enjoys reading: "Slow trains through Norway".

use super::vocabulary::{CATEGORIES, FRAMES, PLACES};

/// The `number`th title of a category. No two of a category are the same.
pub(super) fn title(index: usize, number: usize) -> String {
    let Some(category) = CATEGORIES.get(index) else { return String::new() };
    let endings = PLACES.len() + FRAMES.len();
    let combinations = category.subjects.len() * endings;
    // 125 and the number of combinations (8 * 36) have no common divisor: neighbours differ in
    // both parts, and nothing repeats before all have been used. Each category begins elsewhere.
    let pick = (number + index * 53) % combinations * 125 % combinations;
    let subject = category.subjects.get(pick / endings).copied().unwrap_or_default();
    let ending = pick % endings;
    let mut title = match (PLACES.get(ending), FRAMES.get(ending.saturating_sub(PLACES.len()))) {
        (Some(place), _) => format!("{} {} {place}", capitalised(subject), category.joint),
        (None, Some(("", after))) => format!("{}{after}", capitalised(subject)),
        (None, Some((before, after))) => format!("{before}{subject}{after}"),
        (None, None) => capitalised(subject),
    };
    if number >= combinations {
        title.push_str(&format!(", part {}", number / combinations + 1));
    }
    title
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn titles_read_well() {
        let found: BTreeSet<String> = (0..288).map(|number| title(0, number)).collect();
        for expected in
            ["Slow trains through Norway", "A short history of night ferries", "Long walks after dark"]
        {
            assert!(found.contains(expected), "{expected}");
        }
        assert_eq!(title(0, 288), format!("{}, part 2", title(0, 0)));
    }

    #[test]
    fn no_title_of_a_category_comes_twice() {
        for category in 0..CATEGORIES.len() {
            let titles: BTreeSet<String> = (0..1000).map(|number| title(category, number)).collect();
            assert_eq!(titles.len(), 1000);
        }
    }
}
