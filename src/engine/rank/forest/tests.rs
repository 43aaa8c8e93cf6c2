//! Forests against a walk of their trees as they are told.

use proptest::prelude::*;

use super::build::{MAX_LEVELS, MAX_TREES, Unfit};
use super::tree::{Missing, Split, Threshold, Tree, TreeNode};
use super::{Forest, MOST, STEP};

const WIDTH: usize = 3;

/// The node that a candidate ends in, by the rules as LightGBM and XGBoost state them.
fn leaf(tree: &Tree, row: &[f32], at: usize) -> usize {
    let Some(split) = &tree.nodes[at].split else { return at };
    let number = row[split.number];
    let zero = number.abs() <= 1e-35;
    let first = match (split.missing, number.is_nan(), zero) {
        (Missing::None, true, _) => is_first(0.0, split.threshold),
        (Missing::NaN | Missing::Zero, true, _) | (Missing::Zero, _, true) => split.missing_first,
        _ => is_first(number, split.threshold),
    };
    leaf(tree, row, split.children[usize::from(!first)])
}

fn is_first(number: f32, threshold: Threshold) -> bool {
    match threshold {
        Threshold::AtMost(threshold) => f64::from(number) <= threshold,
        Threshold::Below(threshold) => number < threshold,
    }
}

/// Numbers that are often equal to what they are compared with, or next to it.
fn number() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => prop::sample::select(vec![0.0, -0.0, 1.0, -1.0, 0.1, 0.3, 7.5, 1e-36, 1e-30, f32::MAX, -3.0]),
        2 => -10.0_f32..10.0,
        1 => Just(f32::NAN),
        1 => prop::sample::select(vec![1.0_f32.next_up(), 1.0_f32.next_down(), 0.1_f32.next_down()]),
    ]
}

fn threshold() -> impl Strategy<Value = Threshold> {
    prop_oneof![
        number().prop_filter("a number", |number| !number.is_nan()).prop_map(Threshold::Below),
        number()
            .prop_filter("a number", |number| !number.is_nan())
            .prop_map(|number| Threshold::AtMost(number.into())),
        prop::sample::select(vec![0.1, 0.3, 1.0 - 1e-12, 1.0 + 1e-12, 1e300, -1e300, 1e-35])
            .prop_map(Threshold::AtMost),
    ]
}

/// A tree that grows at any of its leaves.
fn tree() -> impl Strategy<Value = Tree> {
    let missing = prop::sample::select(vec![Missing::None, Missing::Zero, Missing::NaN]);
    let split =
        (0..WIDTH, threshold(), missing, any::<bool>(), -1.0..1.0, -1.0..1.0, any::<prop::sample::Index>());
    (-1.0..1.0, prop::collection::vec(split, 0..12)).prop_map(|(value, splits)| {
        let mut tree = Tree { nodes: vec![TreeNode { value, split: None }] };
        for (number, threshold, missing, missing_first, left, right, at) in splits {
            let leaves: Vec<usize> =
                (0..tree.nodes.len()).filter(|node| tree.nodes[*node].split.is_none()).collect();
            let children = [tree.nodes.len(), tree.nodes.len() + 1];
            tree.nodes[leaves[at.index(leaves.len())]].split =
                Some(Split { number, threshold, missing, missing_first, children });
            tree.nodes.extend([left, right].map(|value| TreeNode { value, split: None }));
        }
        tree
    })
}

