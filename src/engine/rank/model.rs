//! Models: opinions about facts, in numbers. A model is read at request time and changes nothing
//! that is counted, so any number of them can rank over one state.

use std::sync::Arc;

use super::explore::Explore;
use super::features::columns::{RELATED, Row};
use super::forest::reranking::Reranking;
use super::related::{OwnSettings, RelatedSettings, Relation};
use super::scorer::Scorer;
use crate::engine::events::event::{EventType, Timestamp};

/// A validated scoring model. Lists of weights line up with the lists of the
/// [`StreamConfig`](crate::engine::config::StreamConfig) that it was validated against.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The name of its file without `.toml`.
    pub name: String,
    /// The hash of its file's content, and that of its forest, 16 hexadecimal digits.
    pub version: String,
    /// Its file's content.
    pub source: String,
    /// What it makes of the features.
    pub scorer: Scorer,
    /// The weight of each event type; 0 for a type that the file does not name. Popularity counts
    /// the types with a positive weight.
    pub event_weights: Vec<f64>,
    /// For how long an event of each type keeps its item out of the user's lists.
    pub seen: Vec<Away>,
    /// The weight of each interest window, each in [0, 1], at most 1 in sum.
    pub interest_windows: Vec<f64>,
    /// What is added to the sum of absolute weights, so that one event is no certainty; positive.
    pub evidence: f64,
    /// How much less a category says that many items have, in [0, 1]: at 0 all say as much, at 1 one that all items
    /// have says nothing.
    pub rarity: f64,
    /// What the sum over an item's categories is divided by is their number to this power, in [0, 1]: at 1 it is their
    /// mean, at 0 the sum.
    pub dilution: f64,
    /// What the newest events count besides.
    pub recent: Recent,
    /// The weight of each popularity window, each in [0, 1], at most 1 in sum.
    pub popularity_windows: Vec<f64>,
    /// What is added to the count of the most popular item, so that a window in which little has happened says little.
    pub popularity_evidence: f64,
    /// The age at which recency is one half, in ms; positive.
    pub half_life: i64,
    /// What counts as a trend.
    pub trending: Trend,
    /// The largest share of a list that one main category may take, in (0, 1]. An item's main
    /// category is its first.
    pub max_category_share: f64,
    /// What is added to the score of each item of a category.
    pub boosts: Vec<Boost>,
    /// What people turn to from the items that the user was last on.
    pub related: RelatedSettings,
    /// The items that the user was on.
    pub own: OwnSettings,
    /// How many candidates each source gives.
    pub candidates: CandidateLimits,
    /// Which places are for items that few have acted on.
    pub explore: Explore,
    /// What ranks the best of them once more.
    pub reranking: Option<Arc<Reranking>>,
}

/// For how long a user who has acted on an item does not get it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Away {
    /// Not at all.
    Never,
    /// So many ms; positive.
    For(i64),
    /// As long as it is remembered.
    Always,
}

/// The newest events of a person, each the less the more events have followed it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recent {
    /// What they count beside the windows, in [0, 1].
    pub weight: f64,
    /// After how many events one counts for 1 / e; positive.
    pub distance: f64,
    /// What is added to the sum of their absolute weights; positive.
    pub evidence: f64,
}

/// The short window is compared with the long one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// The index of the short window in the stream's popularity windows.
    pub short: usize,
    /// The index of the long window, which is longer.
    pub long: usize,
    /// What is added to the expected count, so that a single click is no trend; positive.
    pub evidence: f64,
}

/// Lifts or lowers a category.
#[derive(Clone, Debug, PartialEq)]
pub struct Boost {
    /// The category, by its exact name.
    pub category: String,
    /// What to add, in [-10, 10].
    pub add: f64,
}

