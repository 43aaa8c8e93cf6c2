//! Small worlds for property tests: few users, few items, short windows, many coincidences.

use std::collections::BTreeMap;

use headwater::engine::config::{HOUR, MINUTE, SECOND, StreamConfig};
use headwater::engine::events::event::Timestamp;
use headwater::engine::events::item::Item;
use headwater::engine::rank::model::{Boost, CandidateLimits, Model};
use headwater::engine::rank::related::{OwnSettings, RelatedSettings};
use headwater::engine::rank::scorer::Scorer;
use proptest::prelude::*;

use super::{Click, model};

pub const START: i64 = 1_700_000_000_000;
pub const USERS: usize = 5;
/// Items `i0` to `i19` are in the catalog, events name five more.
pub const ITEMS: usize = 20;

/// Short windows, so that everything happens within an hour: nothing in it is too late, and no
/// event id is forgotten.
pub fn config() -> StreamConfig {
    StreamConfig {
        interest_windows: vec![10 * SECOND, MINUTE, 10 * MINUTE, HOUR],
        popularity_windows: vec![5 * SECOND, MINUTE, 5 * MINUTE],
        recent_events_per_user: 6,
        dedup_horizon: 2 * HOUR,
        as_of_horizon: 2 * MINUTE,
        ..StreamConfig::default()
    }
}

pub fn user(place: usize) -> String {
    format!("u{place}")
}

/// A catalog of items with 0 to 3 categories; some are still to come, expired or not available.
pub fn items() -> Vec<Item> {
    (0..ITEMS)
        .map(|place| {
            let categories = (0..place % 4).map(|step| format!("c{}", (place + step * 2) % 7));
            let mut item = Item::new(format!("i{place}"), categories);
            let at = Timestamp(START + (place as i64 - 10) * 5 * MINUTE);
            item.created_at = (place % 5 != 0).then_some(at);
            item.expires_at = (place % 6 == 1).then(|| at.plus(30 * MINUTE));
            item.available = place != 13;
            item.attributes = BTreeMap::from([("colour".into(), ["red", "blue"][place % 2].into())]);
            item
        })
        .collect()
}

/// Some event times are equal, many are close, some are far.
fn times() -> impl Strategy<Value = i64> {
    prop_oneof![
        2 => (0..40_i64).prop_map(|step| 30 * MINUTE + step * SECOND),
        2 => 30 * MINUTE..35 * MINUTE,
        1 => 0..HOUR,
    ]
}

/// An event, with an id of its own or none.
fn click() -> impl Strategy<Value = Click> {
    let own = prop::collection::vec(0..9_usize, 0..4);
    // The first user does half of everything, so that coarse counts come about.
    let user_of = prop_oneof![Just(0), 1..USERS];
    (user_of, 0..ITEMS + 5, 0..8_u8, times(), own, any::<bool>()).prop_map(
        |(who, item, kind, ts, own, named)| Click {
            id: named.then(String::new),
            user: user(who),
            item: format!("i{item}"),
            kind,
            ts: START + ts,
            logged: None,
            session: None,
            categories: own.into_iter().map(|category| format!("c{category}")).collect(),
        },
    )
}

/// Events in any order; every tenth of those with an id comes twice.
pub fn clicks(most: usize) -> impl Strategy<Value = Vec<Click>> {
    let grains = prop::sample::select(vec![1, 1, 5 * SECOND]);
    let clicks = (prop::collection::vec(click(), 1..most), grains).prop_map(|(mut clicks, grain)| {
        for (place, click) in clicks.iter_mut().enumerate() {
            click.ts -= click.ts % grain;
            click.id = click.id.take().map(|_| format!("e{place}"));
        }
        let again: Vec<Click> =
            clicks.iter().filter(|click| click.id.is_some()).step_by(10).cloned().collect();
        clicks.extend(again);
        clicks
    });
    clicks.prop_shuffle()
}

/// Any valid model for a stream, with few or many candidates.
pub fn models() -> impl Strategy<Value = Model> {
    let weights = (-1.0..2.0_f64, -1.0..2.0_f64, 0.0..2.0_f64);
    let weight = || prop_oneof![1 => Just(0.0), 1 => -1.0..2.0_f64];
    let related =
        (weight(), weight(), 0..4_usize, prop::option::of(MINUTE..HOUR), 0.0..1.0_f64, 0.0..1.0_f64);
    let neighbours = (weight(), 0.1..1.0_f64, prop_oneof![Just(0.0), 0.0..1.0_f64]);
    let own = (weight(), prop_oneof![Just(None), (MINUTE..HOUR).prop_map(Some)], 0.1..5.0_f64);
    let own = own.prop_map(|(weight, half_life, evidence)| (weight, OwnSettings { half_life, evidence }));
    let limits = (0..3_usize, 0..4_usize, 0..4_usize, 0..3_usize, 0..3_usize, 0..9_usize);
    let boost = prop::option::of((0..7_usize, -0.5..0.5_f64));
    (weights, (related, neighbours, own), limits, boost, 0.05..1.2_f64).prop_map(
        |(weights, related, limits, boost, share)| {
            let mut model = model(&config());
            let ((next, covisits, items, half_life, new_visit, expected), (neighbours, near, beyond), own) =
                related;
            model.scorer =
                Scorer::linear([weights.0, next, covisits, neighbours, own.0, weights.1, weights.2, 1.0]);
            model.own = own.1;
            model.related = RelatedSettings {
                items,
                half_life,
                new_visit,
                expected,
                near,
                beyond,
                ..RelatedSettings::DEFAULT
            };
            let (categories, per_category, popular, trending, fresh, related) = limits;
            model.candidates =
                CandidateLimits { categories, per_category, popular, trending, fresh, related };
            model.half_life = 20 * MINUTE;
            model.max_category_share = share.min(1.0);
            model.boosts.extend(boost.map(|(category, add)| Boost { category: format!("c{category}"), add }));
            model
        },
    )
}
