//! What LightGBM's `dump_model()` says, as JSON.
//!
//! Leaves have the learning rate in them, and `internal_value` is what a tree would say if it ended there
//! (LightGBM, src/io/tree.cpp: `Tree::ToJSON`, `Tree::NumericalDecision`).

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::told::{Count, ForestError, Told};
use crate::engine::rank::forest::build::{MAX_TREES, Unfit};
use crate::engine::rank::forest::tree::{Missing, Split, Threshold, Tree, TreeNode};

#[derive(Deserialize)]
struct Dump {
    learner: Option<IgnoredAny>,
    feature_names: Option<Vec<String>>,
    tree_info: Option<Vec<Info>>,
    #[serde(default)]
    average_output: bool,
    num_tree_per_iteration: Option<usize>,
}

#[derive(Deserialize)]
struct Info {
    tree_structure: Node,
}

/// A split or a leaf.
#[derive(Deserialize)]
struct Node {
    leaf_value: Option<f64>,
    leaf_features: Option<Vec<IgnoredAny>>,
    internal_value: Option<f64>,
    split_feature: Option<usize>,
    threshold: Option<Compared>,
    decision_type: Option<String>,
    #[serde(default)]
    default_left: bool,
    missing_type: Option<MissingType>,
    left_child: Option<Box<Node>>,
    right_child: Option<Box<Node>>,
}

/// A number, or the numbers of categories.
#[derive(Deserialize)]
#[serde(untagged)]
enum Compared {
    Number(f64),
    Categories(IgnoredAny),
}

#[derive(Clone, Copy, Deserialize)]
enum MissingType {
    None,
    Zero,
    #[serde(rename = "NaN")]
    NaN,
}

/// Reads a dump.
pub(super) fn read(text: &str) -> Result<Told, ForestError> {
    let dump: Dump = serde_json::from_str(text)?;
    let (Some(names), Some(infos)) = (dump.feature_names, dump.tree_info) else {
        return Err(if dump.learner.is_some() { ForestError::Saved } else { ForestError::NoForest });
    };
    if dump.average_output {
        return Err(ForestError::Averaged);
    }
    if let Some(scores) = dump.num_tree_per_iteration.filter(|scores| *scores != 1) {
        return Err(ForestError::Scores(scores));
    }
    if infos.len() > MAX_TREES {
        return Err(Unfit::Trees(infos.len()).into());
    }
    let (mut trees, mut count) = (Vec::new(), Count::default());
    for (index, info) in infos.iter().enumerate() {
        let mut tree = Tree::default();
        add(&info.tree_structure, index, &mut count, &mut tree)?;
        trees.push(tree);
    }
    Ok(Told { names, trees })
}

/// Adds a node and all below it, and returns its index. JSON that is nested more deeply than this could go was refused.
fn add(node: &Node, index: usize, count: &mut Count, tree: &mut Tree) -> Result<usize, ForestError> {
    count.add()?;
    let at = tree.nodes.len();
    if let Some(value) = node.leaf_value {
        if node.leaf_features.as_ref().is_some_and(|features| !features.is_empty()) {
            return Err(ForestError::Formulas(index));
        }
        tree.nodes.push(TreeNode { value, split: None });
        return Ok(at);
    }
    if node.decision_type.as_deref() == Some("==") {
        return Err(ForestError::Categorical(index));
    }
    let damaged = ForestError::Damaged(index);
    let (Some(value), Some(number), Some(left), Some(right)) =
        (node.internal_value, node.split_feature, &node.left_child, &node.right_child)
    else {
        return Err(damaged);
    };
    let threshold = match &node.threshold {
        Some(Compared::Number(threshold)) => Threshold::AtMost(*threshold),
        Some(Compared::Categories(_)) => return Err(ForestError::Categorical(index)),
        None => return Err(damaged),
    };
    if node.decision_type.as_deref() != Some("<=") {
        return Err(damaged);
    }
    let missing = match node.missing_type {
        Some(MissingType::None) => Missing::None,
        Some(MissingType::Zero) => Missing::Zero,
        Some(MissingType::NaN) => Missing::NaN,
        None => return Err(damaged),
    };
    tree.nodes.push(TreeNode { value, split: None });
    let children = [add(left, index, count, tree)?, add(right, index, count, tree)?];
    tree.nodes[at].split =
        Some(Split { number, threshold, missing, missing_first: node.default_left, children });
    Ok(at)
}
