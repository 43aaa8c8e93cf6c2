//! The floors of `src/`: the engine decides, adapters talk, `app` wires. One package can't make cargo
//! enforce who may import whom, so this parses the sources and lists every breach, and every circle of
//! files.
//!
//! `rules.rs` says who may use whom. A name counts for the file that defines it, however many others
//! hand it on. What macros make of their tokens, and whose methods are called, is beyond it.

use std::path::Path;

#[path = "layering/circles.rs"]
mod circles;
#[path = "layering/docs.rs"]
mod docs;
#[path = "layering/house.rs"]
mod house;
#[path = "layering/paths.rs"]
mod paths;
#[path = "layering/planted.rs"]
mod planted;
#[path = "layering/rules.rs"]
mod rules;
#[path = "layering/source.rs"]
mod source;

#[test]
fn every_source_file_keeps_to_its_floor() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = dependencies(&std::fs::read_to_string(root.join("Cargo.toml")).unwrap());
    let sources = source::read(&root.join("src"));
    assert!(sources.len() > 100, "found only {} files in src", sources.len());
    let breaches = house::check(&sources, &crates);
    assert!(breaches.is_empty(), "{} breaches of the floors:\n{}", breaches.len(), breaches.join("\n"));
}

/// The crates that code in `src/` can name.
fn dependencies(manifest: &str) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().unwrap();
    manifest["dependencies"].as_table().unwrap().keys().map(|name| name.replace('-', "_")).collect()
}
