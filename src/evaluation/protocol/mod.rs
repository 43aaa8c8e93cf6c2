//! Protocols: when contenders are asked, and what they have been told by then.

pub mod chameleon;
pub mod sessions;
pub mod stream;
