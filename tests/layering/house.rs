//! Every breach of the rules in a tree of files.

use std::collections::HashMap;

use crate::circles::{self, Needs};
use crate::paths::{self, Modules, Named, Paths};
use crate::rules;
use crate::source::Source;

/// The most lines of a file.
pub const MAX_LINES: usize = 500;

/// Every breach, as `src/FILE:LINE: what`, and every circle of files.
pub fn check(sources: &[Source], crates: &[String]) -> Vec<String> {
    // The program is a crate of its own, of two files, and nobody names it.
    let library = sources.iter().filter(|source| source.name != "main.rs");
    let modules: Modules = library.map(|source| (source.module.clone(), source.name.clone())).collect();
    let files: HashMap<String, Paths> =
        sources.iter().map(|source| (source.name.clone(), paths::read(source, &modules))).collect();
    let (mut breaches, mut needs) = (Vec::new(), Needs::new());
    for source in sources {
        let paths = &files[&source.name];
        let mut found = shape(source);
        found.extend(paths.unwraps.iter().map(|line| (*line, "`.unwrap()` outside tests".to_owned())));
        match room(source) {
            None if source.code.is_some() => {
                found.push((1, "is in no room; add it to those in tests/layering/rules.rs".to_owned()));
            }
            None => {}
            Some(room) => {
                for named in &paths.named {
                    let file = paths::file_of(&named.path, &modules, &files);
                    let home = sources.iter().find(|source| Some(source.name.as_str()) == file);
                    found.extend(misuse(room, named, home, crates));
                    if let Some(file) = file.filter(|file| *file != source.name && !named.handed_on) {
                        let needed = needs.entry(source.name.clone()).or_default();
                        needed.entry(file.to_owned()).or_insert(named.line);
                    }
                }
            }
        }
        found.sort();
        found.dedup();
        breaches.extend(found.into_iter().map(|(line, what)| format!("src/{}:{line}: {what}", source.name)));
    }
    breaches.extend(circles::find(&needs));
    breaches
}

fn room(source: &Source) -> Option<&'static str> {
    match source.name.as_str() {
        "main.rs" => Some("main"),
        "lib.rs" => Some("lib"),
        _ => rules::room(&source.module),
    }
}

/// What is wrong with a file whatever it says.
fn shape(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    if !source.text.starts_with("//!") {
        found.push((1, "begins with no `//!` header".to_owned()));
    }
    let lines = source.text.lines().count();
    if lines > MAX_LINES {
        found.push((lines, format!("{lines} lines, the most is {MAX_LINES}")));
    }
    found
}

/// What is wrong with a path that a file of a room names, defined in `home` if it is ours.
fn misuse(room: &str, named: &Named, home: Option<&Source>, crates: &[String]) -> Option<(usize, String)> {
    let path = named.path.join("::");
    let rule = match home {
        Some(home) => rules::forbidden(room, &home.module)?,
        None if room == "engine" => rules::forbidden_to_engine(&named.path, crates)?.to_owned(),
        None => return None,
    };
    let who = if room == "engine" { "the engine" } else { room };
    Some((named.line, format!("{who} uses `{path}`: {rule}")))
}
