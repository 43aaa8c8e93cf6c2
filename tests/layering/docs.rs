//! Files that the docs name: each is there, so that a page can't tell of a house that was rebuilt.

use std::path::Path;

const PAGES: [&str; 3] = ["README.md", "CONTRIBUTING.md", "docs"];
const FOLDERS: [&str; 8] = ["src", "tests", "benches", "docs", "models", "proto", ".ci", ".github"];

#[test]
fn every_file_that_the_docs_name_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut there = Vec::new();
    FOLDERS.iter().for_each(|folder| collect(root, &root.join(folder), &mut there));
    let mut pages = Vec::new();
    PAGES.iter().for_each(|page| collect(root, &root.join(page), &mut pages));
    pages.retain(|page| page.ends_with(".md"));
    assert!(pages.len() > 5, "found only {pages:?}");
    let mut missing = Vec::new();
    for page in pages {
        let text = std::fs::read_to_string(root.join(&page)).unwrap();
        missing.extend(unknown(&text, &there).into_iter().map(|name| format!("{page} names `{name}`")));
    }
    assert!(
        missing.is_empty(),
        "{} names of files that are not there:\n{}",
        missing.len(),
        missing.join("\n")
    );
}

#[test]
fn a_name_of_no_file_is_found() {
    let there = ["src/app", "src/app/mod.rs", "tests/run"].map(str::to_owned);
    assert_eq!(
        unknown("`src/app/` has `mod.rs` and `app/mod.rs`; `tests/run`, `a b.rs`, src/x.rs", &there),
        [""; 0]
    );
    assert_eq!(
        unknown("`src/gone/`, `gone.rs`, `tests/gone`", &there),
        ["src/gone/", "gone.rs", "tests/gone"]
    );
    assert_eq!(unknown("`pp/mod.rs`, `gone/`", &there), ["pp/mod.rs", "gone/"]);
}

/// What is named as a file or folder, between backticks, and is none.
fn unknown<'a>(text: &'a str, there: &[String]) -> Vec<&'a str> {
    let fenced = text.split("```").step_by(2);
    let quoted = fenced.flat_map(|text| text.lines().flat_map(|line| line.split('`').skip(1).step_by(2)));
    let plain = |name: &&str| {
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-/".contains(&byte))
    };
    let path = |name: &&str| {
        let ours = name.split_once('/').is_some_and(|(first, _)| FOLDERS.contains(&first));
        ours || name.ends_with(".rs") || (name.ends_with('/') && !name.starts_with(['/', '.']))
    };
    let is_there = |name: &str| {
        let name = name.trim_end_matches('/');
        there
            .iter()
            .any(|path| path.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('/')))
    };
    quoted.filter(plain).filter(path).filter(|name| !is_there(name)).collect()
}

/// The paths of a folder and of all that is in it, or of a file.
fn collect(root: &Path, path: &Path, paths: &mut Vec<String>) {
    if path.exists() {
        paths.push(path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/"));
    }
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            collect(root, &entry.unwrap().path(), paths);
        }
    }
}
