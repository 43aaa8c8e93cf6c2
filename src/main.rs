//! The binary: hands the command line to the library.

#![warn(missing_docs, clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

mod allocator;

fn main() -> ExitCode {
    allocator::set_up();
    headwater::cli::run()
}
