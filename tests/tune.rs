//! `headwater tune`, as whoever has a log uses it.

mod sandbox;

use std::fs;
use std::path::{Path, PathBuf};

use headwater::generate::{GenerateSettings, Generator, ITEM_CSV_HEADER, write_item_csv};
use sandbox::service::headwater;
use serde_json::Value;

/// A model that shows what is new, and what was popular in some week: on no site of ours is that what people want.
const BAD: &str = "# of somebody who guessed
[weights]
interest = 0.6
popularity = 0.005
recency = 4.0
[interest]
parts = { categories = 0.02, next = 0.02, covisits = 0.02 }
evidence = 300.0
[related]
evidence = 500.0
[popularity]
windows = { '7d' = 1.0 }
[seen]
hide = 'always'
click = '30d'
[candidates]
popular = 77
";

/// Runs it in a folder and gives the exit code, what it printed and what it said of errors.
fn tune(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = headwater(&["tune", "events.jsonl", "--items", "items.csv"]);
    let output = command.current_dir(folder).args(args).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A folder with a week of a small site, and a bad model for it.
fn site() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = GenerateSettings { users: 150, items: 300, events: 9_000, ..GenerateSettings::default() };
    let generator = Generator::new(settings).expect("settings in their ranges");
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    let lines = generator.events().map(|event| serde_json::to_string(&event.draft()).expect("JSON") + "\n");
    fs::write(path("events.jsonl"), lines.collect::<String>()).expect("a file");
    let mut table = format!("{ITEM_CSV_HEADER}\n").into_bytes();
    generator.items().iter().for_each(|item| write_item_csv(item, &mut table).expect("a row"));
    fs::write(path("items.csv"), table).expect("a file");
    fs::write(path("bad.toml"), BAD).expect("a file");
    folder
}

const SHORT: [&str; 8] =
    ["--model", "bad.toml", "--out", "tuned.toml", "--generations", "6", "--population", "10"];

#[test]
fn a_bad_model_becomes_a_better_one_that_keeps_the_rest_and_says_where_it_comes_from() {
    let folder = site();
    let path = folder.path().join("tuned.toml");
    let (code, out, error) = tune(folder.path(), &[&SHORT[..], &["--json"]].concat());
    assert_eq!((code, error.as_str()), (Some(0), ""), "{out}");
    let told: Value = serde_json::from_str(&out).expect("JSON");
    let figure = |span: &str, model: &str| {
        let figure = &told[span][model];
        figure.as_f64().or_else(|| figure["value"].as_f64()).expect("a figure")
    };
    for span in ["train", "choose", "report"] {
        assert!(figure(span, "tuned") > 1.1 * figure(span, "current"), "{span}: {told:#}");
    }
    assert!(told["report"]["difference"]["low"].as_f64() > Some(0.0), "{told:#}");
    assert_eq!((&told["written"], &told["metric"]), (&"tuned.toml".into(), &"mrr@20".into()));
    let ends = |span: usize| (&told["spans"][span]["until"], &told["spans"][span + 1]["from"]);
    assert!((0..2).all(|span| ends(span).0 == ends(span).1), "{:#}", told["spans"]);

    // What it measured is what `evaluate` measures of the file that was written.
    let text = fs::read_to_string(&path).expect("a model");
    let from = told["spans"][2]["from"].as_str().expect("an instant");
    let mut evaluate =
        headwater(&["evaluate", "events.jsonl", "--items", "items.csv", "--from", from, "--json"]);
    evaluate.args(["--model", "bad.toml", "--model", "tuned.toml", "--baseline", "none", "--base", "bad"]);
    let output = evaluate.current_dir(folder.path()).output().expect("it runs");
    let evaluated: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let mrr = |place: usize| &evaluated["contenders"][place]["figures"]["mrr"];
    assert_eq!((mrr(0), mrr(1)), (&told["report"]["current"], &told["report"]["tuned"]));

    let model: toml::Table = text.parse().expect("TOML");
    assert_eq!(model["candidates"]["popular"].as_integer(), Some(77));
    assert_eq!(model["seen"]["click"].as_str(), Some("30d"));
    assert_eq!(model["weights"]["interest"].as_float(), Some(0.6));
    let hash = told["data"]["hash"].as_str().expect("a hash");
    let command = "#   headwater tune events.jsonl --items items.csv --model bad.toml --out tuned.toml --generations 6 \
                   --population 10\n";
    for there in
        ["# Tuned by headwater ", "from bad.toml", "seed 1", hash, command, "# mrr@20 on report", from]
    {
        assert!(text.contains(there), "{there}: {text}");
    }

    // It is there now, and nothing is done before that is said.
    let (code, _, error) = tune(folder.path(), &SHORT);
    assert_eq!(code, Some(1));
    assert!(error.contains("--out: tuned.toml exists") && error.contains("--force"), "{error}");
    // The same again, asked by other threads.
    for threads in ["1", "3"] {
        let again = ["--force", "--threads", threads];
        let (code, told, error) = tune(folder.path(), &[&SHORT[..], &again].concat());
        assert_eq!(code, Some(0), "{error}");
        assert!(told.ends_with("\nwrote tuned.toml\n") && told.contains("MRR@20 current"), "{told}");
        assert!(error.contains("generation 6 of 6: mrr@20 0."), "{error}");
        assert_eq!(fs::read_to_string(&path).expect("a model"), text, "{threads} threads");
    }
    let (code, _, error) = tune(folder.path(), &[&SHORT[..], &["--force", "--seed", "2"]].concat());
    assert_eq!(code, Some(0), "{error}");
    let tuned =
        |text: &str| text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    assert_ne!(tuned(&fs::read_to_string(&path).expect("a model")), tuned(&text));
}

