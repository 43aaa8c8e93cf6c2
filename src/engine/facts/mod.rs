//! What is kept of the events: the [`state`] of a partition with a [`profile`] for each of its
//! [`users`] (two kinds of [`history`], and [`acted_items`]), the [`popularity`] of [`items`], the [`postings`] by which
//! an item's [`visits`] are found in those histories ([`visitors`]), [`dedup`]; names as numbers by [`intern`] and [`categories`], given back by [`compaction`], which gives
//! others ([`numbers`]). [`sections`] writes it down, in the
//! words of [`codec`].

pub mod acted_items;
pub mod categories;
pub mod codec;
pub mod compaction;
pub mod dedup;
pub mod history;
pub mod intern;
pub mod items;
pub mod numbers;
pub mod popularity;
pub mod postings;
pub mod profile;
pub mod sections;
pub mod state;
pub mod users;
pub mod visitors;
pub mod visits;