/// The size of each candidate source. None: no candidates from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CandidateLimits {
    /// How many of the user's strongest categories are looked into.
    pub categories: usize,
    /// The best items of each of those categories.
    pub per_category: usize,
    /// The most popular items.
    pub popular: usize,
    /// The items with the strongest trend.
    pub trending: usize,
    /// The newest items.
    pub fresh: usize,
    /// What is most related to each of the items that the user was last on.
    pub related: usize,
}

impl Away {
    /// What holds for a type of this weight unless something else is said.
    pub fn of_weight(weight: f64) -> Self {
        if weight == 0.0 { Self::Never } else { Self::Always }
    }
}

impl Model {
    /// The weight of each feature, in the order of [`FEATURES`](crate::engine::rank::features::FEATURES).
    pub fn weights(&self) -> Row {
        let Scorer::Linear(linear) = &self.scorer;
        linear.weights
    }

    /// Whether an event of a type says something good of its item.
    #[inline]
    pub fn likes(&self, kind: EventType) -> bool {
        self.event_weights.get(usize::from(kind.0)).is_some_and(|weight| *weight > 0.0)
    }

    /// Whether it asks for anything that others turn to from the user's last items.
    pub fn asks_for_related(&self) -> bool {
        let others = [Relation::Next, Relation::Covisits, Relation::Neighbours];
        self.related.items > 0 && others.into_iter().any(|relation| self.weighs(relation))
    }

    /// Whether it asks for the items that the user was on.
    pub fn asks_for_own(&self) -> bool {
        self.weighs(Relation::Own)
    }

    fn weighs(&self, relation: Relation) -> bool {
        self.weights()[RELATED[relation as usize]] != 0.0
    }

    /// Whether it asks for the visits that are like that of the user.
    pub fn asks_for_neighbours(&self) -> bool {
        self.related.items > 0 && self.weighs(Relation::Neighbours)
    }

    /// The event types that popularity counts, as a bit mask.
    pub fn positive_types(&self) -> u32 {
        self.mask(|weight| weight > 0.0)
    }

    /// Whether at `t` an event of the past keeps its item out of the user's lists.
    #[inline]
    pub fn keeps_away(&self, kind: EventType, at: Timestamp, t: Timestamp) -> bool {
        match self.seen.get(usize::from(kind.0)) {
            None | Some(Away::Never) => false,
            Some(Away::For(length)) => at.plus(*length) > t,
            Some(Away::Always) => true,
        }
    }

    fn mask(&self, wanted: impl Fn(f64) -> bool) -> u32 {
        let weights = self.event_weights.iter().take(32).enumerate();
        weights.fold(0, |mask, (kind, weight)| if wanted(*weight) { mask | 1 << kind } else { mask })
    }
}

#[cfg(test)]
pub(in crate::engine) mod tests {
    use super::*;

    /// A model of interests alone, with these weights of event types and windows.
    pub fn weighing(event_weights: &[f64], interest_windows: &[f64]) -> Model {
        Model {
            name: String::new(),
            version: String::new(),
            source: String::new(),
            scorer: Scorer::linear([1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]),
            event_weights: event_weights.to_vec(),
            seen: event_weights.iter().map(|weight| Away::of_weight(*weight)).collect(),
            interest_windows: interest_windows.to_vec(),
            evidence: 1.0,
            rarity: 0.0,
            dilution: 1.0,
            recent: Recent { weight: 0.0, distance: 2.0, evidence: 1.0 },
            popularity_evidence: 0.0,
            popularity_windows: vec![1.0],
            half_life: 1000,
            trending: Trend { short: 0, long: 0, evidence: 1.0 },
            max_category_share: 1.0,
            boosts: Vec::new(),
            related: RelatedSettings::DEFAULT,
            own: OwnSettings::DEFAULT,
            candidates: CandidateLimits {
                categories: 1,
                per_category: 1,
                popular: 1,
                trending: 1,
                fresh: 1,
                related: 1,
            },
            explore: Explore::NONE,
            reranking: None,
        }
    }
}
