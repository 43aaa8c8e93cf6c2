//! Breaches and circles that are planted, to see that each is found where it is, and what is allowed,
//! to see that nothing is found in it.

use std::collections::BTreeMap;

use crate::house::{MAX_LINES, check};
use crate::{dependencies, source};

/// The house that the planted files are put into.
const HOUSE: [(&str, &str); 16] = [
    ("lib.rs", ""),
    ("app/mod.rs", ""),
    ("cli/mod.rs", "pub struct Args;"),
    ("clock.rs", ""),
    ("config/document.rs", ""),
    ("config/mod.rs", ""),
    ("engine/event.rs", ""),
    ("ingest/worker.rs", ""),
    ("log/kafka/mod.rs", "pub struct Kafka;"),
    ("log/mod.rs", "pub mod kafka;\nmod record;\npub use record::Record;"),
    ("log/record.rs", "pub struct Record;"),
    ("proto.rs", ""),
    ("serving/mod.rs", ""),
    ("snapshot/mod.rs", ""),
    ("state/mod.rs", ""),
    ("telemetry/mod.rs", ""),
];

/// The breaches of the house with files put into it.
fn found(files: &[(&str, &str)]) -> Vec<String> {
    let crates = dependencies("[dependencies]\ntokio = '1'\nobject_store = '1'\nrand = '1'\nchrono = '1'\n");
    let files = HOUSE.iter().chain(files);
    let texts = files.map(|(name, code)| ((*name).to_owned(), format!("{code}\n"))).collect();
    // Without headers, so that lines are as they stand here.
    let breaches = check(&source::parse(&texts), &crates).into_iter();
    breaches.filter(|breach| !breach.contains("begins with no `//!`")).collect()
}

#[test]
fn each_planted_breach_is_found_on_its_line() {
    let planted = [
        ("engine/a.rs", "use tokio::sync::mpsc;", "1: the engine uses `tokio"),
        ("engine/a.rs", "use tokio;\nfn f() { tokio::spawn(g()); }", "1: the engine uses `tokio`"),
        ("engine/a.rs", "\nfn f() { object_store::path(); }", "2: the engine uses `object_store"),
        ("engine/a.rs", "\nfn f() { assert!(g(\n  rand::random())); }", "3: the engine uses `rand::random"),
        ("engine/a.rs", "use std::{fmt, fs::File};", "1: the engine uses `std::fs::File`"),
        (
            "engine/a.rs",
            "use std::time;\n\nfn f() { time::Instant::now(); }",
            "3: the engine uses `std::time::Inst",
        ),
        ("engine/a.rs", "use std::time::*;", "1: the engine uses `std::time::*`"),
        ("engine/a.rs", "use chrono::Utc;\nfn f() { Utc::now(); }", "2: the engine uses `chrono::Utc::now`"),
        (
            "engine/a.rs",
            "mod b {\n use super::super::super::log::Record;\n}",
            "2: the engine uses `crate::log::Rec",
        ),
        ("engine/a/b.rs", "use super::super::super::log::Record;", "1: the engine uses `crate::log::Record`"),
        ("engine/a.rs", "use crate::proto::Item;", "1: the engine uses `crate::proto::Item`: only"),
        (
            "engine/a.rs",
            "use crate::clock::Clock;",
            "1: the engine uses `crate::clock::Clock`: it uses nothing",
        ),
        (
            "log/a.rs",
            "use super::super::snapshot::format;",
            "1: log uses `crate::snapshot::format`: snapshot is",
        ),
        ("state/a.rs", "use crate::snapshot::SnapshotError;", "1: state uses `crate::snapshot::Snap"),
        (
            "serving/a.rs",
            "use crate::ingest::worker;",
            "1: serving uses `crate::ingest::worker`: serving and",
        ),
        (
            "serving/a.rs",
            "use crate::log::{Record, kafka::Kafka};",
            "1: serving uses `crate::log::kafka::Kafka`",
        ),
        (
            "serving/a.rs",
            "use crate::log;\nfn f(_: log::kafka::Kafka) {}",
            "2: serving uses `crate::log::kafka",
        ),
        ("telemetry/a.rs", "use crate::{engine::event, serving as s};", "1: telemetry uses `crate::serving`"),
        ("models/a.rs", "use crate::config::Config;", "1: models uses `crate::config::Config`"),
        ("files/a.rs", "use crate::config::Config;", "1: files uses `crate::config::Config`: it stands"),
        ("app/a.rs", "use crate::cli::Args;", "1: app uses `crate::cli::Args`"),
        ("config/a.rs", "use crate::app;", "1: config uses `crate::app`"),
        ("config/rules.rs", "use crate::config::Config;", "1: config::rules uses `crate::config::Config`"),
        ("snapshot/a.rs", "pub use crate::proto::Item;", "1: snapshot uses `crate::proto::Item`"),
        ("cli/a.rs", "fn f() {\n g()\n  .unwrap()\n}", "3: `.unwrap()` outside tests"),
        ("cli/a.rs", "fn f() {\n println!(\"{}\",\n  g().unwrap())\n}", "3: `.unwrap()` outside tests"),
        (
            "cli/a.rs",
            "#[cfg(test)]\nmod tests { fn f() { g().unwrap() } }\nfn h() { g().unwrap() }",
            "3: `.unwrap()`",
        ),
        ("lost/mod.rs", "", "1: is in no room"),
    ];
    for (name, code, expected) in planted {
        let found = found(&[(name, code)]);
        assert!(!found.is_empty(), "{name}: {code}: nothing found");
        assert!(found[0].starts_with(&format!("src/{name}:{expected}")), "{name}: {code}: {found:?}");
    }
}

