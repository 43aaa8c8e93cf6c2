//! What integration tests share: the real things that Headwater runs against, and Headwater itself.

#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod certificate;
pub mod http;
mod jars;
pub mod kafka;
pub mod messages;
pub mod producer;
pub mod s3;
pub mod service;
pub mod world;
