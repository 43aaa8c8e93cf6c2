//! The layers of `src/`: the engine decides, adapters talk, `app` wires. One package can't make
//! cargo enforce who may import whom, so this reads the sources and lists every breach.
//!
//! It works on tokens: comments, literals and test code are blanked out, `use` trees are flattened,
//! and each path is resolved against the file's module and its imports. Macros that make paths and
//! imports inside inline modules are beyond it.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

const ADAPTERS: [&str; 7] = ["ingest", "snapshot", "serving", "telemetry", "files", "generate", "evaluation"];
const OTHER_LAYERS: [&str; 10] =
    ["engine", "store", "config", "app", "cli", "proto", "main", "lib", "allocator", "bugs"];
/// What the engine may use besides the standard library.
const ENGINE_CRATES: [&str; 7] =
    ["ndarray", "serde", "thiserror", "hashbrown", "foldhash", "xxhash_rust", "chrono"];
/// What of those it may not: files, clocks, threads, the environment and the network.
const ENGINE_BANNED: [&str; 10] = [
    "std::fs",
    "std::time::SystemTime",
    "std::time::Instant",
    "std::env",
    "std::thread",
    "std::net",
    "std::process",
    "std::os",
    "chrono::Local",
    "chrono::Utc::now",
];
/// The modules of `ingest` that are behind its contract.
const INGEST_PRIVATE: [&str; 3] = ["kafka", "journal", "worker"];
const MAX_LINES: usize = 500;

/// A path as the code names it, from the root of its crate.
#[derive(Debug)]
struct Import {
    line: usize,
    path: Vec<String>,
}

#[test]
fn every_source_file_keeps_to_its_layer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = dependencies(&std::fs::read_to_string(root.join("Cargo.toml")).unwrap());
    let mut files = Vec::new();
    rust_files(&root.join("src"), &mut files);
    assert!(files.len() > 10, "found only {files:?} in src");
    let mut breaches = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(root.join("src")).unwrap().to_str().unwrap().replace('\\', "/");
        breaches.extend(check(&name, &text, &crates));
    }
    assert!(breaches.is_empty(), "{} breaches of the layers:\n{}", breaches.len(), breaches.join("\n"));
}

#[test]
fn each_planted_breach_is_found_on_its_line() {
    let crates = dependencies("[dependencies]\ntokio = '1'\nobject_store = '1'\nrand = '1'\nchrono = '1'\n");
    let planted = [
        ("engine/a.rs", "use tokio::sync::mpsc;", "1: the engine uses `tokio"),
        ("engine/a.rs", "\nfn f() { object_store::path(); }", "2: the engine uses `object_store"),
        ("engine/a.rs", "use std::{fmt, fs::File};", "1: the engine uses `std::fs::File`"),
        (
            "engine/a.rs",
            "use std::time;\n\nfn f() { time::Instant::now(); }",
            "3: the engine uses `std::time::Inst",
        ),
        ("engine/a.rs", "use std::time::*;", "1: the engine uses `std::time::*`"),
        ("engine/a.rs", "use chrono::Utc;\nfn f() { Utc::now(); }", "2: the engine uses `chrono::Utc::now`"),
        ("engine/a/b.rs", "use super::super::super::ingest::Log;", "1: the engine uses `crate::log::Log`"),
        ("ingest/mod.rs", "use super::snapshot::format;", "1: ingest uses `crate::snapshot::format`"),
        ("telemetry/mod.rs", "use crate::{engine, serving as s};", "1: telemetry uses `crate::serving`"),
        (
            "serving/grpc.rs",
            "use crate::log::{Log, kafka::Kafka};",
            "1: serving uses `crate::log::kafka::Kafka`",
        ),
        ("serving/grpc.rs", "use crate::log::*;", "1: serving uses `crate::log::*`"),
        (
            "serving/grpc.rs",
            "use crate::log;\nfn f(_: ingest::worker::W) {}",
            "2: serving uses `crate::log::work",
        ),
        ("files/mod.rs", "use crate::config::Config;", "1: files uses `crate::config::Config`"),
        ("app.rs", "use crate::cli::Args;", "1: app uses `crate::cli::Args`"),
        ("config/mod.rs", "use crate::app;", "1: config uses `crate::app`"),
        ("engine/a.rs", "use crate::proto::Item;", "1: the engine uses `crate::proto::Item`"),
        ("snapshot/mod.rs", "use crate::proto::Item;", "1: snapshot uses `crate::proto::Item`"),
        ("cli/a.rs", "fn f() {\n g()\n  .unwrap()\n}", "3: `.unwrap()` outside tests"),
        (
            "cli/a.rs",
            "#[cfg(test)]\nmod tests { fn f() { g().unwrap() } }\nfn h() { g().unwrap() }",
            "3: `.unwrap()`",
        ),
        ("lost/mod.rs", "", "1: `lost` is in no layer"),
    ];
    for (name, code, expected) in planted {
        let text = format!("{code}\n");
        let found = check(name, &text, &crates);
        let found: Vec<_> = found.iter().filter(|breach| !breach.contains("begins with")).collect();
        assert_eq!(found.len(), 1, "{name}: {code}: {found:?}");
        assert!(found[0].starts_with(&format!("src/{name}:{expected}")), "{name}: {code}: {found:?}");
    }
    assert_eq!(check("cli/a.rs", "fn f() {}\n", &crates), ["src/cli/a.rs:1: begins with no `//!` header"]);
    let long = format!("//! Long.\n{}", "\n".repeat(MAX_LINES));
    assert_eq!(check("cli/a.rs", &long, &crates), ["src/cli/a.rs:501: 501 lines, the most is 500"]);
}

