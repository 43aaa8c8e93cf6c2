//! What comes in: events and items, the rules that make one valid, and the catalog that items make.

pub mod catalog;
pub mod event;
pub mod item;
