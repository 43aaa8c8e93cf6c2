//! Compiles `proto/` with a compiler written in Rust, so that no `protoc` is needed.

use std::error::Error;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
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