#[test]
fn what_is_allowed_passes() {
    let crates = dependencies("[dependencies]\ntokio = '1'\nchrono = '1'\nrand = '1'\n");
    let allowed = [
        (
            "engine/a.rs",
            "use std::{fmt, time::Duration}; use chrono::{DateTime, Utc}; use super::event::Event;",
        ),
        ("engine/a.rs", "// use tokio::x;\n/* crate::log /* nested */ */ const A: &str = \"std::fs::read\";"),
        ("engine/a.rs", "const Q: char = '\"'; fn f<'a>(_: &'a str) { let _ = r#\"tokio::spawn \" \"#; }"),
        ("engine/a.rs", "#[cfg(test)]\nmod tests { use rand::Rng; fn f() { g().unwrap() } }"),
        ("engine/a.rs", "#[cfg(test)]\nuse rand::Rng;\nfn f(rand: u8) -> u8 { rand }"),
        ("serving/grpc.rs", "use crate::log::{Log, Topic, decode}; use crate::{proto, telemetry};"),
        ("ingest/decode.rs", "use crate::proto::Event; use super::worker::Worker; use crate::telemetry::x;"),
        ("app.rs", "use crate::{config, ingest::kafka, snapshot};"),
        (
            "engine/a.rs",
            "fn f<'a>() -> impl Iterator + use<'a> { g() }\n#[cfg(test)]\nfn h(_: [u8; 3]) { i().unwrap() }",
        ),
        ("main.rs", "use headwater::cli; fn main() { cli::run(); }"),
    ];
    for (name, code) in allowed {
        assert_eq!(check(name, &format!("//! Header.\n{code}\n"), &crates), Vec::<String>::new());
    }
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The crates that code in `src/` can name.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let manifest: toml::Table = manifest.parse().unwrap();
    manifest["dependencies"].as_table().unwrap().keys().map(|name| name.replace('-', "_")).collect()
}

/// Every breach in one file, as `src/FILE:LINE: what`.
fn check(name: &str, text: &str, crates: &BTreeSet<String>) -> Vec<String> {
    let module = module_of(name);
    let layer = match name {
        "main.rs" | "lib.rs" => name.trim_end_matches(".rs"),
        _ => module.first().map_or("", String::as_str),
    };
    let mut breaches = Vec::new();
    let mut breach = |line: usize, what: String| breaches.push(format!("src/{name}:{line}: {what}"));
    if !ADAPTERS.contains(&layer) && !OTHER_LAYERS.contains(&layer) {
        breach(1, format!("`{layer}` is in no layer; add it to those in tests/layering.rs"));
    }
    if !text.starts_with("//!") {
        breach(1, "begins with no `//!` header".into());
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        breach(lines, format!("{lines} lines, the most is {MAX_LINES}"));
    }
    // `#[cfg(test)] mod tests;` puts tests into a file of their own.
    let tokens = if name.ends_with("tests.rs") { Vec::new() } else { without_tests(tokens(text)) };
    for window in tokens.windows(4) {
        if window.iter().map(|(_, token)| token.as_str()).eq([".", "unwrap", "(", ")"]) {
            breach(window[1].0, "`.unwrap()` outside tests".into());
        }
    }
    for import in imports(&tokens, &module) {
        if let Some(rule) = forbidden(layer, &module, &import.path, crates) {
            let who = if layer == "engine" { "the engine" } else { layer };
            breach(import.line, format!("{who} uses `{}`: {rule}", import.path.join("::")));
        }
    }
    breaches
}

