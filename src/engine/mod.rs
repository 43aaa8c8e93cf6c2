//! The engine: pure decisions over facts.
pub mod event;
pub mod item;
pub mod model;
pub mod stream;
