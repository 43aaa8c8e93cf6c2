//! When contenders are asked, and what they have been told by then.

pub mod stream;
