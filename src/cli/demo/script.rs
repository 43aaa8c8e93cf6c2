//! What she does: first she follows one taste, then another.

use crate::generate::PersonaTruth;

/// One thing that she does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Deed {
    /// The event type.
    pub kind: &'static str,
    /// What it is about: `like` is of what she clicked last, anything else is of the best item of
    /// this category.
    pub category: &'static str,
    /// Whether the crowd has found an item of this category by now.
    pub crowd_is_here: bool,
}

/// So many deeds of someone who is first like one persona and then like another that shares
/// nothing with it.
pub(super) fn script(personas: &[PersonaTruth], seed: u64, deeds: usize) -> Vec<Deed> {
    let count = personas.len().max(1);
    let first = usize::try_from(seed.wrapping_sub(1) % count as u64).unwrap_or(0);
    let likes = |persona: &PersonaTruth| persona.tastes.map(|taste| taste.0);
    let all = personas.iter().cycle().skip(first).take(count);
    let Some(before) = all.clone().next().map(likes) else { return Vec::new() };
    let other = |tastes: &[&str; 3]| tastes.iter().all(|taste| !before.contains(taste));
    let after = all.map(likes).find(other).unwrap_or(before);
    let ([one, two, _], [three, four, _]) = (before, after);
    let part = [
        ("click", one, false),
        ("click", one, false),
        ("like", one, false),
        ("click", two, false),
        ("click", two, false),
        ("hide", one, false),
        ("click", three, true),
        ("like", three, true),
        ("click", three, true),
        ("click", four, true),
    ];
    let deed = |(kind, category, crowd_is_here)| Deed { kind, category, crowd_is_here };
    part.into_iter().map(deed).cycle().take(deeds).collect()
}

/// What she does, in words.
pub(super) fn verb(kind: &str) -> &str {
    match kind {
        "click" => "clicks",
        "view" => "looks at",
        "like" => "likes",
        "dislike" => "dislikes",
        "hide" => "hides",
        "add_to_cart" => "puts into her cart",
        "purchase" => "buys",
        _ => kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::{GenerateSettings, Generator};

    #[test]
    fn every_seed_has_a_story_of_two_tastes_that_share_nothing() {
        let generator = Generator::new(GenerateSettings { events: 1, ..Default::default() }).unwrap();
        let personas: Vec<_> = generator.truth().personas().collect();
        for seed in 0..30 {
            let deeds = script(&personas, seed, 10);
            let tastes: Vec<&str> = deeds.iter().map(|deed| deed.category).collect();
            let (before, after) = tastes.split_at(6);
            assert!(before.iter().all(|taste| !after.contains(taste)), "{seed}: {tastes:?}");
        }
        assert_eq!(script(&personas, 1, 10)[0].category, "travel");
        assert_eq!(script(&personas, 1, 23).len(), 23);
        assert!(script(&personas, 1, 0).is_empty());
    }
}
