//! What integration tests share: the real things that Headwater runs against, and Headwater itself.

#![allow(dead_code, reason = "each test binary uses a part of it")]

mod http;
pub mod kafka;
pub mod messages;
pub mod producer;
pub mod service;
pub mod world;
