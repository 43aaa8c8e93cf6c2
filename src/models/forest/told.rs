//! What a file of a forest says, and why it can be none.

use crate::engine::rank::forest::build::{MAX_NODES, Unfit};
use crate::engine::rank::forest::tree::Tree;

/// Why a file is no forest that can rank. It reads on after the name of the file.
#[derive(Debug, thiserror::Error)]
pub enum ForestError {
    /// It is cut off, damaged or something else.
    #[error("{0}; {EXPECTED}")]
    Json(#[from] serde_json::Error),
    /// JSON of something else.
    #[error("is no forest; {EXPECTED}")]
    NoForest,
    /// A model as XGBoost saves it.
    #[error("is a model as XGBoost saves it; {EXPECTED}")]
    Saved,
    /// It looks at something that is not there.
    #[error(
        "looks at `{name}`, which Headwater does not have{}: train it on columns of `headwater features` alone, written with \
         the windows of this configuration (docs/forest.md lists them)",
        nearest.as_ref().map(|nearest| format!(" (did you mean `{nearest}`?)")).unwrap_or_default()
    )]
    Unknown {
        /// What it looks at.
        name: String,
        /// What was perhaps meant.
        nearest: Option<String>,
    },
    /// A column that has no name.
    #[error(
        "looks at column {0}, but names only those before it: train it on a table whose columns have names"
    )]
    Nameless(usize),
    /// A split by categories.
    #[error(
        "tree {0} has a split by categories, expected numbers alone: train it without categorical features"
    )]
    Categorical(usize),
    /// A leaf that is no number.
    #[error("tree {0} has leaves that are formulas, expected numbers: train it with linear_tree=False")]
    Formulas(usize),
    /// Trees that vote.
    #[error("its trees are averaged, expected a sum: train it with another boosting than rf")]
    Averaged,
    /// Several scores for each candidate.
    #[error(
        "has {0} scores for each row, expected one: train it with objective=lambdarank or another one with one score"
    )]
    Scores(usize),
    /// Nothing tells what is to be expected of a candidate on the way.
    #[error(
        "says nothing of how many rows have come to each node: write it with dump_model(..., with_stats=True)"
    )]
    NoStatistics,
    /// A node that is not what its kind of file has.
    #[error("tree {0} is damaged: a node is neither a split nor a leaf")]
    Damaged(usize),
    /// Trees that never ask.
    #[error(
        "has learnt nothing: none of its trees has a split; train it on more rows, or with a lower min_data_in_leaf"
    )]
    Nothing,
    /// What the engine does not take.
    #[error(transparent)]
    Unfit(#[from] Unfit),
}

const EXPECTED: &str = "expected what LightGBM's `json.dump(booster.dump_model(), file)` or XGBoost's \
                        `booster.dump_model(file, dump_format=\"json\", with_stats=True)` writes";

/// A forest as a file tells it: its trees, and the names of the numbers that they ask for, by index.
pub(super) struct Told {
    pub names: Vec<String>,
    pub trees: Vec<Tree>,
}

/// How many nodes were read: no more than may be, however a file is made.
#[derive(Default)]
pub(super) struct Count(usize);

impl Count {
    /// Reads one more.
    pub fn add(&mut self) -> Result<(), ForestError> {
        self.0 += 1;
        if self.0 > MAX_NODES { Err(Unfit::Nodes.into()) } else { Ok(()) }
    }
}