proptest! {
    #[test]
    fn each_candidate_gets_what_a_walk_of_the_trees_gives_and_its_parts_add_up_to_the_last_bit(
        trees in prop::collection::vec(tree(), 1..6),
        rows in prop::collection::vec(prop::array::uniform3(number()), 1..30),
    ) {
        let forest = Forest::new(WIDTH, &trees).expect("sound trees");
        let mut scores = vec![f64::NAN; rows.len()];
        forest.score(&rows.concat(), &mut scores);
        for (row, score) in rows.iter().zip(scores) {
            let walked: f64 = trees.iter().map(|tree| tree.nodes[leaf(tree, row, 0)].value).sum();
            prop_assert!((walked - score).abs() <= STEP * trees.len() as f64, "{} {}", walked, score);
            let parts = forest.contributions(row);
            let forward = parts.iter().fold(forest.bias(), |sum, part| sum + part);
            let backward = parts.iter().rev().fold(0.0, |sum, part| sum + part) + forest.bias();
            prop_assert_eq!(forward.to_bits(), score.to_bits());
            prop_assert_eq!(backward, score);
        }
    }

    #[test]
    fn a_candidate_is_scored_the_same_whoever_stands_beside_it(
        trees in prop::collection::vec(tree(), 1..4),
        rows in prop::collection::vec(prop::array::uniform3(number()), 1..30),
    ) {
        let forest = Forest::new(WIDTH, &trees).expect("sound trees");
        let mut together = vec![0.0; rows.len()];
        forest.score(&rows.concat(), &mut together);
        for (row, together) in rows.iter().zip(together) {
            let mut alone = [0.0];
            forest.score(row, &mut alone);
            prop_assert_eq!(alone[0].to_bits(), together.to_bits());
        }
    }
}

fn of_leaf(value: f64) -> Tree {
    Tree { nodes: vec![TreeNode { value, split: None }] }
}

/// Each split's second child goes on.
fn chain(levels: usize) -> Tree {
    let mut tree = of_leaf(0.0);
    for level in 0..levels {
        let children = [2 * level + 1, 2 * level + 2];
        let (threshold, missing) = (Threshold::AtMost(0.0), Missing::NaN);
        let at = tree.nodes.len() - 1;
        tree.nodes[at].split = Some(Split { number: 0, threshold, missing, missing_first: true, children });
        tree.nodes.extend([0.5, -0.5].map(|value| TreeNode { value, split: None }));
    }
    tree
}

fn with(mut tree: Tree, change: impl FnOnce(&mut Split)) -> Vec<Tree> {
    change(tree.nodes[0].split.as_mut().expect("it has one"));
    vec![tree]
}

#[test]
fn trees_that_are_too_many_too_deep_or_none_are_refused() {
    let refused = |trees: &[Tree]| Forest::new(WIDTH, trees).expect_err("no forest");
    assert_eq!(refused(&[]), Unfit::Empty);
    assert_eq!(refused(&vec![of_leaf(0.0); MAX_TREES + 1]), Unfit::Trees(MAX_TREES + 1));
    assert!(Forest::new(WIDTH, &[chain(MAX_LEVELS)]).is_ok());
    assert_eq!(refused(&[of_leaf(0.0), chain(MAX_LEVELS + 1)]), Unfit::Levels(1));
    assert_eq!(refused(&[chain(20_000), chain(20_000)]), Unfit::Nodes);
    assert_eq!(refused(&with(chain(1), |split| split.number = WIDTH)), Unfit::Damaged(0));
    assert_eq!(refused(&with(chain(1), |split| split.children = [1, 1])), Unfit::Damaged(0));
    assert_eq!(refused(&with(chain(1), |split| split.children = [0, 1])), Unfit::Damaged(0));
    assert_eq!(refused(&with(chain(1), |split| split.children = [1, 3])), Unfit::Damaged(0));
    let no_number = Threshold::AtMost(f64::NAN);
    assert_eq!(refused(&with(chain(1), |split| split.threshold = no_number)), Unfit::NoNumber(0));
    for value in [f64::NAN, f64::INFINITY] {
        assert_eq!(refused(&[of_leaf(value)]), Unfit::NoNumber(0));
    }
    assert_eq!(refused(&[of_leaf(MOST / 2.0), of_leaf(-MOST * 0.6)]), Unfit::TooGreat);
    assert_eq!(refused(&[of_leaf(1e300)]), Unfit::TooGreat);
}
