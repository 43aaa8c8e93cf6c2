//! What comes of a question: a list, or what a score rests on.

use crate::engine::events::event::Timestamp;
use crate::engine::index::pools::Pools;
use crate::engine::rank::candidates::BySource;
use crate::engine::rank::features::columns::Row;
use crate::engine::rank::reason::Reason;
use crate::engine::rank::related::Values;
use crate::engine::rank::removal::Removed;

/// A ranked row.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// The item.
    pub row: u32,
    /// The sum of the contributions, in the order of [`crate::engine::rank::features::FEATURES`]; of one that a forest has ranked, what the forest says.
    pub score: f64,
    /// The value of each feature.
    pub features: Row,
    /// The numbers that a forest has ranked it by, if the query asks to explain.
    pub signals: Option<Box<[f32]>>,
    /// What has done most for its linear score, or that it is new.
    pub reason: Reason,
    /// How likely it was to get its place, if that is one that was drawn for; else it was certain.
    pub propensity: Option<f64>,
}

impl Ranked {
    /// What each feature adds to the linear score.
    pub fn contributions(&self, pools: &Pools) -> Row {
        pools.model.scorer.contributions(&self.features)
    }
}

/// A list, and how it came about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Best first.
    pub items: Vec<Ranked>,
    /// The time of the user's newest event that counts.
    pub profile_as_of: Option<Timestamp>,
    /// How many candidates there were, by source; one that several sources gave counts for each.
    pub candidates: BySource,
    /// How many different candidates are not in the list because of what they are, if the query asks.
    pub removed: Removed,
}

/// Candidates, best first, and the numbers of each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listed {
    /// The candidates.
    pub rows: Vec<u32>,
    /// One candidate after the other, a number for each signal.
    pub signals: Vec<f32>,
}

/// One row's score for a user.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// The score.
    pub ranked: Ranked,
    /// Whether the user has acted on it.
    pub seen: bool,
    /// The sources that give it as a candidate. With none it comes behind all others, where a list is longer than what
    /// the sources give.
    pub sources: Vec<&'static str>,
    /// The items that the user was last on that it is related to, newest first: what each counts, and the relations.
    pub related: Vec<(u32, f64, Values)>,
    /// The time of the user's newest event that counts.
    pub profile_as_of: Option<Timestamp>,
}