#[test]
fn what_is_planted_to_matter_most_is_found_to_matter_most() {
    for (causes, most) in
        [("related=60,new=30,popular=10", "related"), ("popular=60,related=30,new=10", "popularity")]
    {
        let folder = tempfile::tempdir().expect("a folder");
        let mut generate = headwater(&["generate", "--out", ".", "--causes", causes, "--drift-share", "0"]);
        generate.args(["--users", "600", "--items", "400", "--events", "12000", "--new-item-share", "0.6"]);
        assert!(generate.current_dir(folder.path()).output().expect("it runs").status.success());
        let truth = fs::read_to_string(folder.path().join("truth.jsonl")).expect("the truth");
        assert!(truth.contains(r#""causes":{"interest":0,"related":"#), "{truth:.400}");
        let mut tune =
            headwater(&["tune", "events.jsonl", "--items", "items.jsonl", "--out", "tuned.toml", "--json"]);
        tune.args(["--metric", "hr@20", "--generations", "4", "--population", "12"]);
        let output = tune.current_dir(folder.path()).output().expect("it runs");
        let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let parts = told["report"]["parts"].as_array().expect("parts");
        assert_eq!(parts.first().expect("one")["part"], most, "{causes}: {:#}", told["report"]);
        // Beyond chance, and beyond what any other one is worth.
        let end = |part: usize, end: &str| parts[part]["worth"][end].as_f64().expect("a number");
        assert!(end(0, "low") > 0.0 && end(0, "low") > end(1, "value"), "{causes}: {:#}", told["report"]);
    }
}

#[test]
fn what_is_not_better_is_not_written_and_the_command_says_why() {
    let folder = site();
    // One weight alone has nothing to move against: every model gives the same lists.
    let only = "[weights]\ninterest = 0\npopularity = 1\nrecency = 0\n";
    fs::write(folder.path().join("only.toml"), only).expect("a file");
    let keep =
        ["--keep", "popularity.windows,popularity.evidence", "--generations", "1", "--population", "4"];
    let args = [&["--model", "only.toml", "--out", "tuned.toml", "--json"], &keep[..]].concat();
    let (code, out, error) = tune(folder.path(), &args);
    assert_eq!(code, Some(1), "{out}");
    let told: Value = serde_json::from_str(&out).expect("what was measured, all the same");
    assert_eq!((&told["written"], &told["report"]), (&Value::Null, &Value::Null));
    assert_eq!(told["choose"]["current"], told["choose"]["tuned"]);
    let said: Value = serde_json::from_str(&error).expect("JSON");
    let message = said["error"]["message"].as_str().expect("a message");
    assert!(message.starts_with("the tuned model was not written: none of the best models"), "{message}");
    assert!(!folder.path().join("tuned.toml").exists());
}

#[test]
fn what_cannot_be_tuned_says_what_to_do_instead() {
    let folder = site();
    fs::write(folder.path().join("odd.toml"), "weights.interst = 1.0\n").expect("a file");
    let out = ["--out", "tuned.toml"];
    for (args, said) in [
        (&["--out", "tuned"][..], "--out: tuned is no name of a model file, which ends with .toml"),
        (&["--out", "none/tuned.toml"], "--out: there is no folder none"),
        (&[&out[..], &["--model", "odd.toml"]].concat(), "odd.toml:1: `weights.interst`"),
        (&[&out[..], &["--model", "none.toml"]].concat(), "--model: none.toml: "),
        (
            &[&out[..], &["--keep", "interest.part"]].concat(),
            "--keep: `interest.part` is no key that would move",
        ),
        (
            &[&out[..], &["--train", "1d", "--choose", "2d"]].concat(),
            "each span begins later than the one before, but --train begins 2026-01-1",
        ),
        (
            &[&out[..], &["--train", "2020-01-01T00:00:00Z", "--choose", "2020-01-02T00:00:00Z"]].concat(),
            "nothing can be asked on the train span, from 2020-01-01T00:00:00.000Z until 2020-01-02",
        ),
    ] {
        let (code, out, error) = tune(folder.path(), args);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{args:?}");
        assert!(error.contains(said), "{args:?}: {error}");
    }
    for (args, said) in [
        (["--metric", "map@20"], "expected mrr@20, hr@20 or ndcg@20"),
        (["--population", "0"], "expected a number from 1 to 200"),
        (["--train", "soon"], "or a length of time such as 2d"),
    ] {
        let (code, _, error) = tune(folder.path(), &[&out[..], &args].concat());
        assert_eq!(code, Some(2), "{args:?}");
        assert!(error.contains(said), "{args:?}: {error}");
    }
}
