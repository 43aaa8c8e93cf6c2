//! What a model says of its forest.

use super::Forest;
use super::signal::Named;

/// A forest that ranks the best candidates of the linear score once more.
#[derive(Clone, Debug, PartialEq)]
pub struct Reranking {
    /// The trees.
    pub forest: Forest,
    /// What they look at: as many numbers as [`Forest::width`], in the order of the forest.
    pub signals: Vec<Named>,
    /// How many candidates are ranked once more; positive. The others stay behind them in their order.
    pub candidates: usize,
    /// Its file's content.
    pub source: String,
}
