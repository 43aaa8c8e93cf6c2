//! What an item costs: a million of them in the catalog of a state, with their places in the index after
//! refreshes of one model's pools.

use std::collections::BTreeMap;
use std::sync::Arc;

use headwater::clock::wall_clock;
use headwater::codec::{Encoding, decode_item};
use headwater::engine::config::StreamConfig;
use headwater::engine::events::event::Timestamp;
use headwater::engine::events::item::ItemChange;
use headwater::engine::rank::model::CandidateLimits;
use headwater::engine::rank::models::ModelSet;
use headwater::state::State;
use headwater::state::ranker::Ranker;
use prost::Message;

use super::common::{self, bar, peak_bytes};
use super::{PARTITIONS, catalog, resident};

const ITEMS: u32 = 1_000_000;
/// Of the shipped model.
const CANDIDATES: CandidateLimits = CandidateLimits {
    categories: 8,
    per_category: 200,
    popular: 500,
    trending: 100,
    fresh: 100,
    related: 100,
};
/// In service, new pools are made while those before them answer.
const REFRESHES: usize = 3;

/// To be run in a process of its own.
pub fn run() {
    let config = Arc::new(StreamConfig::default());
    let model = common::model(&config, CANDIDATES);
    let models = ModelSet::new(BTreeMap::from([(model.name.clone(), model)]), "default");
    let models = models.expect("a default model");
    let state = Arc::new(State::empty(config, PARTITIONS));
    let ranker = Ranker::new(Arc::clone(&state), Arc::new(models));
    let now = wall_clock();
    let empty = resident();

    let mut encoded = Vec::new();
    for number in 0..ITEMS {
        encoded.clear();
        catalog::item(number, ITEMS, now).encode(&mut encoded).expect("a vector grows");
        let item = decode_item(&encoded, Encoding::Protobuf).expect("a valid item");
        state.apply_item(ItemChange::Put(item));
    }
    let listed = resident();
    for _ in 0..REFRESHES {
        ranker.refresh(Timestamp(wall_clock()));
    }
    let full = resident();

    assert_eq!(state.catalog().len(), ITEMS as usize);
    let each = |bytes: f64| (bytes - empty) / f64::from(ITEMS);
    println!(
        "memory: {ITEMS} items: {:.0} bytes each in the catalog, {:.0} with the index, {:.0} at the most",
        each(listed),
        each(full),
        each(peak_bytes(std::process::id()))
    );
    bar("memory.item", each(full), "bytes");
}
