//! A forest of boosted decision trees: a score from the numbers of one candidate, and what each number adds to it.
//!
//! [`tree`] is what a reader of somebody's file makes of a tree; [`build`] checks trees and lays them flat; here they are
//! walked. [`signal`] says which numbers a forest may look at, [`signals`] what they are called, [`list`] fills them in for a
//! list, [`reranked`] is such a list in its new order, and [`reranking`] is what a model has of all this.
//!
//! **Scores are exact.** Each value of a node is rounded to a multiple of [`STEP`] and all that a score can
//! add up to is bounded, so that a double holds every sum of them without an error. So the score is the sum of the leaves
//! in whatever order they are added, and what is told of it comes to the same bits.
//!
//! **What a number adds** is found on the path of each tree: a split takes the candidate from what was to be expected of
//! it to what is to be expected in one of the two parts, and the difference is its number's (Saabas, Interpreting random
//! forests, 2014). What the roots expect is there for everybody. Both together are the score, as all else
//! cancels out.

pub mod build;
pub mod list;
pub mod reranked;
pub mod reranking;
pub mod signal;
pub mod signals;
pub mod tree;

/// Values are whole multiples of this: 2^-40, which no list can tell from what a file says.
pub const STEP: f64 = 1.0 / (1_u64 << 40) as f64;
/// The greatest sum of what the trees of a forest can add, whatever its sign: with [`STEP`] a double holds it twice over.
pub const MOST: f64 = 2048.0;

/// Candidates that go down a tree side by side: while one waits for its node the others go on.
const LANES: usize = 8;

/// Trees that were checked, laid flat.
#[derive(Clone, Debug, PartialEq)]
pub struct Forest {
    /// How many numbers a candidate has.
    width: usize,
    /// Tree after tree, level after level. The two children of a node are side by side; a leaf is its own child.
    nodes: Vec<Node>,
    /// By node: what is to be expected of a candidate that has come there.
    values: Vec<f64>,
    trees: Vec<Root>,
    bias: f64,
    /// Whether 0 says nothing at any of the nodes.
    zero_is_missing: bool,
}

/// A node. Small, as a tree should fit into the nearest cache.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Node {
    /// Numbers up to this go to the first child.
    threshold: f32,
    /// Which number is compared.
    number: u16,
    rule: Rule,
    /// The first of the two children.
    child: u32,
}

/// What is done with a number that says nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rule {
    /// Whether 0 says nothing either.
    zero_is_missing: bool,
    /// Whether what says nothing goes to the first child.
    missing_first: bool,
}

/// Where a tree begins, and how many levels there are below.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Root {
    node: u32,
    levels: u32,
}

/// What LightGBM takes for 0.
const ZERO: f32 = 1e-35;

impl Node {
    /// Whether a number goes to the first child.
    #[inline]
    fn takes_first(&self, number: f32) -> bool {
        // Without a branch: which way candidates go can't be foreseen.
        let missing = number.is_nan() | (self.rule.zero_is_missing & (number.abs() <= ZERO));
        (missing & self.rule.missing_first) | (!missing & (number <= self.threshold))
    }

    /// The child that a number goes to. Without `MISSING` it must be a number, and 0 must be one.
    #[inline]
    fn next<const MISSING: bool>(&self, number: f32) -> u32 {
        let first = if MISSING { self.takes_first(number) } else { number <= self.threshold };
        self.child + u32::from(!first)
    }
}

impl Forest {
    /// How many numbers a candidate has.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many trees there are.
    pub fn trees(&self) -> usize {
        self.trees.len()
    }

    /// What is added for every candidate.
    pub fn bias(&self) -> f64 {
        self.bias
    }

    /// Fills in the score of each candidate. `rows` has [`Self::width`] numbers for each of them, one candidate
    /// after the other.
    pub fn score(&self, rows: &[f32], scores: &mut [f64]) {
        // Of what a list is made of nothing is missing, and to look for it takes twice as long.
        if self.zero_is_missing || rows.iter().any(|number| number.is_nan()) {
            self.walk::<true>(rows, scores);
        } else {
            self.walk::<false>(rows, scores);
        }
    }

    fn walk<const MISSING: bool>(&self, rows: &[f32], scores: &mut [f64]) {
        scores.fill(0.0);
        let width = self.width.max(1);
        for tree in &self.trees {
            for (rows, scores) in rows.chunks(LANES * width).zip(scores.chunks_mut(LANES)) {
                let mut at = [tree.node; LANES];
                for _ in 0..tree.levels {
                    for (at, row) in at.iter_mut().zip(rows.chunks_exact(width)) {
                        let node = &self.nodes[*at as usize];
                        *at = node.next::<MISSING>(row[usize::from(node.number)]);
                    }
                }
                for (score, at) in scores.iter_mut().zip(at) {
                    *score += self.values[at as usize];
                }
            }
        }
    }

    /// What each number of one candidate adds to its score: with [`Self::bias`], added up in any order, these are the score
    /// to the last bit.
    pub fn contributions(&self, row: &[f32]) -> Vec<f64> {
        let mut contributions = vec![0.0; self.width];
        for tree in &self.trees {
            let mut at = tree.node as usize;
            for _ in 0..tree.levels {
                let node = &self.nodes[at];
                let number = usize::from(node.number);
                let next = node.next::<true>(row[number]) as usize;
                contributions[number] += self.values[next] - self.values[at];
                at = next;
            }
        }
        contributions
    }
}

#[cfg(test)]
mod tests;
