//! The engine: pure decisions over facts.

pub mod candidates;
pub mod catalog;
pub mod categories;
pub mod codec;
pub mod dedup;
pub mod diversity;
pub mod event;
pub mod filters;
pub mod interest;
pub mod intern;
pub mod item;
pub mod layout;
pub mod model;
pub mod models;
pub mod pipeline;
pub mod pools;
pub mod popularity;
pub mod profile;
pub mod report;
pub mod state;
pub mod stream;
pub mod topk;
pub mod users;
pub mod window;
