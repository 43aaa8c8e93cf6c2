//! The pools of candidates: those of now, refreshed off the request path, and those of instants
//! that requests ask for.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use parking_lot::Mutex;

use crate::engine::events::event::Timestamp;
use crate::engine::index::layout::{Layout, LayoutKey, Listing};
use crate::engine::index::pools::Pools;
use crate::engine::rank::model::Model;
use crate::engine::rank::models::ModelSet;
use crate::state::Store;

/// How many pools of past instants are kept: each costs about 100 bytes an item.
const INSTANTS: u64 = 16;
/// How long pools of past instants are kept.
const INSTANT_LIFE: Duration = Duration::from_secs(60);
/// As many models as can be loaded.
const MODELS: u64 = 64;

/// Pools by model, and by instant where a request names one.
#[derive(Debug)]
pub struct PoolCache {
    store: Arc<Store>,
    layout: Mutex<Arc<Layout>>,
    /// By model name. Also found under a name: the pools of an older version of the model.
    live: Cache<String, Arc<Pools>>,
    /// By model version, instant and the epoch of state, so that an answer never rests on pools
    /// that miss a fact.
    instants: Cache<(String, Timestamp, u64), Arc<Pools>>,
}

impl PoolCache {
    /// Empty caches over a store.
    pub fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            layout: Mutex::default(),
            live: Cache::new(MODELS),
            instants: Cache::builder().max_capacity(INSTANTS).time_to_live(INSTANT_LIFE).build(),
        }
    }

    /// Computes the pools of now for every model.
    pub fn refresh(&self, models: &ModelSet, now: Timestamp) {
        for model in models.iter() {
            let before = self.live.get(&model.name);
            let pools = self.build(Arc::clone(model), now, before.as_deref());
            self.live.insert(model.name.clone(), Arc::new(pools));
        }
    }

    /// The pools of the last refresh for a model, computed here if there are none for it yet.
    pub fn live(&self, model: &Arc<Model>, now: Timestamp) -> Arc<Pools> {
        match self.live.get(&model.name) {
            Some(pools) if Arc::ptr_eq(&pools.model, model) => pools,
            _ => {
                let pools = Arc::new(self.build(Arc::clone(model), now, None));
                self.live.insert(model.name.clone(), Arc::clone(&pools));
                pools
            }
        }
    }

    /// The pools of an instant, computed here if nobody has asked for it since state last changed.
    pub fn at(&self, model: &Arc<Model>, instant: Timestamp) -> Arc<Pools> {
        let key = (model.version.clone(), instant, self.store.epoch());
        self.instants.get_with(key, || Arc::new(self.build(Arc::clone(model), instant, None)))
    }

    fn build(&self, model: Arc<Model>, as_of: Timestamp, before: Option<&Pools>) -> Pools {
        Pools::build(self.layout(), &*self.store, model, as_of, before)
    }

    /// The layout of the catalog as it is now.
    fn layout(&self) -> Arc<Layout> {
        let mut layout = self.layout.lock();
        let catalog = self.store.catalog();
        if *layout.key() != LayoutKey::of(&catalog, &*self.store) {
            let listing = Listing::of(&catalog, &*self.store);
            // Nobody who asks or changes an item waits while it is put in order.
            drop(catalog);
            *layout = Arc::new(Layout::of(listing));
        }
        Arc::clone(&layout)
    }
}
