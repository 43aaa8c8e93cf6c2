//! Headwater: real-time recommendations from a clickstream.

#![warn(missing_docs)]

pub mod cli;
pub mod config;
pub mod engine;
pub mod ingest;
pub mod proto;
