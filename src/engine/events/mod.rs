//! What comes in: events and items, the rules that make one valid, and the catalog that items make.

pub mod catalog;
pub mod catalog_item;
pub mod event;
pub mod item;
