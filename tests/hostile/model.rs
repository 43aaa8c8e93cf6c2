//! Model files: one that is accepted can rank, whatever it says.

use std::path::Path;

use headwater::engine::config::StreamConfig;
use headwater::engine::rank::model::Model;
use headwater::models::BUILT_IN_MODEL;
use headwater::models::parse_model;

use super::config::named;
use super::engine_harness::streams::{START, items, user};
use super::engine_harness::{Click, Engine, query};
use super::runner::Target;

const WORDS: &[&[u8]] = &[
    b"[weights]\n",
    b"[event_weights]\n",
    b"[interest.windows]\n",
    b"[popularity.windows]\n",
    b"[[boosts]]\ncategory = \"c1\"\nadd = 1\n",
    b"[candidates]\n",
    b"popular = 1000000\n",
    b"per_category = 1000000\n",
    b"categories = 1000000\n",
    b"evidence = 1e-300\n",
    b"half_life = \"1s\"\n",
    b"max_category_share = 1e-9\n",
    b"\"24h\" = ",
    b"\"1440m\" = ",
    b"interest = ",
    b"= 1e308",
    b"= nan",
    b"= inf",
    b"= -0.0",
    b"\n",
    b"[",
    b"\"",
    b"{x=",
    b"#",
];

pub fn target() -> Target {
    let stream = StreamConfig::default();
    let seeds = [
        BUILT_IN_MODEL,
        "",
        "[weights]\ninterest = -10\npopularity = 10\n[trending]\nshort = \"5m\"\nlong = \"7d\"\nevidence = 0.5\n[diversity]\nmax_category_share = 0.2\n",
        "[[boosts]]\ncategory = \"c1\"\nadd = 0.5\n[[boosts]]\ncategory = \"c2\"\nadd = -10\n[candidates]\npopular = 1\nfresh = 0\n[event_weights]\nclick = 1.0\nhide = -100\n",
    ];
    Target {
        name: "models",
        seeds: seeds.map(|text| text.as_bytes().to_vec()).to_vec(),
        words: WORDS,
        rounds: 8_000,
        may_hold: (2048, 4 << 20),
        check: Box::new(move |input| check(input, &stream)),
    }
}

fn check(input: &[u8], stream: &StreamConfig) -> String {
    let Ok(text) = std::str::from_utf8(input) else { return "not UTF-8".to_owned() };
    let path = Path::new("models/m.toml");
    match parse_model("m", path, text, stream) {
        Err(error) => {
            assert!(!error.mistakes.is_empty());
            error.mistakes.iter().for_each(|mistake| named(mistake, text.lines().count()));
            let mistake = &error.mistakes[0];
            format!("{} {:?}", mistake.key, std::mem::discriminant(&mistake.problem))
        }
        Ok(model) => {
            assert_eq!(parse_model("m", path, &model.source, stream).as_ref(), Ok(&model));
            in_range(&model);
            format!("valid, {} items", rank(model, stream))
        }
    }
}

fn in_range(model: &Model) {
    let weights = model.weights();
    assert!(weights.iter().all(|weight| weight.abs() <= 10.0), "{weights:?}");
    assert!(model.event_weights.iter().all(|weight| weight.abs() <= 100.0));
    for windows in [&model.interest_windows, &model.popularity_windows] {
        assert!(windows.iter().all(|weight| (0.0..=1.0).contains(weight)), "{windows:?}");
        assert!(windows.iter().sum::<f64>() <= 1.0 + 1e-6);
    }
    assert!(model.evidence > 0.0 && model.trending.evidence > 0.0 && model.half_life > 0);
    assert!(model.boosts.len() <= 256 && model.boosts.iter().all(|boost| boost.add.abs() <= 10.0));
    assert_ne!(model.positive_types(), 0);
}

/// Ranks with the model: every score is a number, best first.
fn rank(model: Model, stream: &StreamConfig) -> usize {
    let mut engine = Engine::new(stream.clone(), &items(), model, 1);
    for place in 0..30_usize {
        engine.apply(&Click {
            user: user(place % 3),
            item: format!("i{}", place % 23),
            kind: (place % 8) as u8,
            ts: START + place as i64 * 60_000,
            ..Click::default()
        });
    }
    let t = engine.newest();
    let pools = engine.pools(t);
    let answer = engine.ask(&pools, &user(1), &query(10, t)).expect("an answer for now");
    let scores: Vec<f64> = answer.items.iter().map(|ranked| ranked.score).collect();
    assert!(scores.iter().all(|score| score.is_finite()), "{scores:?}");
    scores.len()
}
