//! What integration tests share: the real things that Headwater runs against.

#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod kafka;
