//! What XGBoost's `dump_model(..., dump_format="json", with_stats=True)` says: a list of trees.
//!
//! What is to be expected at a split is not in it. It is the mean of what is to be expected at its children, each as often
//! as rows have come there (`cover`, the sum of their second derivatives), as for XGBoost's own approximate
//! contributions (src/predictor/treeshap.cc: `FillNodeMeanValue`). The base score, which is the same for all, is not
//! in it either and is left out.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::told::{Count, ForestError, Told};
use crate::engine::rank::forest::build::{MAX_TREES, Unfit};
use crate::engine::rank::forest::tree::{Missing, Split, Threshold, Tree, TreeNode};

/// A split or a leaf.
#[derive(Deserialize)]
struct Node {
    nodeid: u64,
    leaf: Option<f64>,
    cover: Option<f64>,
    split: Option<String>,
    split_condition: Option<Condition>,
    yes: Option<u64>,
    no: Option<u64>,
    missing: Option<u64>,
    #[serde(default)]
    children: Vec<Node>,
}

/// A number, or the numbers of categories.
#[derive(Deserialize)]
#[serde(untagged)]
enum Condition {
    Number(f32),
    Categories(IgnoredAny),
}

/// What is read so far.
#[derive(Default)]
struct Reading {
    tree: Tree,
    count: Count,
    names: BTreeMap<String, usize>,
}

/// Reads a dump.
pub(super) fn read(text: &str) -> Result<Told, ForestError> {
    let dump: Vec<Node> = serde_json::from_str(text)?;
    if dump.len() > MAX_TREES {
        return Err(Unfit::Trees(dump.len()).into());
    }
    let (mut reading, mut trees) = (Reading::default(), Vec::new());
    for (index, root) in dump.iter().enumerate() {
        reading.add(root, index)?;
        trees.push(std::mem::take(&mut reading.tree));
    }
    let mut names = vec![String::new(); reading.names.len()];
    reading.names.into_iter().for_each(|(name, index)| names[index] = name);
    Ok(Told { names, trees })
}

impl Reading {
    /// Adds a node and all below it, and returns its index and how often rows have come there. JSON that is nested more
    /// deeply than this could go was refused.
    fn add(&mut self, node: &Node, index: usize) -> Result<(usize, f64), ForestError> {
        self.count.add()?;
        let cover = node.cover.filter(|cover| *cover >= 0.0).ok_or(ForestError::NoStatistics)?;
        let at = self.tree.nodes.len();
        if let Some(value) = node.leaf {
            // It is a float that was written down.
            self.tree.nodes.push(TreeNode { value: f64::from(value as f32), split: None });
            return Ok((at, cover));
        }
        let threshold = match &node.split_condition {
            Some(Condition::Number(threshold)) => Threshold::Below(*threshold),
            Some(Condition::Categories(_)) => return Err(ForestError::Categorical(index)),
            None => return Err(ForestError::Damaged(index)),
        };
        let child = |id: Option<u64>| {
            let child = node.children.iter().find(|child| Some(child.nodeid) == id);
            child.ok_or(ForestError::Damaged(index))
        };
        let (yes, no, missing) = (child(node.yes)?, child(node.no)?, child(node.missing)?);
        if yes.nodeid == no.nodeid {
            return Err(ForestError::Damaged(index));
        }
        let name = node.split.clone().ok_or(ForestError::Damaged(index))?;
        let new = self.names.len();
        let number = *self.names.entry(name).or_insert(new);
        self.tree.nodes.push(TreeNode { value: 0.0, split: None });
        let ((first, of_first), (second, of_second)) = (self.add(yes, index)?, self.add(no, index)?);
        let nodes = &mut self.tree.nodes;
        let (first_value, second_value) = (nodes[first].value, nodes[second].value);
        let all = of_first + of_second;
        // Where no row has come the two are as likely.
        let part = if all > 0.0 { of_first / all } else { 0.5 };
        nodes[at].value = first_value * part + second_value * (1.0 - part);
        nodes[at].split = Some(Split {
            number,
            threshold,
            missing: Missing::NaN,
            missing_first: missing.nodeid == yes.nodeid,
            children: [first, second],
        });
        Ok((at, cover))
    }
}
