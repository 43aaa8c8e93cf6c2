//! What scores are made of: one feature a file, and one line here.

mod boost;
pub mod columns;
mod covisits;
pub mod feature;
mod interest;
mod neighbours;
mod next;
mod own;
mod popularity;
mod recency;

use columns::{RELATED, WIDTH};
use feature::{Feature, Per};

/// Every feature. Contributions are told and added up in this order.
pub static FEATURES: [Feature; WIDTH] = [
    interest::FEATURE,
    next::FEATURE,
    covisits::FEATURE,
    neighbours::FEATURE,
    own::FEATURE,
    popularity::FEATURE,
    recency::FEATURE,
    boost::FEATURE,
];

const _: () = {
    let mut index = 0;
    while index < RELATED.len() {
        assert!(matches!(FEATURES[RELATED[index]].per, Per::Related(_)), "as columns.rs says");
        index += 1;
    }
};

/// Which of them is popularity.
pub const POPULARITY: usize = popularity();

/// Which of them are the item's, by what the catalog and the model say.
pub const ITEM: [usize; items()] = item_features();

const fn popularity() -> usize {
    let mut feature = 0;
    while !matches!(FEATURES[feature].per, Per::Popularity) {
        feature += 1;
    }
    feature
}

const fn items() -> usize {
    let (mut feature, mut count) = (0, 0);
    while feature < WIDTH {
        count += matches!(FEATURES[feature].per, Per::Item(_)) as usize;
        feature += 1;
    }
    count
}

const fn item_features() -> [usize; items()] {
    let (mut feature, mut count, mut found) = (0, 0, [0; items()]);
    while feature < WIDTH {
        if matches!(FEATURES[feature].per, Per::Item(_)) {
            found[count] = feature;
            count += 1;
        }
        feature += 1;
    }
    found
}
