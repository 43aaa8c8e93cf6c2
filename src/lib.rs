//! Headwater: real-time recommendations from a clickstream.

#![warn(missing_docs, clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

pub mod app;
pub mod cli;
pub mod config;
pub mod engine;
pub mod files;
pub mod generate;
pub mod ingest;
pub mod proto;
pub mod serving;
pub mod snapshot;
pub mod store;
pub mod telemetry;
