//! Where it is known why people look at items, the part of the default model that knows of it is what finds them:
//! without that part lists are worth less, and not by chance.

mod sandbox;

use std::fs;
use std::path::Path;

use headwater::models::BUILT_IN_MODEL;
use sandbox::service::headwater;
use serde_json::Value;

/// The default model with another line in place of the one that begins so.
fn with(start: &str, instead: &str) -> String {
    let lines: Vec<&str> = BUILT_IN_MODEL.lines().filter(|line| line.starts_with(start)).collect();
    let [line] = lines[..] else { panic!("one line begins with `{start}`, expected of {lines:?}") };
    BUILT_IN_MODEL.replacen(line, instead, 1)
}

fn run(folder: &Path, args: &[&str]) -> Vec<u8> {
    let output = headwater(args).current_dir(folder).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// By how much more the default model is worth than another one on a log with these causes, in MRR: the interval's
/// lower end.
fn least_gain(causes: &str, more: &[&str], other: &str) -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("whole.toml"), BUILT_IN_MODEL).expect("a file");
    fs::write(folder.path().join("other.toml"), other).expect("a file");
    let log = ["generate", "--out", "log", "--causes", causes, "--seed", "11"];
    let size = ["--users", "300", "--items", "500", "--events", "12000"];
    run(folder.path(), &[&log[..], &size, more].concat());
    let asked =
        ["evaluate", "log/events.jsonl", "--items", "log/items.jsonl", "--json", "--baseline", "none"];
    let models = ["--model", "whole.toml", "--model", "other.toml", "--base", "other"];
    let told = run(folder.path(), &[&asked[..], &models].concat());
    let told: Value = serde_json::from_slice(&told).expect("JSON");
    let gain = &told["contenders"][0]["against_base"]["mrr"]["difference"];
    gain["low"].as_f64().unwrap_or_else(|| panic!("no interval in {told:#}"))
}

#[test]
fn a_taste_for_categories_is_found_by_interest_in_them() {
    let other = with("parts = ", "parts = { next = 9.0, covisits = 2.5 }");
    let gain = least_gain("interest=90,popular=10", &[], &other);
    assert!(gain > 0.0, "{gain}");
}

#[test]
fn what_follows_from_an_item_is_found_by_what_is_related_to_it() {
    let gain = least_gain("related=90,popular=10", &[], &with("parts = ", "parts = { categories = 0.8 }"));
    assert!(gain > 0.0, "{gain}");
}

#[test]
fn what_everybody_looks_at_just_then_is_found_by_popularity() {
    let gain = least_gain("popular=90,related=10", &[], &with("popularity = ", "popularity = 0.0"));
    assert!(gain > 0.0, "{gain}");
}

#[test]
fn what_is_new_is_found_by_recency() {
    let many = ["--new-item-share", "0.6"];
    let gain = least_gain("new=60,popular=40", &many, &with("recency = ", "recency = 0.0"));
    assert!(gain > 0.0, "{gain}");
}
