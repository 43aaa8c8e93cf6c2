//! What a score rests on, as `Explain` tells it.

use crate::engine::config::window_name;
use crate::engine::index::pools::Pools;
use crate::engine::rank::explain::WindowReport;
use crate::engine::rank::pipeline::Explained;
use crate::engine::rank::related::Values;
use crate::proto;

/// What the interest in a row's item is made of: its categories, window by window.
pub(super) fn interest(windows: &[WindowReport], pools: &Pools, row: u32) -> Vec<proto::InterestEvidence> {
    let categories = pools.layout.categories(row);
    let mut evidence = Vec::new();
    for (window, weight) in windows.iter().zip(&pools.model.interest_windows) {
        for category in categories.iter().map(|category| pools.layout.category_name(*category)) {
            let known = window.categories.iter().find(|known| known.category == category);
            evidence.extend(known.map(|known| proto::InterestEvidence {
                category: category.to_owned(),
                window: window_name(window.window),
                events: known.events.values().sum(),
                weight: known.weight,
                interest: weight * known.interest / categories.len() as f64,
            }));
        }
    }
    evidence
}

/// What a row's item is related to.
pub(super) fn related(explained: &Explained, pools: &Pools) -> Vec<proto::RelatedEvidence> {
    let evidence = |(row, weight, [next, covisits]): &(u32, f64, Values)| proto::RelatedEvidence {
        item_id: pools.layout.id(*row).to_owned(),
        weight: *weight,
        next: *next,
        covisits: *covisits,
    };
    explained.related.iter().map(evidence).collect()
}

/// What the popularity of a row's item is made of, window by window.
pub(super) fn popularity(windows: &[i64], pools: &Pools, row: u32) -> Vec<proto::PopularityEvidence> {
    let counts = pools.counts(row).into_iter().zip(pools.most());
    let weighed = windows.iter().zip(&pools.model.popularity_windows).zip(counts);
    let evidence = |((window, weight), (count, most)): ((&i64, &f64), (u32, u32))| {
        let share = if most == 0 { 0.0 } else { weight / f64::from(most).ln_1p() };
        proto::PopularityEvidence {
            window: window_name(*window),
            interactions: u64::from(count),
            most: u64::from(most),
            popularity: share * f64::from(count).ln_1p(),
        }
    };
    weighed.map(evidence).collect()
}
