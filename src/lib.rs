//! Headwater: real-time recommendations from a clickstream.

#![warn(missing_docs, clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

pub mod engine;
pub mod ingest;
pub mod proto;
