//! `headwater config` and `headwater models check`, as a person sees them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use clap::Parser;
use headwater::cli::config::ConfigCommand;
use headwater::cli::models::CheckModels;

#[derive(Parser)]
enum Command {
    Config(ConfigCommand),
    Models(CheckModels),
}

/// What a command line prints, and what it fails with. `DIR` stands for the folder.
fn run(dir: &Path, line: &str) -> (String, Result<(), String>) {
    let folder = dir.display().to_string();
    let words = line.split_whitespace().map(|word| word.replace("DIR", &folder));
    let command =
        Command::try_parse_from(["headwater".to_owned()].into_iter().chain(words)).expect("a command line");
    let mut out = Vec::new();
    let environment = BTreeMap::from([("HEADWATER_INGEST__WORKERS".to_owned(), "3".to_owned())]);
    let outcome = match command {
        Command::Config(command) => command.run(&environment, &mut out),
        Command::Models(command) => command.run(&environment, &mut out),
    };
    let out = String::from_utf8(out).expect("UTF-8").replace(&folder, "DIR");
    (out, outcome.map_err(|error| error.to_string().replace(&folder, "DIR")))
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    dir
}

const BROKEN: &str = "[server]\ngrpc_adr = 'x'\n[limits]\nusers = 0\n";

#[test]
fn the_default_configuration_is_valid_as_printed() {
    let dir = folder(&[]);
    let (text, outcome) = run(dir.path(), "config default");
    assert_eq!(outcome, Ok(()));
    fs::write(dir.path().join("all.toml"), text).expect("a file");
    let (out, outcome) = run(dir.path(), "config check --config DIR/all.toml --set models.dir=DIR/none");
    assert_eq!((out.as_str(), outcome), ("ok: log the embedded journal, models default\n", Ok(())));
}

#[test]
fn check_names_every_mistake() {
    let dir = folder(&[("c.toml", BROKEN)]);
    let (out, outcome) = run(dir.path(), "config check --config DIR/c.toml");
    assert_eq!(out, "");
    assert_eq!(
        outcome.unwrap_err(),
        "the configuration can't be used: 2 mistakes\n  \
         DIR/c.toml:2: `server.grpc_adr` is not an option; did you mean `server.grpc_addr`?\n  \
         DIR/c.toml:4: `limits.users` is 0, expected a whole number from 1 to 1000000000"
    );
}

#[test]
fn check_writes_its_mistakes_as_json() {
    let dir = folder(&[("c.toml", BROKEN)]);
    let (out, outcome) = run(dir.path(), "config check --json --config DIR/c.toml");
    assert!(outcome.is_err());
    let json: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(json["ok"], false);
    assert_eq!(
        json["mistakes"][1],
        serde_json::json!({
            "source": "DIR/c.toml:4",
            "key": "limits.users",
            "value": "0",
            "expected": "a whole number from 1 to 1000000000",
            "message": "DIR/c.toml:4: `limits.users` is 0, expected a whole number from 1 to 1000000000",
        })
    );
    assert_eq!(json["mistakes"].as_array().map(Vec::len), Some(2));
}

#[test]
fn check_reads_the_models_against_the_stream() {
    let dir = folder(&[("models/default.toml", "interest.windows = { '7d' = 1 }")]);
    assert_eq!(run(dir.path(), "config check --set models.dir=DIR/models").1, Ok(()));
    let (_, outcome) =
        run(dir.path(), "config check --set models.dir=DIR/models --set stream.interest_windows=1h,2h");
    assert_eq!(
        outcome.unwrap_err(),
        "the models can't be used: 1 mistake\n  DIR/models/default.toml:1: `interest.windows.7d` is 1, \
         expected its window to be one of 1h, 2h"
    );
}

#[test]
fn show_prints_values_and_where_they_come_from() {
    let dir = folder(&[("c.toml", "server.grpc_addr = '0.0.0.0:1'")]);
    let (out, outcome) = run(dir.path(), "config show --config DIR/c.toml --set data.dir=DIR/data");
    assert_eq!(outcome, Ok(()));
    for line in [
        "grpc_addr = \"0.0.0.0:1\"  # DIR/c.toml:1",
        "http_addr = \"127.0.0.1:7401\"",
        "workers = 3  # HEADWATER_INGEST__WORKERS",
        "url = \"file://DIR/data/snapshots\"",
        "dead_letters_topic = \"clicks.dlq\"",
    ] {
        assert!(out.lines().any(|printed| printed == line), "{line} is not in\n{out}");
    }
    let (out, _) = run(dir.path(), "config show --json --config DIR/c.toml");
    let json: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(
        json["server.grpc_addr"],
        serde_json::json!({ "value": "0.0.0.0:1", "source": "DIR/c.toml:1" })
    );
    assert_eq!(json["stream.interest_windows"]["value"], serde_json::json!(["1h", "24h", "7d", "30d"]));
}

#[test]
fn models_are_checked_without_a_server() {
    let dir = folder(&[("m/default.toml", ""), ("m/bold.toml", "weights.interest = 2")]);
    let (out, outcome) = run(dir.path(), "models DIR/m");
    assert_eq!(outcome, Ok(()));
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("ok: bold ") && lines[1].starts_with("ok: default "), "{out}");
    assert!(lines[1].ends_with("  (default)"), "{out}");

    fs::write(dir.path().join("m/bold.toml"), "weights.interest = 20\n[weight]").expect("a file");
    let (out, outcome) = run(dir.path(), "models DIR/m --json");
    assert_eq!(
        outcome.unwrap_err(),
        "the models can't be used: 2 mistakes\n  \
         DIR/m/bold.toml:1: `weights.interest` is 20, expected a number from -10 to 10\n  \
         DIR/m/bold.toml:2: `weight` is not an option; did you mean `weights`?"
    );
    let json: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(json["mistakes"][0]["key"], "weights.interest");
}

#[test]
fn a_folder_that_is_named_must_be_there() {
    let (_, outcome) = run(folder(&[]).path(), "models DIR/absent");
    assert_eq!(
        outcome.unwrap_err(),
        "the models can't be used: 1 mistake\n  DIR/absent: there is no such folder"
    );
}

#[test]
fn the_models_of_this_repository_are_valid() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert_eq!(run(dir, "models DIR/models").1, Ok(()));
}