/// Where the code of a file lives: `engine/candidates/mod.rs` is `engine::candidates`.
fn module_of(name: &str) -> Vec<String> {
    let path = name.trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    path.split('/').filter(|part| !matches!(*part, "main" | "lib")).map(str::to_owned).collect()
}

/// The rule that the import breaks, if it breaks one.
fn forbidden(
    layer: &str,
    module: &[String],
    path: &[String],
    crates: &BTreeSet<String>,
) -> Option<&'static str> {
    let at = |place: usize| path.get(place).map_or("", String::as_str);
    if at(0) != "crate" {
        let name = path.join("::");
        let banned = ENGINE_BANNED.iter().any(|banned| {
            let glob = name.strip_suffix('*').is_some_and(|prefix| banned.starts_with(prefix));
            glob || name == *banned || name.starts_with(&format!("{banned}::"))
        });
        let foreign = crates.contains(at(0)) && !ENGINE_CRATES.contains(&at(0));
        return (layer == "engine" && (banned || foreign))
            .then_some("it decides only; time, randomness, files and the network are arguments");
    }
    let target = at(1);
    match (layer, target) {
        ("lib", _) => None,
        (_, "cli") if !matches!(layer, "main" | "cli") => Some("only main uses cli"),
        (_, "app") if !matches!(layer, "main" | "cli" | "app") => Some("only main and cli use app"),
        (_, "config") if !matches!(layer, "main" | "cli" | "app" | "config") => {
            Some("only main, cli and app use config; a component gets its own settings")
        }
        (_, "proto") => {
            let decoder = layer == "ingest" && module.get(1).is_some_and(|file| file == "decode");
            let allowed = decoder || matches!(layer, "serving" | "cli" | "proto");
            (!allowed).then_some("only serving, cli and ingest::decode use proto")
        }
        ("engine", target) if target != "engine" => Some("it imports nothing of ours"),
        ("serving", "ingest") => {
            let contract = path.len() > 2 && at(2) != "*" && !INGEST_PRIVATE.contains(&at(2));
            (!contract && path.len() > 2).then_some("serving sees the log's contract and codec only")
        }
        (layer, target) if ADAPTERS.contains(&layer) && ADAPTERS.contains(&target) => {
            let allowed = layer == target || target == "telemetry";
            (!allowed).then_some("adapters are strangers to each other, except for telemetry")
        }
        _ => None,
    }
}

type Token = (usize, String);

