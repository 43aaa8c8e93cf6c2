//! What is the same for every user at an instant: the items as rows of a [`layout`], how often each was
//! acted on, and the [`pools`] of candidates that the sources give.

mod item_counts;
pub mod layout;
pub mod pool;
pub mod pools;
