//! The allocator of the binary, and of the benches that measure what the binary does.
//!
//! Histories of users grow step by step. What they outgrow is to go back to the system soon, so that
//! memory tells what state needs: with a million users that is a fifth of it. Not at once: buffers of
//! requests, which come and go, would be given back and asked for again all the time.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc.h, in ms, which the crate does not name.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// To be called first of all.
#[expect(unsafe_code, reason = "the crate has no safe way to set an option")]
pub fn set_up() {
    // SAFETY: the option is a number that mimalloc knows; nothing else runs yet.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, 10) }
}
