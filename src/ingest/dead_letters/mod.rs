//! Dead letters: records that could not be applied, kept with the reason in a topic of their own.

pub mod reader;
pub mod writer;
