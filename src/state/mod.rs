//! Where reads and writes meet: each partition that this process holds, its state with its position
//! behind a short lock, and the catalog.
//!
//! A partition has one writer, its ingest worker, which also takes its snapshots; so a lock is held
//! for one event, one request or one refresh of the pools at a time, and never across an await.
//!
//! Not for a batch of events: its records come one by one out of the log's own buffer, and the next one may have
//! to be read from disk (the journal) or fetched (Kafka). Requests would wait for that. What it would save are
//! the two uncontended locks of a record, 15 ns of the 500 and more that it takes to decode and apply one.

pub mod limits;
mod measures;
pub mod ranker;
pub mod refresh;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};

use arc_swap::ArcSwapOption;
use hashbrown::HashSet;
use parking_lot::{MappedRwLockReadGuard, RwLock, RwLockReadGuard, RwLockUpgradableReadGuard};
use tokio::sync::Notify;
use xxhash_rust::xxh3::xxh3_64;

use crate::bugs::{Bug, planted};
use crate::engine::config::StreamConfig;
use crate::engine::events::catalog::{Catalog, CatalogOutcome};
use crate::engine::events::event::{Event, Timestamp};
use crate::engine::events::item::ItemChange;
use crate::engine::facts::state::{Outcome, PartitionState};
use crate::engine::index::partitions::Partitions;
use crate::engine::position::{Arrival, Offset, Partition};
use crate::log::partition_of;

/// One partition's state and the offset of the next record that it has not seen: one object, so
/// that they can't disagree.
#[derive(Debug)]
pub struct Positioned {
    /// The facts.
    pub state: PartitionState,
    /// The next record to apply.
    pub next_offset: Offset,
}

/// What a process has of a partition.
#[expect(clippy::large_enum_variant, reason = "there are as many as partitions, and most are held")]
#[derive(Debug)]
enum Slot {
    /// Nothing: another process answers for it.
    NotOwned,
    /// It is ours, and its state is on its way.
    Restoring,
    /// Its state.
    Active(Positioned),
}

/// A partition to look at for a moment.
pub type Look<'a> = MappedRwLockReadGuard<'a, Positioned>;

/// The partitions that know a user.
pub struct Located<'a> {
    /// Where the user's key belongs, whether or not it knows the user.
    pub home: (Partition, Look<'a>),
    /// Others that events of the user have come by.
    pub strays: Vec<(Partition, Look<'a>)>,
}

impl Located<'_> {
    /// All of them, the one where the key belongs first.
    pub fn iter(&self) -> impl Iterator<Item = (Partition, &PartitionState)> {
        let all = std::iter::once(&self.home).chain(&self.strays);
        all.map(|(partition, look)| (*partition, &look.state))
    }
}

/// A partition whose state is not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotHeld {
    /// Which.
    pub partition: Partition,
    /// Whether it will be here in a moment.
    pub restoring: bool,
}

/// All that a process knows.
#[derive(Debug)]
pub struct State {
    partitions: Vec<RwLock<Slot>>,
    /// How far each partition's reader has come; ahead of `next_offset` where the log has holes.
    positions: Vec<AtomicU64>,
    watermark: AtomicI64,
    /// By partition: the users whose key belongs to another one, by a hash. Some may have been forgotten since.
    strays: Vec<RwLock<HashSet<u64>>>,
    /// Whether there are any.
    any_strays: AtomicBool,
    /// From which record on each was read here: what came before is in the state that it began with.
    from: Vec<Offset>,
    /// Whether other processes hold some of them.
    shared: bool,
    /// How many are here though the group has lost sight of this process.
    adrift: AtomicUsize,
    /// How many states were put in the place of another.
    generations: AtomicU64,
    /// See [`Self::take_unknown_items`].
    unknown_items: AtomicU64,
    /// Told when a state has come that they don't know.
    arrived: Notify,
    /// Which partitions are missing, in words; none while all are here.
    missing: ArcSwapOption<String>,
    catalog: RwLock<Catalog>,
    config: Arc<StreamConfig>,
    catalog_limit: usize,
}

impl State {
    /// A store that holds recovered or new partitions, in order.
    pub fn new(config: Arc<StreamConfig>, partitions: Vec<Positioned>) -> Self {
        let watermarks = partitions.iter().filter_map(|partition| partition.state.watermark());
        let watermark = watermarks.max().map_or(i64::MIN, |watermark| watermark.0);
        let positions = partitions.iter().map(|partition| AtomicU64::new(partition.next_offset.0)).collect();
        let slots = partitions.into_iter().map(Slot::Active).map(RwLock::new).collect();
        Self::build(config, slots, positions, watermark, false)
    }

