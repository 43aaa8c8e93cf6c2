//! The binary: hands the command line to the library.

#![warn(missing_docs, clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

/// Users' histories grow step by step: an allocator that takes the memory of outgrown steps back
/// needs a third less for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    headwater::cli::run()
}
