//! What people turn to from the items that the user was last on: [`item`] tells it of one item, from the visits of
//! everybody; [`neighbours`] tells it of all of them together; [`recent`] tells which items the user was last on; [`rows`]
//! puts all that together for a request.
//!
//! Two relations are of one item. **Next**: what others turned to right after an item, and half as much what came one later. **Co-visits**:
//! what they turned to in the same visit, before or after it, the less the further apart. Both are shares of
//! all that others did, with some evidence added to the denominator, so that one visit of one other person is no
//! certainty. What everybody turns to follows on everything: a model may take that off, so that only what people turn to
//! more than to be expected is related (the added value of an association rule: its confidence less the support of what it
//! leads to). (Item-to-item transitions and co-visitation as in Ludewig and Jannach, Evaluation of Session-based
//! Recommendation Algorithms, 2018: their `sr` and `ar`.)
//!
//! The third, **neighbours**, is of the whole visit: what others turned to whose visits have most in common with it. The
//! fourth, [`own`], is of nobody else: what the user was on before.
//!
//! What is counted are the newest visits with an item, so that an item that many turn to is judged by what happened
//! lately and one that few turn to by all that is known.

pub mod cache;
pub mod item;
pub mod neighbours;
pub mod own;
pub mod recent;
pub mod rows;

/// How an item is related to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// Others turned to it next.
    Next,
    /// Others turned to it in the same visit.
    Covisits,
    /// Others turned to it in visits that are like this one.
    Neighbours,
    /// The user was on it.
    Own,
}

impl Relation {
    /// All of them, in the order of [`Values`].
    pub const ALL: [Self; 4] = [Self::Next, Self::Covisits, Self::Neighbours, Self::Own];
}

/// A number for each relation, in the order of [`Relation::ALL`].
pub type Values = [f64; Relation::ALL.len()];

/// What is related to an item, the most related first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RelatedItems {
    /// Rows, each with its part of what others did from there, by relation.
    pub rows: Vec<(u32, Values)>,
}

/// How a model looks at what is related.
#[derive(Clone, Debug, PartialEq)]
pub struct RelatedSettings {
    /// Of how many of the user's last items; 0: of none.
    pub items: usize,
    /// How much each of these counts in comparison with the one after it, in (0, 1].
    pub fade: f64,
    /// How many of the newest visits with an item are looked at.
    pub visits: usize,
    /// How many steps two events of a visit may lie apart to have to do with each other.
    pub steps: usize,
    /// After how many ms a visit counts half. None: it always counts whole.
    pub half_life: Option<i64>,
    /// How much is taken off of what people turn to anyway, in [0, 1]: 0 nothing, 1 all of it.
    pub expected: f64,
    /// What is added to the weights of all that others did; positive.
    pub evidence: f64,
    /// What counts of what a neighbour did one step further from what both were on, in (0, 1].
    pub near: f64,
    /// What counts of what goes with that in the visits of others, in [0, 1]; 0: nothing.
    pub beyond: f64,
    /// What counts of all this where the user comes back: where the user's last event is of an earlier visit, in
    /// [0, 1].
    pub new_visit: f64,
}

/// How a model looks at what the user was on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OwnSettings {
    /// After how many ms an event counts half. None: it always counts whole.
    pub half_life: Option<i64>,
    /// What is added to the weights of all that the user did; positive.
    pub evidence: f64,
}

impl OwnSettings {
    /// What holds where a model file says nothing.
    pub const DEFAULT: Self = Self { half_life: None, evidence: 3.0 };
}

impl RelatedSettings {
    /// What holds where a model file says nothing.
    pub const DEFAULT: Self = Self {
        items: 3,
        fade: 0.5,
        visits: 100,
        steps: 10,
        half_life: None,
        expected: 0.0,
        evidence: 3.0,
        near: 0.5,
        beyond: 0.0,
        new_visit: 0.1,
    };

    /// What the user's last items count, the newest first.
    pub fn shares(&self) -> impl Iterator<Item = f64> + use<> {
        let (fade, items) = (self.fade, self.items);
        (0..items).scan(1.0, move |power, _| Some(std::mem::replace(power, *power * fade)))
    }
}
