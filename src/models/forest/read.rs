//! From a file's content to a forest that can rank.

use super::told::{ForestError, Told};
use super::{lightgbm, xgboost};
use crate::engine::config::StreamConfig;
use crate::engine::rank::forest::Forest;
use crate::engine::rank::forest::build::Unfit;
use crate::engine::rank::forest::signal::Named;
use crate::engine::rank::forest::signals::signals;

/// A name that is so many keystrokes away was meant.
const NEAR: usize = 3;

/// The forest that a file's content is, for a stream, and what it looks at.
///
/// # Errors
/// It is none, or none that can rank.
pub fn read_forest(text: &str, stream: &StreamConfig) -> Result<(Forest, Vec<Named>), ForestError> {
    let Told { names, mut trees } =
        if text.trim_start().starts_with('[') { xgboost::read(text)? } else { lightgbm::read(text)? };
    let known = signals(stream);
    // By the index in the file: that in the list of all signals.
    let mut indexes = Vec::with_capacity(names.len());
    for name in &names {
        let index = known.iter().position(|named| named.name == *name);
        indexes.push(index.ok_or_else(|| unknown(name, &known))?);
    }
    let mut used = vec![false; known.len()];
    for tree in &trees {
        for split in tree.nodes.iter().filter_map(|node| node.split.as_ref()) {
            let index = indexes.get(split.number).ok_or(ForestError::Nameless(split.number))?;
            used[*index] = true;
        }
    }
    let looked_at: Vec<usize> = (0..known.len()).filter(|index| used[*index]).collect();
    if looked_at.is_empty() {
        return Err(if trees.is_empty() { Unfit::Empty.into() } else { ForestError::Nothing });
    }
    for tree in &mut trees {
        for split in tree.nodes.iter_mut().filter_map(|node| node.split.as_mut()) {
            // It is there, as all that are used are.
            split.number = looked_at.binary_search(&indexes[split.number]).unwrap_or(usize::MAX);
        }
    }
    let forest = Forest::new(looked_at.len(), &trees)?;
    Ok((forest, looked_at.into_iter().map(|index| known[index].clone()).collect()))
}

fn unknown(name: &str, known: &[Named]) -> ForestError {
    let short: String = name.chars().take(80).collect();
    let distance = |named: &&Named| strsim::damerau_levenshtein(&short, &named.name);
    let nearest = known.iter().min_by_key(distance).filter(|named| distance(named) <= NEAR);
    ForestError::Unknown { nearest: nearest.map(|named| named.name.clone()), name: short }
}
