//! What a feature is.

use super::columns::{Block, Column};
use crate::engine::events::event::Timestamp;
use crate::engine::index::layout::Layout;
use crate::engine::rank::interest::Interests;
use crate::engine::rank::model::Model;
use crate::engine::rank::related::Relation;

/// A number that scores are made of.
pub struct Feature {
    /// Its name in contributions, and under `weights` in a model's file.
    pub name: &'static str,
    /// Why an item is in a list that this feature has done most for.
    pub reason: &'static str,
    /// Its weight where a model's file names none. None: it counts as it is, and no file gives it a weight.
    pub weight: Option<f64>,
    /// What it depends on.
    pub per: Per,
}

/// What a feature depends on, which decides when it is filled in.
pub enum Per {
    /// The user and the item: filled in by each request, for the candidates that it scores.
    Pair(PairFill, PairRange),
    /// The items that the user was last on, and the item: filled in for those that are related to these. It is 0 for
    /// all others.
    Related(Relation),
    /// The item, by what the catalog and the model say: filled in once for all rows, and kept with the pools.
    Item(ItemFill),
    /// The item, by how often it was acted on. There is one such feature, popularity, and the index keeps it:
    /// pools are kept in its order as events come, by bounds on how far it can drift
    /// (`index/top_view.rs`), which a function that fills a column could not tell.
    Popularity,
}

/// Fills in the column of a block of candidates. What is to be computed row by row goes into the room.
pub type PairFill = for<'a> fn(Asking<'a>, &'a Block<'a>, &'a mut Vec<f64>) -> Column<'a>;

/// The least and the greatest value that any item can have.
pub type PairRange = fn(Asking<'_>) -> (f64, f64);

/// Who asks.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    /// What the user is interested in.
    pub interests: &'a Interests,
    /// The items.
    pub layout: &'a Layout,
}

/// How the value of an item comes about.
pub struct ItemFill {
    /// The value of a row at an instant.
    pub value: fn(&Layout, &Model, u32, Timestamp) -> f64,
    /// Whether the model asks for it. Where it does not, there is no column and nothing is told of it.
    pub in_use: fn(&Model) -> bool,
    /// Whether it halves with each half-life of recency, for all rows alike, so that of two items the younger
    /// never has less of it. Else it does not change with time.
    pub fades: bool,
}

impl Feature {
    /// Whether a model has it.
    pub fn in_use(&self, model: &Model) -> bool {
        match &self.per {
            Per::Item(fill) => (fill.in_use)(model),
            Per::Pair(..) | Per::Popularity => true,
            // Of a model that does not weigh it nothing is found out.
            Per::Related(Relation::Neighbours) => model.asks_for_neighbours(),
            Per::Related(Relation::Own) => model.asks_for_own(),
            Per::Related(_) => model.asks_for_related(),
        }
    }

    /// Whether it becomes less with time, for all rows alike.
    pub const fn fades(&self) -> bool {
        matches!(&self.per, Per::Item(ItemFill { fades: true, .. }))
    }

    /// The factor from a value that was filled in earlier to that of an instant. `ageing` is that of
    /// recency.
    pub const fn factor(&self, ageing: f64) -> f64 {
        if self.fades() { ageing } else { 1.0 }
    }
}
