//! A tree as somebody's file tells it.

/// The nodes of a tree, the root first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    /// Each is the child of one other, but for the root.
    pub nodes: Vec<TreeNode>,
}

/// A node of a tree.
#[derive(Clone, Debug, PartialEq)]
pub struct TreeNode {
    /// What is to be expected of a candidate that has come here; of a leaf: what it adds to the score.
    pub value: f64,
    /// How it goes on. None: this is a leaf.
    pub split: Option<Split>,
}

/// A question about one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Split {
    /// Which number, by its index.
    pub number: usize,
    /// What it is compared with.
    pub threshold: Threshold,
    /// What says nothing.
    pub missing: Missing,
    /// Whether that goes to the first child.
    pub missing_first: bool,
    /// The indexes of the two children.
    pub children: [usize; 2],
}

/// Which numbers go to the first child.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Threshold {
    /// Those up to it, as LightGBM compares doubles.
    AtMost(f64),
    /// Those below it, as XGBoost compares floats.
    Below(f32),
}

/// Which numbers say nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// None does: what is no number is taken for 0.
    None,
    /// What is no number, and 0.
    Zero,
    /// What is no number.
    NaN,
}
