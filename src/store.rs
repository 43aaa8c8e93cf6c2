//! Where reads and writes meet: each partition's state with its position behind a short lock, and
//! the catalog.
//!
//! A partition has one writer, its ingest worker, which also takes its snapshots; so a lock is held
//! for one event, one request or one refresh of the pools at a time, and never across an await.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use parking_lot::{RwLock, RwLockReadGuard};

use crate::bugs::{Bug, planted};
use crate::engine::catalog::{Catalog, CatalogOutcome};
use crate::engine::event::{Event, Timestamp};
use crate::engine::item::ItemChange;
use crate::engine::layout::Partitions;
use crate::engine::state::{Outcome, PartitionState};
use crate::engine::stream::StreamConfig;
use crate::ingest::{Offset, Partition, partition_of};

/// One partition's state and the offset of the next record that it has not seen: one object, so
/// that they can't disagree.
#[derive(Debug)]
pub struct Positioned {
    /// The facts.
    pub state: PartitionState,
    /// The next record to apply.
    pub next_offset: Offset,
}

/// All that a process knows.
#[derive(Debug)]
pub struct Store {
    partitions: Vec<RwLock<Positioned>>,
    /// How far each partition's reader has come; ahead of `next_offset` where the log has holes.
    positions: Vec<AtomicU64>,
    watermark: AtomicI64,
    /// Rises with every change, for whoever caches what was computed from state.
    epoch: AtomicU64,
    catalog: RwLock<Catalog>,
    config: Arc<StreamConfig>,
    catalog_limit: usize,
}

impl Store {
    /// A store of recovered or new partitions, in order.
    pub fn new(config: Arc<StreamConfig>, partitions: Vec<Positioned>) -> Self {
        let watermarks = partitions.iter().filter_map(|partition| partition.state.watermark());
        Self {
            watermark: AtomicI64::new(watermarks.max().map_or(i64::MIN, |watermark| watermark.0)),
            positions: partitions.iter().map(|partition| AtomicU64::new(partition.next_offset)).collect(),
            partitions: partitions.into_iter().map(RwLock::new).collect(),
            epoch: AtomicU64::new(0),
            catalog: RwLock::default(),
            catalog_limit: config.limits.items,
            config,
        }
    }

    /// Partitions that have not seen a record.
    pub fn empty(config: Arc<StreamConfig>, partitions: u32) -> Self {
        let new = |_| Positioned { state: PartitionState::new(Arc::clone(&config)), next_offset: 0 };
        let partitions = (0..partitions).map(new).collect();
        Self::new(config, partitions)
    }

    /// Takes in the record at `offset`; none if it was taken in before.
    pub fn apply(
        &self,
        partition: Partition,
        offset: Offset,
        log_timestamp: Option<i64>,
        event: &Event<'_>,
    ) -> Option<Outcome> {
        let catalog = self.catalog.read();
        let mut positioned = self.partitions.get(partition as usize)?.write();
        if offset < positioned.next_offset {
            return None;
        }
        let outcome = positioned.state.apply(event, log_timestamp, &catalog);
        if planted(Bug::LateTwice) && outcome == Outcome::Late {
            positioned.state.apply(event, log_timestamp, &catalog);
        }
        positioned.next_offset = offset + 1;
        if let Some(watermark) = positioned.state.watermark() {
            self.watermark.fetch_max(watermark.0, Ordering::Relaxed);
        }
        self.epoch.fetch_add(1, Ordering::Release);
        Some(outcome)
    }

    /// Moves past a record that can't be applied; false if that was done before.
    pub fn skip(&self, partition: Partition, offset: Offset) -> bool {
        let Some(positioned) = self.partitions.get(partition as usize) else { return false };
        let mut positioned = positioned.write();
        let new = offset >= positioned.next_offset;
        positioned.next_offset = positioned.next_offset.max(offset + 1);
        new
    }

    /// Takes in a change to the catalog.
    pub fn apply_item(&self, change: ItemChange) -> CatalogOutcome {
        let outcome = self.catalog.write().apply(change, self.catalog_limit);
        self.epoch.fetch_add(1, Ordering::Release);
        outcome
    }

    /// The partition that a user lives in, to look at for a moment.
    pub fn partition_of(&self, user_id: &str) -> Option<(usize, RwLockReadGuard<'_, Positioned>)> {
        let place = partition_of(user_id.as_bytes(), self.partitions.len() as u32) as usize;
        self.partition(place).map(|guard| (place, guard))
    }

    /// A partition to look at for a moment.
    pub fn partition(&self, place: usize) -> Option<RwLockReadGuard<'_, Positioned>> {
        self.partitions.get(place).map(|partition| partition.read())
    }

    /// The catalog to look at for a moment.
    pub fn catalog(&self) -> RwLockReadGuard<'_, Catalog> {
        self.catalog.read()
    }

    /// The stream's config.
    pub fn config(&self) -> &Arc<StreamConfig> {
        &self.config
    }

    /// The instant that a request which names none is answered for: `wall_clock`, or the greatest
    /// watermark if that is later.
    pub fn now(&self, wall_clock: Timestamp) -> Timestamp {
        self.watermark().map_or(wall_clock, |watermark| wall_clock.max(watermark))
    }

    /// The greatest watermark of a partition; none before the first event.
    pub fn watermark(&self) -> Option<Timestamp> {
        Some(Timestamp(self.watermark.load(Ordering::Relaxed))).filter(|watermark| watermark.0 > i64::MIN)
    }

    /// A number that is different whenever state or catalog are.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// How far the reader of a partition has come.
    pub fn position(&self, partition: Partition) -> Offset {
        self.positions.get(partition as usize).map_or(0, |position| position.load(Ordering::Acquire))
    }

    /// Tells how far the reader of a partition has come.
    pub fn reached(&self, partition: Partition, position: Offset) {
        if let Some(known) = self.positions.get(partition as usize) {
            known.fetch_max(position, Ordering::Release);
        }
    }
}

impl Partitions for Store {
    fn len(&self) -> usize {
        self.partitions.len()
    }

    fn with(&self, partition: usize, look: &mut dyn FnMut(&PartitionState)) {
        if let Some(positioned) = self.partition(partition) {
            look(&positioned.state);
        }
    }
}
