//! What was found out of items while pools hold, for all who ask.

use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::RwLock;

use super::item::RelatedItems;

/// Each with a lock of its own.
const SHARDS: usize = 16;
/// The most items that a shard remembers: those of them that most people were on come up first.
const MOST: usize = 1024;

type Shard = RwLock<HashMap<u32, Arc<RelatedItems>, foldhash::fast::FixedState>>;

/// Items that somebody has asked about. It belongs to pools, and holds for their instant: an item that many are on is
/// looked at once, and not once for each of them.
#[derive(Debug, Default)]
pub struct RelatedCache {
    shards: [Shard; SHARDS],
}

impl RelatedCache {
    /// What is related to a row, found out now if nobody has asked before. Two who ask at once both find it out.
    pub fn get(&self, row: u32, find: impl FnOnce() -> RelatedItems) -> Arc<RelatedItems> {
        let shard = &self.shards[row as usize % SHARDS];
        if let Some(known) = shard.read().get(&row) {
            return Arc::clone(known);
        }
        // Without the lock: it looks at partitions, which have locks of their own.
        let found = Arc::new(find());
        let mut shard = shard.write();
        if shard.len() < MOST {
            shard.insert(row, Arc::clone(&found));
        }
        found
    }
}
