//! Candidates: which items are worth scoring for a request. One source a file, and one line here; each is
//! bounded by the model.

mod categories;
mod fresh;
mod popular;
mod related;
pub mod request;
mod trending;

use request::Source;

/// Every source, in the order of asking.
/// What is related comes first: it has features that the same rows would lack in pools.
pub static SOURCES: [Source; 5] =
    [related::SOURCE, categories::SOURCE, popular::SOURCE, trending::SOURCE, fresh::SOURCE];

/// Stands behind the sources for all items: they are candidates when the sources leave the list short.
pub const ALL: usize = SOURCES.len();

/// A number for each source, and one for [`ALL`].
pub type BySource = [usize; SOURCES.len() + 1];

/// The names of the sources, and that of [`ALL`], for metrics.
pub fn names() -> [&'static str; SOURCES.len() + 1] {
    std::array::from_fn(|source| SOURCES.get(source).map_or("all", |source| source.name))
}
