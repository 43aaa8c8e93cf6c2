//! Candidates: which items are worth scoring for a request. One source a file; each is bounded by
//! the model, and the union is scored whole.

mod asked;
mod categories;
mod fresh;
mod popular;
mod trending;

use crate::engine::index::pool::Pool;

pub use asked::Asked;

/// Where a candidate can come from, in the order of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The best items of the user's strongest categories, and of those that the request asks for.
    Categories,
    /// The most popular items.
    Popular,
    /// The items that trend.
    Trending,
    /// The newest items: each new item gets its chance to be ranked.
    Fresh,
    /// All live items: when the others leave the list short.
    All,
}

impl Source {
    /// Every source, in the order of asking.
    pub const ALL: [Self; 5] = [Self::Categories, Self::Popular, Self::Trending, Self::Fresh, Self::All];

    /// A name for metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Categories => "categories",
            Self::Popular => "popular",
            Self::Trending => "trending",
            Self::Fresh => "fresh",
            Self::All => "all",
        }
    }
}

/// Hands over the pools of a source. A row may be in several. [`Source::All`] has none: its rows are those of
/// the layout.
pub fn ask<'a>(source: Source, asked: &Asked<'a>, take: &mut dyn FnMut(&'a Pool)) {
    match source {
        Source::Categories => categories::ask(asked, take),
        Source::Popular => popular::ask(asked, take),
        Source::Trending => trending::ask(asked, take),
        Source::Fresh => fresh::ask(asked, take),
        Source::All => {}
    }
}
