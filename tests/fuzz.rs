//! Hostile input: whatever bytes come from outside, reading them is total, its errors say what is
//! wrong, it takes no memory that the bytes are not worth, and what it accepts is sound.
//!
//! Each target starts from valid inputs and breaks them. `cargo test` tries some ten thousand of each;
//! `tests/fuzz TARGET --minutes N` goes on for longer. An input that breaks something is kept under
//! `tests/hostile/regressions/` and tried first from then on.

#![expect(unsafe_code, reason = "an allocator that counts is one")]

mod allocation;
mod engine_harness;

#[path = "hostile/config.rs"]
mod config;
#[path = "hostile/grpc.rs"]
mod grpc;
#[path = "hostile/model.rs"]
mod model;
#[path = "hostile/mutate.rs"]
mod mutate;
#[path = "hostile/records.rs"]
mod records;
#[path = "hostile/runner.rs"]
mod runner;
#[path = "hostile/snapshot.rs"]
mod snapshot;

#[test]
fn events() {
    runner::run(&records::events());
}

#[test]
fn items() {
    runner::run(&records::items());
}

#[test]
fn configuration() {
    runner::run(&config::target());
}

#[test]
fn models() {
    runner::run(&model::target());
}

#[test]
fn snapshots() {
    runner::run(&snapshot::target());
}

#[test]
fn requests() {
    runner::run(&grpc::target());
}
