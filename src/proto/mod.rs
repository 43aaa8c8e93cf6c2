//! The generated types of `proto/headwater/v1`. Only `serving`, `codec` and `cli` see them.

mod bounds;
pub mod codec;
pub mod json;
mod ranked_item;

pub use generated::*;
pub use ranked_item::RankedItem;

#[allow(missing_docs, clippy::all, clippy::pedantic)]
mod generated {
    tonic::include_proto!("headwater.v1");
}

/// The encoded file descriptors, for server reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
