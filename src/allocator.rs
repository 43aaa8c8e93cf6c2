//! The allocator of the binary, and of the benches that measure what the binary does.
//!
//! It gives back to the system what has not been used for a second. Sooner would save memory for a moment only,
//! and buffers of requests, which come and go, would be asked for again all the time: after 10 ms that is 4 to 7 %
//! of what a request costs.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
