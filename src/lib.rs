//! Headwater: real-time recommendations from a clickstream.
//!
//! ```text
//! log ─▶ ingest::worker ─▶ codec ─▶ state ─▶ engine::facts                (write path)
//!                                     │
//! gRPC ─▶ serving ─▶ engine::rank ◀───┴── engine::index                   (read path)
//! ```
//!
//! A worker thread takes records from a [`log::Log`] (Kafka or the embedded journal), decodes them and
//! applies them to the [`engine::facts::state::PartitionState`] of their partition, which the
//! [`state::State`] holds together with its position. Snapshots of the two as one object make a restart
//! short. A request reads the user's facts behind a short lock and ranks the candidates of the
//! [`engine::index`], which are swapped in whole; weights come from an [`engine::rank::model::Model`] and
//! change nothing that is counted.
//!
//! From the top of the house to its ground: [`cli`] is what people call, [`app`] wires, [`config`] reads
//! options, [`tuning`] finds numbers for models; [`serving`], [`http`], [`ingest`] and [`models`] talk to the
//! world and not to each other;
//! [`snapshot`] and [`state`] keep, [`codec`] and [`log`] carry, [`engine`] decides and is pure. Each uses
//! what is below it; `tests/layering.rs` keeps it so. `docs/architecture.md` goes through it hop by hop.

#![warn(missing_docs, clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

pub mod app;
mod background;
mod bugs;
pub mod cli;
pub mod clock;
pub mod codec;
pub mod config;
mod data_folder;
pub mod engine;
pub mod evaluation;
pub mod files;
pub mod generate;
pub mod health;
pub mod http;
pub mod ingest;
pub mod log;
pub mod models;
mod network;
pub mod proto;
pub mod serving;
#[cfg(test)]
mod simulation;
pub mod snapshot;
pub mod state;
pub mod tasks;
pub mod telemetry;
pub mod tuning;
