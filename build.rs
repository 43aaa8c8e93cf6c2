//! Compiles `proto/` with a compiler written in Rust, so that no `protoc` is needed, and says which commit is built.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    println!("cargo::rustc-env=HEADWATER_COMMIT={}", commit());
    let mut protos = Vec::new();
    for entry in std::fs::read_dir(Path::new("proto/headwater/v1"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "proto") {
            protos.push(path);
        }
    }
    protos.sort();
    let descriptors = protox::compile(&protos, ["proto"])?;
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    std::fs::write(out.join("descriptors.bin"), prost::Message::encode_to_vec(&descriptors))?;
    let mut config = prost_build::Config::new();
    config.enable_type_names();
    // What most requests do not ask for takes no room in the answers to them.
    config.boxed(".headwater.v1.TrendingItem.item");
    tonic_prost_build::configure()
        .btree_map(".")
        .extern_path(".headwater.v1.RankedItem", "crate::proto::RankedItem")
        .codec_path("crate::proto::codec::Codec")
        .compile_fds_with_config(descriptors, config)?;
    Ok(())
}

/// The commit of `HEADWATER_COMMIT`, for a build without a repository, or else of the repository, with `-dirty` where
/// files differ from it; `unknown` without either.
fn commit() -> String {
    println!("cargo::rerun-if-env-changed=HEADWATER_COMMIT");
    // It is that of when what is built has changed last. To look again after each commit would have everything built
    // again that has not changed.
    for source in ["src", "build.rs", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={source}");
    }
    match std::env::var("HEADWATER_COMMIT") {
        Ok(given) if !given.is_empty() => return given,
        _ => {}
    }
    // One around a folder without its own is somebody else's.
    if !Path::new(".git").exists() {
        return "unknown".to_owned();
    }
    let describe = ["--no-optional-locks", "describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"];
    let described = Command::new("git").args(describe).output().ok().filter(|output| output.status.success());
    let commit = described.and_then(|output| String::from_utf8(output.stdout).ok());
    commit.map_or_else(|| "unknown".to_owned(), |commit| commit.trim().to_owned())
}