/// Identifiers, `::` and single marks, each with its line. Comments, literals and lifetimes are
/// left out.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let at = |place: usize| chars.get(place).copied().unwrap_or('\0');
    let (mut tokens, mut line, mut i) = (Vec::new(), 1, 0);
    while i < chars.len() {
        let start = i;
        match (at(i), at(i + 1)) {
            ('/', '/') => i += chars[i..].iter().take_while(|c| **c != '\n').count(),
            ('/', '*') => {
                let mut depth = 0;
                loop {
                    match (at(i), at(i + 1)) {
                        ('/', '*') => (depth, i) = (depth + 1, i + 2),
                        ('*', '/') => (depth, i) = (depth - 1, i + 2),
                        _ => i += 1,
                    }
                    if depth == 0 || i >= chars.len() {
                        break;
                    }
                }
            }
            ('"', _) => i = after_quote(&chars, i, '"'),
            ('\'', '\\') => i = after_quote(&chars, i, '\''),
            ('\'', _) if at(i + 2) == '\'' => i += 3,
            ('\'', _) => i += 1 + chars[i + 1..].iter().take_while(|c| is_word(**c)).count(),
            (first, _) if is_word(first) => {
                i += chars[i..].iter().take_while(|c| is_word(**c)).count();
                let word: String = chars[start..i].iter().collect();
                let hashes = chars[i..].iter().take_while(|c| **c == '#').count();
                if matches!(word.as_str(), "r" | "br" | "cr") && at(i + hashes) == '"' {
                    let end: Vec<char> = std::iter::once('"').chain("#".repeat(hashes).chars()).collect();
                    i += hashes + 1;
                    while i < chars.len() && !chars[i..].starts_with(&end) {
                        i += 1;
                    }
                    i += end.len();
                } else {
                    tokens.push((line, word));
                }
            }
            (':', ':') => {
                tokens.push((line, "::".into()));
                i += 2;
            }
            (mark, _) => {
                if !mark.is_whitespace() {
                    tokens.push((line, mark.to_string()));
                }
                i += 1;
            }
        }
        line += chars[start..i.min(chars.len())].iter().filter(|c| **c == '\n').count();
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The place after a literal that begins at `start` and ends with `quote`.
fn after_quote(chars: &[char], start: usize, quote: char) -> usize {
    let mut i = start + 1;
    while i < chars.len() && chars[i] != quote {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

/// The tokens without what `#[cfg(test)]` stands before: up to its `;` or the end of its block.
fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    let is = |place: usize, marks: &[&str]| {
        tokens[place..].iter().map(|(_, token)| token.as_str()).take(marks.len()).eq(marks.iter().copied())
    };
    let (mut kept, mut i) = (Vec::new(), 0);
    while i < tokens.len() {
        if !is(i, &["#", "[", "cfg", "(", "test", ")", "]"]) {
            kept.push(tokens[i].clone());
            i += 1;
            continue;
        }
        let mut depth = 0;
        while i < tokens.len() {
            match tokens[i].1.as_str() {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => depth -= 1,
                _ => {}
            }
            i += 1;
            if depth == 0 && matches!(tokens[i - 1].1.as_str(), "}" | ";") {
                break;
            }
        }
    }
    kept
}

/// Every path in the code, with what `use` brings in put in the place of its short name.
fn imports(tokens: &[Token], module: &[String]) -> Vec<Import> {
    let mut names: HashMap<String, Vec<String>> = HashMap::new();
    let (mut found, mut code, mut i) = (Vec::new(), Vec::new(), 0);
    while i < tokens.len() {
        // `impl Trait + use<'a>` imports nothing.
        let captures = tokens.get(i + 1).is_some_and(|(_, next)| next == "<");
        if tokens[i].1 == "use" && !captures {
            i = use_tree(tokens, i + 1, &[], &mut |line, path, name| {
                let path = resolve(path, module, &HashMap::new());
                names.insert(name, path.clone());
                found.push(Import { line, path });
            });
        } else {
            code.push(tokens[i].clone());
            i += 1;
        }
    }
    let mut i = 0;
    while i < code.len() {
        let mut path = vec![code[i].1.clone()];
        let line = code[i].0;
        i += 1;
        while is_path_part(&path[0])
            && i + 1 < code.len()
            && code[i].1 == "::"
            && is_path_part(&code[i + 1].1)
        {
            path.push(code[i + 1].1.clone());
            i += 2;
        }
        if path.len() > 1 {
            found.push(Import { line, path: resolve(path, module, &names) });
        }
    }
    found
}

fn is_path_part(token: &str) -> bool {
    token.starts_with(is_word)
}

/// Hands each leaf of a `use` tree to `leaf`, as line, path and name. Returns the place after it.
fn use_tree(
    tokens: &[Token],
    mut i: usize,
    prefix: &[String],
    leaf: &mut dyn FnMut(usize, Vec<String>, String),
) -> usize {
    let mut path = prefix.to_vec();
    let mut name = None;
    while i < tokens.len() {
        match tokens[i].1.as_str() {
            "{" => {
                i += 1;
                while i < tokens.len() && tokens[i].1 != "}" {
                    i = use_tree(tokens, i, &path, leaf);
                    i += usize::from(i < tokens.len() && tokens[i].1 == ",");
                }
                return i + 1;
            }
            "," | "}" | ";" => break,
            "as" => {
                name = tokens.get(i + 1).map(|(_, name)| name.clone());
                i += 1;
            }
            "::" => {}
            "self" if path.len() > prefix.len() || !prefix.is_empty() => {}
            part => path.push(part.to_owned()),
        }
        i += 1;
    }
    let name = name.or_else(|| path.last().cloned()).unwrap_or_default();
    leaf(tokens[i.min(tokens.len()) - 1].0, path, name);
    i
}

/// The path from the root: `crate::…` for ours, the crate's name for others'.
fn resolve(path: Vec<String>, module: &[String], names: &HashMap<String, Vec<String>>) -> Vec<String> {
    let own = |depth: usize, rest: &[String]| {
        let module = module[..module.len().saturating_sub(depth)].to_vec();
        [vec!["crate".to_owned()], module, rest.to_vec()].concat()
    };
    let supers = path.iter().take_while(|part| *part == "super").count();
    match path[0].as_str() {
        "headwater" => [&["crate".to_owned()], &path[1..]].concat(),
        "self" => {
            let supers = path[1..].iter().take_while(|part| *part == "super").count();
            own(supers, &path[1 + supers..])
        }
        "super" => own(supers, &path[supers..]),
        first => names.get(first).map_or(path.clone(), |full| [full, &path[1..]].concat()),
    }
}
