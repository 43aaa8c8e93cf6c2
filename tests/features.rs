//! `headwater features`, and what comes of its table, as whoever trains a forest uses it.

mod sandbox;

use std::fs;
use std::path::{Path, PathBuf};

use headwater::generate::{GenerateSettings, Generator, ITEM_CSV_HEADER, write_item_csv};
use sandbox::service::headwater;
use serde_json::{Value, json};

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let output = headwater(args).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a UTF-8 path")
}

/// Some days of a small site.
fn generated(folder: &Path) -> (PathBuf, PathBuf) {
    let settings = GenerateSettings { users: 60, items: 150, events: 4_000, ..GenerateSettings::default() };
    let generator = Generator::new(settings).expect("settings in their ranges");
    let (events, items) = (folder.join("events.jsonl"), folder.join("items.csv"));
    let lines = generator.events().map(|event| serde_json::to_string(&event.draft()).expect("JSON") + "\n");
    fs::write(&events, lines.collect::<String>()).expect("a file");
    let mut table = format!("{ITEM_CSV_HEADER}\n").into_bytes();
    generator.items().iter().for_each(|item| write_item_csv(item, &mut table).expect("a row"));
    fs::write(&items, table).expect("a file");
    (events, items)
}

/// The rows of a table, by the names of its columns.
fn rows(table: &str) -> (Vec<String>, Vec<Vec<f64>>) {
    let mut lines = table.lines().map(|line| line.split(','));
    let names = lines.next().expect("a header").map(str::to_owned).collect();
    let numbers =
        |cells: std::str::Split<'_, char>| cells.map(|cell| cell.parse().expect("a number")).collect();
    (names, lines.map(numbers).collect())
}

#[test]
fn the_table_has_the_candidates_of_each_question_and_one_of_them_is_what_was_clicked() {
    let folder = tempfile::tempdir().expect("a folder");
    let (events, items) = generated(folder.path());
    let (plain, packed) = (folder.path().join("train.csv"), folder.path().join("train.csv.zst"));
    let from =
        ["features", text(&events), "--items", text(&items), "--every", "5", "--rerank", "20", "--out"];
    let (code, out, error) = run(&[&from[..], &[text(&plain)]].concat());
    assert_eq!((code, out.as_str()), (Some(0), ""), "{error}");
    let table = fs::read_to_string(&plain).expect("a table");
    let (names, rows) = rows(&table);
    assert_eq!(names[..4], ["query", "ts", "clicked", "linear"]);
    let column = |name: &str| names.iter().position(|other| other == name).expect("it is there");
    let questions = rows.chunk_by(|a, b| a[0] == b[0]).collect::<Vec<_>>();
    assert!(questions.len() > 20, "{error}");
    for (number, rows) in questions.iter().enumerate() {
        assert_eq!((rows[0][0], rows.len()), (number as f64, 20));
        assert_eq!(rows.iter().map(|row| row[2]).sum::<f64>(), 1.0);
        assert!(rows.windows(2).all(|pair| pair[0][3] >= pair[1][3]), "the best is first");
        assert_eq!(rows[0][column("linear_behind")], 0.0);
        assert!(rows.iter().all(|row| row[column("list_length")] == 20.0));
    }
    assert!(error.contains(&format!("{} rows of {} questions", rows.len(), questions.len())), "{error}");

    // The same bytes, packed.
    let (code, _, error) = run(&[&from[..], &[text(&packed)]].concat());
    assert_eq!(code, Some(0), "{error}");
    let unpacked = zstd::decode_all(fs::File::open(&packed).expect("a table")).expect("zstd");
    assert_eq!(String::from_utf8(unpacked).expect("text"), table);
    let (code, _, error) = run(&[&from[..], &[text(&plain)]].concat());
    assert_eq!(code, Some(1));
    assert!(error.contains("(--force overwrites it)"), "{error}");
    let (code, out, _) = run(&[&from[..], &["-"]].concat());
    assert_eq!((code, out), (Some(0), table));
}

/// A forest that puts first what has least of a signal.
fn least_first(signal: &str, thresholds: &[f64]) -> Value {
    let tree = |threshold: &f64| {
        json!({"tree_structure": {
            "split_feature": 0, "threshold": threshold, "decision_type": "<=", "default_left": true,
            "missing_type": "None", "internal_value": 0.0,
            "left_child": {"leaf_value": 1.0}, "right_child": {"leaf_value": -1.0},
        }})
    };
    json!({"feature_names": [signal], "tree_info": thresholds.iter().map(tree).collect::<Vec<_>>()})
}

#[test]
fn a_model_is_evaluated_with_its_forest_and_not_tuned() {
    let folder = tempfile::tempdir().expect("a folder");
    let (events, items) = generated(folder.path());
    let write = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::write(&path, content).expect("a file");
        path
    };
    let plain = write("plain.toml", "");
    let worst = write("worst.toml", "[forest]\nfile = \"worst.json\"\nrerank = 50\n");
    let none = write("none.toml", "[forest]\nfile = \"none.json\"\n");
    // ln(1 + rank): each of the first fifty between two of these.
    let between: Vec<f64> = (0..50).map(|rank| (f64::from(rank) + 1.5).ln()).collect();
    write("worst.json", &least_first("linear", &[-1e9]).to_string());
    write("best.json", &least_first("linear_rank", &between).to_string());
    let best = write("best.toml", "[forest]\nfile = \"best.json\"\nrerank = 50\n");
    let asked =
        ["evaluate", text(&events), "--items", text(&items), "--every", "5", "--baseline", "none", "--json"];
    let models = ["--model", text(&plain), "--model", text(&best), "--model", text(&worst)];
    let (code, out, error) = run(&[&asked[..], &models].concat());
    assert_eq!(code, Some(0), "{error}");
    let told: Value = serde_json::from_str(&out).expect("JSON");
    let figures = |contender: usize| &told["contenders"][contender]["figures"];
    // By the rank of the linear score, and by nothing: of equal ones the first remains so.
    assert_eq!(figures(1), figures(0), "{told:#}");
    assert_eq!(figures(2), figures(0), "{told:#}");
    write("worst.json", &least_first("linear_behind", &[0.0]).to_string().replace("\"<=\"", "\"<\""));
    let (code, _, error) = run(&[&asked[..6], &["--model", text(&worst)]].concat());
    assert_eq!(code, Some(1));
    assert!(error.contains("worst.json: tree 0 is damaged"), "{error}");
    let (code, _, error) = run(&[&asked[..6], &["--model", text(&none)]].concat());
    assert_eq!(code, Some(1));
    assert!(error.contains("none.json: can't be read: No such file"), "{error}");

    let out = folder.path().join("tuned.toml");
    let tune = ["tune", text(&events), "--items", text(&items), "--model", text(&best), "--out", text(&out)];
    let (code, _, error) = run(&tune);
    assert_eq!(code, Some(1));
    assert!(error.contains("has a forest, which was trained for the numbers of this model"), "{error}");
}
