//! The commands that ask a server, by the real binary: what they print, where it goes, and how they end.

mod sandbox;

#[path = "cli/asking.rs"]
mod asking;
#[path = "cli/errors.rs"]
mod errors;
#[path = "cli/manual.rs"]
mod manual;
#[path = "cli/terminal.rs"]
mod terminal;

use std::process::Command;

use sandbox::service::{Service, headwater};

/// What a command has done.
#[derive(Debug)]
struct Done {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs a command to its end.
fn run(command: &mut Command) -> Done {
    let output = tokio::task::block_in_place(|| command.output()).expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Done { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Runs a command that asks a service.
fn ask(service: &Service, words: &[&str]) -> Done {
    run(headwater(words).args(["--server", &service.grpc.to_string()]))
}

/// The same; it must succeed and print JSON.
fn ask_json(service: &Service, words: &[&str]) -> serde_json::Value {
    let done = ask(service, &[words, &["--json"]].concat());
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{words:?}: {}", done.out);
    serde_json::from_str(&done.out).unwrap_or_else(|error| panic!("{words:?}: {error}: {}", done.out))
}
