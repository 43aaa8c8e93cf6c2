//! Headwater: real-time recommendations from a clickstream.
//!
//! ```text
//! log ─▶ ingest::worker ─▶ app::feeds ─▶ store ─▶ engine::state          (write path)
//!                                          │
//! gRPC ─▶ serving ─▶ engine::pipeline ◀────┴── engine::pools             (read path)
//! ```
//!
//! A worker thread takes records from a [`ingest::Log`] (Kafka or the embedded journal), decodes
//! them and applies them to the [`engine::state::PartitionState`] of their partition, which the
//! [`store::Store`] holds together with its position. Snapshots of the two as one object make a
//! restart short. A request reads the user's facts behind a short lock and ranks the candidates of
//! [`engine::pools::Pools`], which are swapped in whole; weights come from an
//! [`engine::model::Model`] and change nothing that is counted.
//!
//! [`engine`] decides and is pure. The adapters [`ingest`], [`serving`], [`snapshot`], [`telemetry`]
//! and [`files`] talk to the world and not to each other. [`app`] wires them; [`cli`] is what people
//! call; [`config`] is seen by these two alone. `tests/layering.rs` keeps it so.

#![warn(missing_docs, clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

pub mod app;
mod background;
mod bugs;
pub mod cli;
pub mod clock;
pub mod codec;
pub mod config;
pub mod engine;
pub mod files;
pub mod generate;
pub mod http;
pub mod ingest;
pub mod log;
pub mod models;
pub mod proto;
pub mod serving;
#[cfg(test)]
mod simulation;
pub mod snapshot;
pub mod state;
pub mod tasks;
pub mod telemetry;
