//! The main reason for an item's place: what has done most for it.

use crate::engine::rank::features::FEATURES;
use crate::engine::rank::features::columns::Row;
use crate::engine::rank::features::feature::Per;
use crate::engine::rank::related::Relation;

/// What has done most for an item: the first of the features that add most to its score, by its index in
/// [`FEATURES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No feature adds anything.
    Nothing,
    /// A feature of the item.
    Item(u8),
    /// A feature of the user and the item, and the item's category that speaks to the user most.
    Pair(u8, u32),
    /// A feature of what the user was last on and the item, and which of these it is most related to, as a row.
    Related(u8, u32),
    /// A feature of the user and the item, and no category speaks to the user.
    Unnamed,
    /// It is new, and this place was drawn for.
    New,
}

impl Reason {
    /// The reason by what each feature adds. The category, or what it is related to, is asked for only if it is one.
    pub(super) fn of(
        contributions: &Row,
        category: impl Fn() -> Option<u32>,
        related: impl Fn(Relation) -> Option<u32>,
    ) -> Self {
        let most = contributions.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if most <= 0.0 {
            return Self::Nothing;
        }
        for (index, (feature, part)) in (0..).zip(FEATURES.iter().zip(contributions)) {
            if *part == most {
                match &feature.per {
                    Per::Pair(..) => {
                        if let Some(category) = category() {
                            return Self::Pair(index, category);
                        }
                    }
                    Per::Related(relation) => {
                        if let Some(row) = related(*relation) {
                            return Self::Related(index, row);
                        }
                    }
                    Per::Item(_) | Per::Popularity => return Self::Item(index),
                }
            }
        }
        Self::Unnamed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rank::features::POPULARITY;

    #[test]
    fn the_first_of_the_strongest_is_told_and_one_of_the_users_only_with_its_category() {
        let popularity = POPULARITY as u8;
        let pair = FEATURES.iter().position(|feature| matches!(feature.per, Per::Pair(..))).expect("one");
        let row = |interest: f64, popular: f64| {
            let mut row = [0.0; FEATURES.len()];
            (row[pair], row[POPULARITY]) = (interest, popular);
            row
        };
        let of = |interest, popular, category: Option<u32>| {
            Reason::of(&row(interest, popular), || category, |_| None)
        };
        assert_eq!(of(0.5, 0.5, Some(7)), Reason::Pair(pair as u8, 7));
        assert_eq!(of(0.5, 0.5, None), Reason::Item(popularity));
        assert_eq!(of(0.5, 0.6, Some(7)), Reason::Item(popularity));
        assert_eq!(of(0.5, 0.1, None), Reason::Unnamed);
        assert_eq!(of(-0.5, 0.0, Some(7)), Reason::Nothing);
        assert_eq!(of(f64::NAN, f64::NAN, Some(7)), Reason::Nothing);
    }
}