    /// A store of so many partitions that are shared with other processes, and that holds none of them yet.
    pub fn away(config: Arc<StreamConfig>, partitions: u32) -> Self {
        let slots = (0..partitions).map(|_| RwLock::new(Slot::NotOwned)).collect();
        let positions = (0..partitions).map(|_| AtomicU64::new(0)).collect();
        let store = Self::build(config, slots, positions, i64::MIN, true);
        store.tell_missing();
        store
    }

    fn build(
        config: Arc<StreamConfig>,
        partitions: Vec<RwLock<Slot>>,
        positions: Vec<AtomicU64>,
        watermark: i64,
        shared: bool,
    ) -> Self {
        let state = Self {
            strays: partitions.iter().map(|_| RwLock::default()).collect(),
            any_strays: AtomicBool::new(false),
            partitions,
            from: positions.iter().map(|position| position.load(Ordering::Relaxed)).map(Offset).collect(),
            positions,
            watermark: AtomicI64::new(watermark),
            shared,
            adrift: AtomicUsize::new(0),
            generations: AtomicU64::new(0),
            unknown_items: AtomicU64::new(0),
            arrived: Notify::new(),
            missing: ArcSwapOption::default(),
            catalog: RwLock::default(),
            catalog_limit: config.limits.items,
            config,
        };
        state.look_for_strays();
        state
    }

    /// Looks at all users, as states come without a word about strays.
    fn look_for_strays(&self) {
        for partition in (0..self.partitions()).map(Partition) {
            if let Ok(look) = self.look(partition) {
                self.expect_strays_of(partition, &look.state);
            }
        }
    }

    /// Looks for the strays of a state that takes the place of another.
    fn expect_strays_of(&self, partition: Partition, state: &PartitionState) {
        let Some(strays) = self.strays.get(partition.index()) else { return };
        let found: HashSet<u64> =
            state.user_ids().filter(|user_id| !self.is_home(partition, user_id)).map(stray_hash).collect();
        if !found.is_empty() {
            self.any_strays.store(true, Ordering::Relaxed);
            if self.shared {
                // Counted while one process had all partitions: another process answers for them now.
                tracing::warn!(
                    %partition,
                    users = found.len(),
                    "what these users did by another partition than their own, before partitions were shared, is not \
                     in their lists any more"
                );
            }
        }
        *strays.write() = found;
    }

    /// Partitions that have not seen a record.
    pub fn empty(config: Arc<StreamConfig>, partitions: u32) -> Self {
        let new =
            |_| Positioned { state: PartitionState::new(Arc::clone(&config)), next_offset: Offset::ZERO };
        let partitions = (0..partitions).map(new).collect();
        Self::new(config, partitions)
    }

    /// Promises that a partition will be held.
    pub fn expect(&self, partition: Partition) {
        self.replace(partition, Slot::Restoring);
    }

    /// Holds a partition from now on. Its users get lists once the pools of now know of it. May take long: all of them
    /// are looked at.
    pub fn hold(&self, partition: Partition, mut positioned: Positioned) {
        positioned.state.generation = self.generations.fetch_add(1, Ordering::Relaxed) + 1;
        self.expect_strays_of(partition, &positioned.state);
        if let Some(watermark) = positioned.state.watermark() {
            self.watermark.fetch_max(watermark.0, Ordering::Relaxed);
        }
        if let Some(position) = self.positions.get(partition.index()) {
            position.store(positioned.next_offset.0, Ordering::Release);
        }
        self.replace(partition, Slot::Active(positioned));
        self.arrived.notify_one();
    }

    /// Until a state is held that the pools of now don't know. For one who waits.
    pub async fn arrival(&self) {
        self.arrived.notified().await;
    }

    /// Gives a partition up. May take long: much is freed.
    pub fn release(&self, partition: Partition) {
        self.replace(partition, Slot::NotOwned);
    }

    fn replace(&self, partition: Partition, new: Slot) {
        let Some(slot) = self.partitions.get(partition.index()) else { return };
        // What was there is freed when nobody waits for the lock any more.
        let old = std::mem::replace(&mut *slot.write(), new);
        self.generations.fetch_add(1, Ordering::Release);
        self.tell_missing();
        drop(old);
    }

