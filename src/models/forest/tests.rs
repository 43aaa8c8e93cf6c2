//! Files of forests as libraries write them, and damaged ones. `tests/forest/make.py` has made them, and asked the
//! libraries for the scores of some rows.

use serde_json::{Value, json};

use super::read_forest;
use crate::engine::config::StreamConfig;
use crate::engine::rank::forest::Forest;
use crate::engine::rank::forest::signal::Named;

const LIGHTGBM: &str = include_str!("../../../tests/forest/lightgbm.json");
const XGBOOST: &str = include_str!("../../../tests/forest/xgboost.json");

fn read(text: &str) -> Result<(Forest, Vec<Named>), String> {
    read_forest(text, &StreamConfig::default()).map_err(|error| error.to_string())
}

fn sound(text: &str) -> (Forest, Vec<Named>) {
    read(text).expect("a sound forest")
}

fn refused(text: &str) -> String {
    read(text).expect_err("no forest")
}

/// The scores of rows that the library that has written a forest gives them, and ours.
fn compared(forest: &str, table: &str) -> Vec<(f64, f64)> {
    let (forest, signals) = sound(forest);
    let mut lines = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = lines.next().expect("names");
    let place = |name: &str| names.iter().position(|other| *other == name).expect("it is there");
    let places: Vec<usize> = signals.iter().map(|named| place(&named.name)).collect();
    let compared = lines.map(|cells| {
        let number = |place: usize| cells[place].parse::<f64>().expect("a number");
        let row: Vec<f32> = places.iter().map(|place| number(*place) as f32).collect();
        let mut ours = [0.0];
        forest.score(&row, &mut ours);
        let told = forest.contributions(&row).iter().fold(forest.bias(), |sum, part| sum + part);
        assert_eq!(told.to_bits(), ours[0].to_bits(), "what is told comes to the score");
        (number(place("score")), ours[0])
    });
    compared.collect()
}

#[test]
fn lightgbm_and_xgboost_give_the_same_scores_with_what_is_missing_and_without() {
    for (name, forest, table, near) in [
        ("lightgbm", LIGHTGBM, include_str!("../../../tests/forest/lightgbm.csv"), 1e-11),
        (
            "lightgbm_whole",
            include_str!("../../../tests/forest/lightgbm_whole.json"),
            include_str!("../../../tests/forest/lightgbm_whole.csv"),
            1e-11,
        ),
        (
            "lightgbm_zero",
            include_str!("../../../tests/forest/lightgbm_zero.json"),
            include_str!("../../../tests/forest/lightgbm_zero.csv"),
            1e-11,
        ),
        // It adds floats.
        ("xgboost", XGBOOST, include_str!("../../../tests/forest/xgboost.csv"), 1e-6),
    ] {
        let compared = compared(forest, table);
        assert_eq!(compared.len(), 60);
        for (theirs, ours) in compared {
            assert!((theirs - ours).abs() <= near, "{name}: {theirs} {ours}");
        }
    }
}

#[test]
fn signals_stand_in_the_order_of_headwater_whatever_the_order_of_the_table() {
    let names = |text: &str| sound(text).1.into_iter().map(|named| named.name).collect::<Vec<_>>();
    // Both have found no use for the age.
    assert_eq!(names(LIGHTGBM), ["linear", "next", "count_1h", "user_idle"]);
    assert_eq!(names(XGBOOST), ["linear", "next", "count_1h", "user_idle"]);
}

#[test]
fn whatever_is_cut_off_is_refused() {
    for text in [LIGHTGBM, XGBOOST] {
        for cut in (0..text.trim_end().len()).step_by(97) {
            let refused = refused(&text[..cut]);
            assert!(refused.contains("expected what LightGBM's"), "{refused}");
        }
    }
}

/// The dump with something changed.
fn changed(text: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut dump: Value = serde_json::from_str(text).expect("JSON");
    change(&mut dump);
    dump.to_string()
}

