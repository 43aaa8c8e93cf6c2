//! What is kept of the events: the [`state`] of a partition with a [`profile`] for each of its
//! [`users`], the [`popularity`] of items, [`dedup`]; names as numbers by [`intern`] and
//! [`categories`]; [`codec`] writes it all down.

pub mod categories;
pub mod codec;
pub mod dedup;
pub mod intern;
pub mod popularity;
pub mod profile;
pub mod state;
pub mod users;
