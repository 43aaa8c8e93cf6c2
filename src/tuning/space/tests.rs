//! The space of a model file: each point of it is one.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::models::BUILT_IN_MODEL;

fn read(text: &str, stream: &StreamConfig) -> ModelFile {
    ModelFile::read("base", Path::new("base.toml"), text, stream).expect("a model")
}

fn kept(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

const PLAIN: &str = "[weights]\nnext = 0.5\n[related]\nhalf_life = '7d'\n";

proptest! {
    #[test]
    fn every_point_is_a_model_that_can_be_read(
        point in prop::collection::vec(prop_oneof![4 => -3.0..3.0_f64, 1 => any::<f64>()], 40),
        hours in 1..5_i64,
    ) {
        let other = StreamConfig {
            interest_windows: (1..=hours).map(|hour| hour * HOUR).collect(),
            ..StreamConfig::default()
        };
        for stream in [StreamConfig::default(), other] {
            let odd = "[interest]\nwindows = { '1h' = 0.00001 }\n[popularity.windows]\n'1h' = 1\n";
            let default = BUILT_IN_MODEL;
            let texts = if hours == 1 || stream == StreamConfig::default() { vec!["", odd, default] } else { vec![""] };
            for text in texts.into_iter().filter(|text| parse_ok(text, &stream)) {
                let base = read(text, &stream);
                let space = Space::new(&base, &stream, &[]).expect("a space");
                prop_assert!(space.start().len() <= point.len());
                let moved = space.model(&point[..space.start().len()], "moved");
                let moved = moved.map_err(|error| TestCaseError::fail(error.to_string()))?;
                let sum = |model: &Model| (model.interest_windows.iter().sum::<f64>(), model.popularity_windows.iter().sum::<f64>());
                let (before, after) = (sum(base.model()), sum(moved.model()));
                prop_assert!(after.0 <= before.0 + 1e-9 && after.0 > 0.99 * before.0, "{before:?} {after:?}");
                prop_assert!(after.1 <= before.1 + 1e-9 && after.1 > 0.99 * before.1, "{before:?} {after:?}");
                // What was written is what was measured.
                prop_assert_eq!(&read(&moved.text(), &stream).model().weights(), &moved.model().weights());
            }
        }
    }
}

fn parse_ok(text: &str, stream: &StreamConfig) -> bool {
    ModelFile::read("base", Path::new("base.toml"), text, stream).is_ok()
}

#[test]
fn the_start_is_the_model_itself() {
    let stream = StreamConfig::default();
    let base = read(BUILT_IN_MODEL, &stream);
    let space = Space::new(&base, &stream, &[]).expect("a space");
    let same = space.model(&space.start(), "same").expect("a model");
    for ((key, before), (_, after)) in space.values(&base).into_iter().zip(space.values(&same)) {
        let number =
            |text: &str| text.trim_end_matches(char::is_alphabetic).parse::<f64>().unwrap_or(f64::NAN);
        // A window without a share gets a small one, and all digits after the fourth go.
        let near = (number(&before) - number(&after)).abs() < 0.02 * number(&before).abs() + 0.003;
        assert!(near || before == after, "{key}: {before} {after}");
    }
    assert_eq!(same.model().seen, base.model().seen);
    assert_eq!(same.model().candidates, base.model().candidates);
}

#[test]
fn what_weighs_nothing_stays_out_and_with_it_what_belongs_to_it() {
    let stream = StreamConfig::default();
    let keys = |text: &str| {
        let base = read(text, &stream);
        Space::new(&base, &stream, &[]).map(|space| space.keys())
    };
    assert_eq!(
        keys("weights = { interest = 0, popularity = 1, recency = 0 }"),
        Ok(kept(&["weights.popularity", "popularity.evidence", "popularity.windows"]))
    );
    assert_eq!(keys("weights = { interest = 0, popularity = 0, recency = 0 }"), Err(NoSpace::Empty));
    let all = keys(BUILT_IN_MODEL).expect("some");
    for key in ["interest.parts.next", "related.new_visit", "interest.windows", "recency.half_life"] {
        assert!(all.iter().any(|known| known == key), "{key} of {all:?}");
    }
    assert!(!all.iter().any(|key| key == "weights.interest" || key == "related.half_life"), "{all:?}");
    let plain = keys(PLAIN).expect("some");
    assert!(
        plain.iter().any(|key| key == "weights.next") && plain.iter().any(|key| key == "related.half_life")
    );
}

#[test]
fn what_is_to_stay_stays_and_what_is_none_is_refused_with_those_that_are() {
    let stream = StreamConfig::default();
    let base = read(BUILT_IN_MODEL, &stream);
    let space = |keep: &[&str]| Space::new(&base, &stream, &kept(keep));
    let moved = space(&["weights", "interest.windows", "recency"]).expect("a space");
    let point = vec![0.3; moved.start().len()];
    let model = moved.model(&point, "moved").expect("a model");
    let model = model.model();
    assert_eq!(model.interest_windows, base.model().interest_windows);
    assert_eq!(model.half_life, base.model().half_life);
    assert_ne!(model.popularity_windows, base.model().popularity_windows);
    for wrong in ["weight", "related.items", "popularity.windows.1h", ""] {
        let refused = space(&[wrong]).map(|_| ()).expect_err("no such key");
        let said = refused.to_string();
        assert!(
            said.starts_with(&format!("`{wrong}` is no key that would move; those are interest.parts.")),
            "{said}"
        );
    }
}
