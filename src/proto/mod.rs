//! The generated types of `proto/headwater/v1`. Only `serving`, `codec` and `cli` see them.
#![allow(missing_docs, clippy::all, clippy::pedantic)]

pub mod codec;

tonic::include_proto!("headwater.v1");

/// The encoded file descriptors, for server reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
