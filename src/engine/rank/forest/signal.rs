//! The numbers of a candidate that a forest may look at, by their names. `docs/forest.md` says what each means.
//!
//! Those of lists compare a candidate with the others of its list: trees can't, and what is much at noon is little at
//! night.

/// A number of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The linear score.
    Linear,
    /// ln(1 + how many of the list have a higher one).
    LinearRank,
    /// How far it is behind the best one of the list.
    LinearBehind,
    /// The value of a feature of the linear score, by its index.
    Feature(usize),
    /// That as a share of the greatest of the list.
    FeatureShare(usize),
    /// ln(1 + how many of the list have more of it).
    FeatureRank(usize),
    /// The part of the interest that comes from a window, by its index.
    Interest(usize),
    /// The part that comes from the newest events.
    InterestRecent,
    /// How the item is related to the one that the user was last on, whenever that was, by the index of the relation.
    Last(usize),
    /// How many categories it shares with that item.
    SharedCategories,
    /// ln(1 + interactions) in a window, by its index.
    Count(usize),
    /// Interactions as a share of the most in the list.
    CountShare(usize),
    /// ln((1 + interactions) / (1 + their median in the list)).
    CountMedian(usize),
    /// ln(1 + how many of the list have more of them).
    CountRank(usize),
    /// Interactions as a share of those with all items.
    CountPart(usize),
    /// ln of the rate in a window over that in the next longer one.
    Momentum(usize),
    /// ln(1 + age in minutes); -1 if it is not known.
    Age,
    /// ln of the age over the median of the list; 0 if it is not known.
    AgeMedian,
    /// ln(1 + what the user did, as far as single events are kept).
    UserEvents,
    /// ln(1 + seconds since the user did something); -1 if there is nothing.
    UserIdle,
    /// How many things the user did in the visit that goes on.
    VisitEvents,
    /// How many candidates the list has.
    ListLength,
}

/// A signal by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// What files call it.
    pub name: String,
    /// What it is.
    pub signal: Signal,
}
