//! The binary: hands the command line to the library.

#![warn(missing_docs, clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod allocator;

fn main() {
    headwater::cli::run();
}
