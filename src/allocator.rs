//! The allocator of the binary, and of the benches that measure what the binary does.
//!
//! It gives back to the system what has not been used for a second. At once would save memory for a moment
//! only, and buffers of requests, which come and go, would be asked for again all the time: a tenth of what a
//! request costs, most of it as large pages of memory are split.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