#[test]
fn each_kind_of_forest_that_cannot_rank_is_refused_with_what_to_do() {
    let root = |dump: &mut Value, key: &str, value: Value| {
        dump["tree_info"][1]["tree_structure"][key] = value;
    };
    let lightgbm = |key: &'static str, value: Value| changed(LIGHTGBM, |dump| root(dump, key, value));
    let top = |key: &str, value: Value| changed(LIGHTGBM, |dump| dump[key] = value);
    let first = |key: &str, value: Value| changed(XGBOOST, |dump| dump[1][key] = value);
    let mut names = json!(["linear", "count_1h", "user_idle", "next", "age"]);
    names[1] = json!("cuont_1h");
    for (text, expected) in [
        ("{}".to_owned(), "is no forest; expected what LightGBM's"),
        ("[]".to_owned(), "has no tree"),
        ("{\"learner\": {}}".to_owned(), "is a model as XGBoost saves it; expected what"),
        (
            top("feature_names", names),
            "looks at `cuont_1h`, which Headwater does not have (did you mean `count_1h`?)",
        ),
        (
            top("feature_names", json!(["linear", "label", "user_idle", "next", "age"])),
            "looks at `label`, which",
        ),
        (top("feature_names", json!(["linear"])), "looks at column"),
        (top("average_output", json!(true)), "trees are averaged, expected a sum"),
        (top("num_tree_per_iteration", json!(3)), "has 3 scores for each row, expected one"),
        (top("tree_info", json!([])), "has no tree"),
        (top("tree_info", json!([{"tree_structure": {"leaf_value": 0.5}}])), "has learnt nothing"),
        (
            top("tree_info", Value::from(vec![json!({"tree_structure": {"leaf_value": 0.5}}); 501])),
            "has 501 trees, expected at most 500",
        ),
        (lightgbm("decision_type", json!("==")), "tree 1 has a split by categories"),
        (lightgbm("threshold", json!("1||2")), "tree 1 has a split by categories"),
        (lightgbm("decision_type", json!(">")), "tree 1 is damaged"),
        (lightgbm("missing_type", Value::Null), "tree 1 is damaged"),
        (lightgbm("internal_value", Value::Null), "tree 1 is damaged"),
        (lightgbm("right_child", Value::Null), "tree 1 is damaged"),
        (lightgbm("missing_type", json!("Some")), "unknown variant `Some`"),
        (
            lightgbm("left_child", json!({"leaf_value": 1.0, "leaf_features": [1]})),
            "tree 1 has leaves that are formulas",
        ),
        (lightgbm("left_child", json!({"leaf_value": 1e9})), "its trees add more than 2048 to a score"),
        (first("split", json!("elapsed")), "looks at `elapsed`, which Headwater does not have: train it"),
        (first("split_condition", json!([1, 2])), "tree 1 has a split by categories"),
        (first("split_condition", Value::Null), "tree 1 is damaged"),
        (first("yes", json!(77)), "tree 1 is damaged"),
        (first("no", json!(1)), "tree 1 is damaged"),
        (first("cover", Value::Null), "write it with dump_model(..., with_stats=True)"),
    ] {
        let refused = refused(&text);
        assert!(refused.contains(expected), "{refused}\nexpected: {expected}");
    }
}

#[test]
fn a_tree_that_is_nested_without_an_end_costs_nothing() {
    let deep = "{\"left_child\":".repeat(100_000);
    let nested = format!("{{\"feature_names\":[],\"tree_info\":[{{\"tree_structure\":{deep}");
    assert!(refused(&nested).contains("recursion limit exceeded"), "{}", refused(&nested));
    // So deep that JSON allows it.
    let mut node = json!({"leaf_value": 0.0});
    for _ in 0..40 {
        let split = json!({"split_feature": 0, "threshold": 0.5, "decision_type": "<=", "missing_type": "None",
            "internal_value": 0.0, "left_child": {"leaf_value": 0.0}, "right_child": node});
        node = split;
    }
    let text = changed(LIGHTGBM, |dump| dump["tree_info"] = json!([{"tree_structure": node}]));
    assert!(refused(&text).contains("tree 0 has more than 32 levels"), "{}", refused(&text));
}
