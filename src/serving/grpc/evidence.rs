//! What a score rests on, as `Explain` tells it.

use crate::engine::config::window_name;
use crate::engine::index::pools::Pools;
use crate::engine::rank::explain::InterestPart;
use crate::engine::rank::pipeline::Explained;
use crate::engine::rank::related::Values;
use crate::proto;

/// What stands in the place of a window's length where the newest events count once more.
const RECENT: &str = "recent";

/// What the interest in an item is made of: its categories, window by window.
pub(super) fn interest(parts: &[InterestPart]) -> Vec<proto::InterestEvidence> {
    let told = parts.iter().map(|part| proto::InterestEvidence {
        category: part.category.clone(),
        window: part.window.map_or_else(|| RECENT.to_owned(), window_name),
        events: part.events,
        weight: part.weight,
        interest: part.interest,
    });
    told.collect()
}

/// What a row's item is related to.
pub(super) fn related(explained: &Explained, pools: &Pools) -> Vec<proto::RelatedEvidence> {
    let evidence =
        |(row, weight, [next, covisits, neighbours, own]): &(u32, f64, Values)| proto::RelatedEvidence {
            item_id: pools.layout.id(*row).to_owned(),
            weight: *weight,
            next: *next,
            covisits: *covisits,
            neighbours: *neighbours,
            own: *own,
        };
    explained.related.iter().map(evidence).collect()
}

/// What the popularity of a row's item is made of, window by window.
pub(super) fn popularity(windows: &[i64], pools: &Pools, row: u32) -> Vec<proto::PopularityEvidence> {
    let counts = pools.counts(row);
    let parts = counts.iter().zip(pools.most()).zip(pools.scale.parts(&counts));
    let evidence =
        |(window, ((count, most), popularity)): (&i64, ((&u32, u32), f64))| proto::PopularityEvidence {
            window: window_name(*window),
            interactions: u64::from(*count),
            most: u64::from(most),
            popularity,
        };
    windows.iter().zip(parts).map(evidence).collect()
}
