//! Trees are checked, bounded and laid flat.

use super::tree::{Missing, Split, Threshold, Tree};
use super::{Forest, MOST, Node, Root, Rule, STEP};

/// The most trees of a forest.
pub const MAX_TREES: usize = 500;
/// The most levels of a tree below its root.
pub const MAX_LEVELS: usize = 32;
/// The most nodes of all trees together.
pub const MAX_NODES: usize = 1 << 16;

/// Why trees can't be a forest. It reads on after the name of their file.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unfit {
    /// There is none.
    #[error("has no tree: train it with at least one round")]
    Empty,
    /// More than a request has time for.
    #[error("has {0} trees, expected at most {MAX_TREES}: train it with fewer rounds")]
    Trees(usize),
    /// Larger than a request has time for.
    #[error("has more than {MAX_NODES} nodes: train it with fewer rounds or leaves")]
    Nodes,
    /// Deeper than a request has time for.
    #[error("tree {0} has more than {MAX_LEVELS} levels: train it with a max_depth of at most {MAX_LEVELS}")]
    Levels(usize),
    /// Nodes that are no tree, or a number that is none of the candidate's.
    #[error("tree {0} is damaged: its nodes are no tree")]
    Damaged(usize),
    /// A value that is no number.
    #[error("tree {0} is damaged: a value or a threshold is no number")]
    NoNumber(usize),
    /// Scores that are so great that their parts would not add up.
    #[error("its trees add more than {MOST} to a score: train it with a lower learning rate or fewer rounds")]
    TooGreat,
}

impl Forest {
    /// A forest of trees over candidates with so many numbers.
    ///
    /// # Errors
    /// There are too many of them, or they are none.
    pub fn new(width: usize, trees: &[Tree]) -> Result<Self, Unfit> {
        match trees.len() {
            0 => return Err(Unfit::Empty),
            1..=MAX_TREES => {}
            more => return Err(Unfit::Trees(more)),
        }
        if trees.iter().map(|tree| tree.nodes.len()).sum::<usize>() > MAX_NODES {
            return Err(Unfit::Nodes);
        }
        let mut forest = Self {
            width,
            nodes: Vec::new(),
            values: Vec::new(),
            trees: Vec::new(),
            bias: 0.0,
            zero_is_missing: false,
        };
        let mut most = 0.0;
        for (index, tree) in trees.iter().enumerate() {
            most += forest.lay(index, tree)?;
        }
        forest.zero_is_missing = forest.nodes.iter().any(|node| node.rule.zero_is_missing);
        if most > MOST { Err(Unfit::TooGreat) } else { Ok(forest) }
    }

    /// Lays a tree behind the others, level by level. Returns how much it can add at most, taken on its way from nothing to
    /// the root and on to a leaf, whatever the sign of each step.
    fn lay(&mut self, index: usize, tree: &Tree) -> Result<f64, Unfit> {
        let first = self.nodes.len();
        let mut met = vec![false; tree.nodes.len()];
        let mut most: f64 = 0.0;
        // Each with its level and how far it is from nothing.
        let mut nodes = vec![(0, 0, 0.0, 0.0)];
        let mut levels = 0;
        let mut at = 0;
        while let Some((node, level, way, above)) = nodes.get(at).copied() {
            let known = tree.nodes.get(node).ok_or(Unfit::Damaged(index))?;
            if std::mem::replace(&mut met[node], true) {
                return Err(Unfit::Damaged(index));
            }
            let value = exact(known.value).ok_or(Unfit::NoNumber(index))?;
            let way = way + f64::abs(value - above);
            levels = levels.max(level);
            let place = (first + at) as u32;
            let laid = match &known.split {
                None => {
                    most = most.max(way);
                    let rule = Rule { zero_is_missing: false, missing_first: true };
                    Node { threshold: f32::INFINITY, number: 0, rule, child: place }
                }
                Some(split) => {
                    if level == MAX_LEVELS {
                        return Err(Unfit::Levels(index));
                    }
                    let child = (first + nodes.len()) as u32;
                    nodes.extend(split.children.map(|child| (child, level + 1, way, value)));
                    self.node(split, child).ok_or(Unfit::Damaged(index))?.ok_or(Unfit::NoNumber(index))?
                }
            };
            self.nodes.push(laid);
            self.values.push(value);
            at += 1;
        }
        if at < tree.nodes.len() {
            return Err(Unfit::Damaged(index));
        }
        self.bias += self.values[first];
        self.trees.push(Root { node: first as u32, levels: levels as u32 });
        Ok(most)
    }

    /// None: it asks for a number that candidates don't have. None within: its threshold is no number.
    fn node(&self, split: &Split, child: u32) -> Option<Option<Node>> {
        let number = u16::try_from(split.number).ok().filter(|_| split.number < self.width)?;
        let threshold = match split.threshold {
            // The same numbers are below a float as are at most the one before it.
            Threshold::Below(threshold) => threshold.next_down(),
            // The same floats are at most a double as are at most the nearest float that is not above it.
            Threshold::AtMost(threshold) => {
                let nearest = threshold as f32;
                if f64::from(nearest) > threshold { nearest.next_down() } else { nearest }
            }
        };
        if threshold.is_nan() {
            return Some(None);
        }
        let rule = match split.missing {
            // What is no number counts as 0, which is compared as any other.
            Missing::None => Rule { zero_is_missing: false, missing_first: 0.0 <= threshold },
            Missing::Zero => Rule { zero_is_missing: true, missing_first: split.missing_first },
            Missing::NaN => Rule { zero_is_missing: false, missing_first: split.missing_first },
        };
        Some(Some(Node { threshold, number, rule, child }))
    }
}

/// The nearest multiple of [`STEP`]; none of what is no number. What is greater than [`MOST`] is left as it is, as it is
/// refused in the end.
fn exact(value: f64) -> Option<f64> {
    // Doubles from this on to twice as much are `STEP` apart.
    const APART: f64 = STEP * (1_u64 << 52) as f64 * 1.5;
    match value {
        value if !value.is_finite() => None,
        value if value.abs() > MOST => Some(value),
        value => Some((value + APART) - APART),
    }
}