#[test]
fn a_file_has_a_header_and_an_end() {
    let check = |text: &str| {
        let texts = BTreeMap::from([("cli/a.rs".to_owned(), text.to_owned())]);
        check(&source::parse(&texts), &[])
    };
    assert_eq!(check("fn f() {}\n"), ["src/cli/a.rs:1: begins with no `//!` header"]);
    let long = format!("//! Long.\n{}", "\n".repeat(MAX_LINES));
    assert_eq!(check(&long), ["src/cli/a.rs:501: 501 lines, the most is 500"]);
}

#[test]
fn files_that_need_each_other_are_a_circle() {
    let two = [("cli/a.rs", "\nuse super::b::B;"), ("cli/b.rs", "use super::a::A;")];
    let expected =
        "a circle of 2 files:\n    src/cli/a.rs:2 names src/cli/b.rs\n    src/cli/b.rs:1 names src/cli/a.rs";
    assert_eq!(found(&two), [expected]);
    let three = [
        ("cli/a.rs", "fn f() { vec![crate::cli::b::B]; }"),
        ("cli/b.rs", "fn f(_: super::c::C) {}"),
        ("cli/c.rs", "use crate::cli::a;\nfn f() { a::g() }"),
    ];
    assert!(found(&three)[0].starts_with("a circle of 3 files"), "{:?}", found(&three));
    // By names that another file hands on, and by those that a file hands on and needs itself.
    let handed =
        [("cli/mod.rs", "mod a; mod b; pub use a::A; pub struct B(A);"), ("cli/a.rs", "use super::B;")];
    assert!(found(&handed)[0].starts_with("a circle of 2 files"), "{:?}", found(&handed));
}

#[test]
fn what_is_allowed_passes() {
    let allowed = [
        (
            "engine/a.rs",
            "use std::{fmt, time::Duration}; use chrono::{DateTime, Utc}; use super::event::Event;",
        ),
        ("engine/a.rs", "// use tokio::x;\n/* crate::log /* nested */ */ const A: &str = \"std::fs::read\";"),
        ("engine/a.rs", "const Q: char = '\"'; fn f<'a>(_: &'a str) { let _ = r#\"tokio::spawn \" \"#; }"),
        ("engine/a.rs", "#[cfg(test)]\nmod tests { use rand::Rng; fn f() { g().unwrap() } }"),
        ("engine/a.rs", "#[cfg(test)]\nuse rand::Rng;\nfn f(rand: u8) -> u8 { rand }"),
        (
            "engine/a.rs",
            "struct A { #[cfg(test)] b: crate::log::Record }\nimpl A { #[cfg(test)] fn f() { g().unwrap() } }",
        ),
        (
            "engine/a.rs",
            "fn f<'a>() -> impl Iterator + use<'a> { g() }\n#[cfg(test)]\nfn h(_: [u8; 3]) { i().unwrap() }",
        ),
        ("engine/a.rs", "enum Kind { A }\nuse Kind::A;\npub(in crate::engine) fn f() -> Kind { A }"),
        ("serving/a.rs", "use crate::log::Record; use crate::{proto, telemetry};"),
        ("models/a.rs", "use crate::config::document::Entry; use crate::engine::event::Event;"),
        ("ingest/a.rs", "use super::worker::Worker; use crate::{clock, state, snapshot, telemetry};"),
        ("app/a.rs", "use crate::{config, ingest::worker, log::kafka, snapshot};"),
        ("main.rs", "use headwater::cli; fn main() { cli::run(); }"),
    ];
    for (name, code) in allowed {
        assert_eq!(found(&[(name, code)]), Vec::<String>::new(), "{name}: {code}");
    }
    // A file that hands a name on does not need it: the child of a module may use the module.
    let handed = [("cli/mod.rs", "mod a; pub use a::A; pub struct B;"), ("cli/a.rs", "use super::B;")];
    assert_eq!(found(&handed), Vec::<String>::new());
    // Files of tests may do as they like.
    let tests = [("state/mod.rs", "#[cfg(test)]\nmod tests;"), ("state/tests.rs", "use crate::app::App;")];
    assert_eq!(found(&tests), Vec::<String>::new());
}