    fn tell_missing(&self) {
        let held = |slot: &&RwLock<Slot>| matches!(&*slot.read(), Slot::Active(_));
        let (held, all) = (self.partitions.iter().filter(held).count(), self.partitions.len());
        let words = || {
            format!(
                "popularity, trending and what people turn to next count {held} of {all} partitions: other processes hold the rest"
            )
        };
        self.missing.store((held < all).then(|| Arc::new(words())));
    }

    /// What answers lack because partitions are not here; none while all are.
    pub fn missing(&self) -> Option<Arc<String>> {
        self.missing.load_full()
    }

    /// Whether a partition is here, on its way or away.
    pub fn held(&self, partition: Partition) -> Result<(), NotHeld> {
        self.look(partition).map(drop)
    }

    fn look(&self, partition: Partition) -> Result<Look<'_>, NotHeld> {
        let away = NotHeld { partition, restoring: false };
        let slot = self.partitions.get(partition.index()).ok_or(away)?.read();
        let held = RwLockReadGuard::try_map(slot, |slot| match slot {
            Slot::Active(positioned) => Some(positioned),
            _ => None,
        });
        held.map_err(|slot| NotHeld { partition, restoring: matches!(*slot, Slot::Restoring) })
    }

    /// Takes in the record at `offset`; none if it was taken in before.
    pub fn apply(
        &self,
        partition: Partition,
        offset: Offset,
        log_timestamp: Option<i64>,
        event: &Event<'_>,
    ) -> Option<Outcome> {
        let slot = self.partitions.get(partition.index())?;
        let mut locks = (self.catalog.read(), slot.write());
        let Slot::Active(positioned) = &mut *locks.1 else { return None };
        if positioned.next_offset.arrival(offset) == Arrival::Seen {
            return None;
        }
        // In steps, as one of them takes long for once, and others look at the state meanwhile.
        let admitted = positioned.state.admit(event, log_timestamp);
        if admitted.is_ok() && positioned.state.lacks_room_for(event) {
            drop(locks);
            make_room(slot);
            locks = (self.catalog.read(), slot.write());
        }
        let (catalog, slot) = (&*locks.0, &mut *locks.1);
        let Slot::Active(positioned) = slot else { return None };
        let outcome = match admitted {
            Ok(ts) => positioned.state.take_in(event, ts, catalog),
            Err(outcome) => outcome,
        };
        if planted(Bug::LateTwice) && outcome == Outcome::Late {
            positioned.state.apply(event, log_timestamp, catalog);
        }
        positioned.next_offset.advance(offset);
        if outcome == Outcome::Applied && positioned.state.is_item_unknown() {
            self.unknown_items.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(watermark) = positioned.state.watermark() {
            self.watermark.fetch_max(watermark.0, Ordering::Relaxed);
        }
        Some(outcome)
    }

    /// Moves past a record that can't be applied; false if that was done before.
    pub fn skip(&self, partition: Partition, offset: Offset) -> bool {
        let Some(slot) = self.partitions.get(partition.index()) else { return false };
        let Slot::Active(positioned) = &mut *slot.write() else { return false };
        positioned.next_offset.advance(offset) != Arrival::Seen
    }

    /// How many events were applied since this was last called of whose items nothing is known
    /// ([`PartitionState::is_item_unknown`]).
    pub fn take_unknown_items(&self) -> u64 {
        self.unknown_items.swap(0, Ordering::Relaxed)
    }

    /// Takes in a change to the catalog.
    pub fn apply_item(&self, change: ItemChange) -> CatalogOutcome {
        self.catalog.write().apply(change, self.catalog_limit)
    }

    /// The partitions that may know a user, to look at for a moment: the one that the user's key belongs to,
    /// and where events have come by other partitions than their users' those that know the user, too.
    ///
    /// # Errors
    /// The state of the first is not here.
    pub fn partitions_of(&self, user_id: &str) -> Result<Located<'_>, NotHeld> {
        let home = partition_of(user_id.as_bytes(), self.partitions());
        if !self.any_strays.load(Ordering::Relaxed) {
            return Ok(Located { home: (home, self.look(home)?), strays: Vec::new() });
        }
        let (mut at_home, mut strays) = (None, Vec::new());
        // All who hold several lock them in this order: else two could wait for each other.
        let hash = stray_hash(user_id);
        for (partition, known) in (0..).map(Partition).zip(&self.strays) {
            if partition == home {
                at_home = Some(self.look(partition)?);
            } else if known.read().contains(&hash)
                && let Ok(look) = self.look(partition)
                && look.state.user(user_id).is_some()
            {
                strays.push((partition, look));
            }
        }
        let at_home = at_home.ok_or(NotHeld { partition: home, restoring: false })?;
        Ok(Located { home: (home, at_home), strays })
    }

    /// Whether a record was read here, and is not only in the state that its partition began with.
    pub fn was_read_here(&self, partition: Partition, offset: Offset) -> bool {
        self.from.get(partition.index()).is_some_and(|from| *from <= offset)
    }

    /// Whether other processes hold some of the partitions.
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// Tells how many partitions answer from what was read of them before the group lost sight of this process.
    pub fn set_adrift(&self, partitions: usize) {
        self.adrift.store(partitions, Ordering::Relaxed);
    }

    /// What keeps a process that shares partitions from being one to ask, in words: it has none, or may not
    /// have them any more.
    pub fn unassigned(&self) -> Option<String> {
        let adrift = self.adrift.load(Ordering::Relaxed);
        if adrift > 0 {
            return Some(format!(
                "the group has lost sight of this process and has not met since: {adrift} partitions are answered \
                 from what was read of them before"
            ));
        }
        let is_away = |partition| self.held(Partition(partition)).is_err_and(|not_held| !not_held.restoring);
        let none = self.shared && (0..self.partitions()).all(is_away);
        none.then(|| "the group has given this process no partition".to_owned())
    }

    /// Whether the events of a user belong in this partition, by their key.
    pub fn is_home(&self, partition: Partition, user_id: &str) -> bool {
        partition_of(user_id.as_bytes(), self.partitions()) == partition
    }

    /// This partition will know a user whose key belongs to another one.
    pub fn expect_stray(&self, partition: Partition, user_id: &str) {
        let (Some(strays), hash) = (self.strays.get(partition.index()), stray_hash(user_id)) else { return };
        if !strays.read().contains(&hash) {
            strays.write().insert(hash);
            self.any_strays.store(true, Ordering::Relaxed);
        }
    }

    /// A partition to look at for a moment, if its state is here.
    pub fn partition(&self, partition: Partition) -> Option<Look<'_>> {
        self.look(partition).ok()
    }

    /// How many partitions the topic of events has, wherever they are.
    pub fn partitions(&self) -> u32 {
        self.partitions.len() as u32
    }

    /// The catalog to look at for a moment.
    pub fn catalog(&self) -> RwLockReadGuard<'_, Catalog> {
        self.catalog.read()
    }

    /// The stream's config.
    pub fn config(&self) -> &Arc<StreamConfig> {
        &self.config
    }

    /// The instant that a request which names none is answered for: `wall_clock`, or the greatest watermark if that
    /// is later, but by no more than clocks may differ.
    pub fn now(&self, wall_clock: Timestamp) -> Timestamp {
        let latest = wall_clock.plus(self.config.max_clock_skew);
        self.watermark().map_or(wall_clock, |watermark| wall_clock.max(watermark.min(latest)))
    }

    /// The greatest watermark of a partition; none before the first event.
    pub fn watermark(&self) -> Option<Timestamp> {
        Some(Timestamp(self.watermark.load(Ordering::Relaxed))).filter(|watermark| watermark.0 > i64::MIN)
    }

    /// How many states were put in the place of another.
    pub fn generations(&self) -> u64 {
        self.generations.load(Ordering::Acquire)
    }

    /// How far the reader of a partition has come.
    pub fn position(&self, partition: Partition) -> Offset {
        self.positions
            .get(partition.index())
            .map_or(Offset::ZERO, |position| Offset(position.load(Ordering::Acquire)))
    }

    /// Tells how far the reader of a partition has come.
    pub fn reached(&self, partition: Partition, position: Offset) {
        if let Some(known) = self.positions.get(partition.index()) {
            known.fetch_max(position.0, Ordering::Release);
        }
    }
}

/// Gives back what nothing of a state refers to any more. To find it takes half of the time, in which others may look
/// at the state; only its partition's worker changes it.
fn make_room(slot: &RwLock<Slot>) {
    let shared = slot.upgradable_read();
    let Slot::Active(positioned) = &*shared else { return };
    let in_use = positioned.state.in_use();
    if let Slot::Active(positioned) = &mut *RwLockUpgradableReadGuard::upgrade(shared) {
        positioned.state.give_back(in_use);
    }
}

fn stray_hash(user_id: &str) -> u64 {
    xxh3_64(user_id.as_bytes())
}

impl Partitions for State {
    fn len(&self) -> usize {
        self.partitions.len()
    }

    fn with(&self, partition: usize, look: &mut dyn FnMut(&PartitionState)) {
        if let Some(positioned) = self.partition(Partition(partition as u32)) {
            look(&positioned.state);
        }
    }
}
