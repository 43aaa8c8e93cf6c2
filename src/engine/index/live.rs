//! The index of now: kept up to date from what changes.
//!
//! A refresh takes in the events that were applied since the one before, takes off what has left the
//! windows, and makes new pools for the models whose pools that changes. Facts are only looked at as a
//! whole when a partition comes or goes, or when more has happened than is noted. What has changed in the catalog
//! is taken in row by row.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::baseline::Baseline;
use super::collect::collect;
use super::item_counts::ChangingCounts;
use super::item_scores::Shared;
use super::layout::{Layout, NOWHERE};
use super::listing::News;
use super::liveness::{ChangingLiveness, Liveness};
use super::partition_map::PartitionMap;
use super::partitions::Partitions;
use super::patch::Patch;
use super::pools::Pools;
use super::sliding_counts::SlidingCounts;
use super::views::Views;
use crate::engine::config::MINUTE;
use crate::engine::events::event::Timestamp;
use crate::engine::facts::intern::Interner;
use crate::engine::facts::numbers::Numbering;
use crate::engine::facts::popularity::Changes;
use crate::engine::facts::state::PartitionState;
use crate::engine::rank::model::Model;
use crate::engine::rank::models::ModelSet;
use crate::engine::windows::sliding::WindowSet;

/// Names to look up at a time.
const NAMES: usize = 256;
/// Pools are filled anew after this part of a half-life though nothing has happened: new items sink
/// below popular ones as they age.
const PART_OF_HALF_LIFE: i64 = 128;
/// A clock that is set back by less stands still until it has caught up. After more, everything is counted for the
/// time that it tells, ms.
const SET_BACK: i64 = MINUTE;

/// Pools of now by model.
pub type LivePools = BTreeMap<String, Arc<Pools>>;

/// The index of now.
#[derive(Debug, Default)]
pub struct LiveIndex {
    layout: Arc<Layout>,
    /// Whether the layout was made anew since the last refresh.
    laid_out: bool,
    /// What has changed in it since then, if it was not.
    patch: Patch,
    /// The items that events name, numbered across partitions: their slots.
    names: Interner,
    /// By slot.
    rows: Vec<u32>,
    partitions: Vec<Followed>,
    windows: Option<WindowSet>,
    counts: Vec<Counted>,
    changing_liveness: ChangingLiveness,
    /// That of the last refresh.
    liveness: Arc<Liveness>,
    /// The rows that the last refresh made live or found not to be any more.
    turned: Vec<u32>,
    /// The instant of the last refresh.
    as_of: Option<Timestamp>,
    views: BTreeMap<String, Views>,
    pools: LivePools,
    oldest_change: Timestamp,
}

/// A partition whose changes are followed.
#[derive(Debug, Default)]
struct Followed {
    /// Which state, and how it is numbered; none while it is not here.
    numbering: Option<Numbering>,
    map: Arc<PartitionMap>,
    /// By the partition's number of an item.
    slots: Vec<u32>,
    floor: Timestamp,
}

/// The counts of one set of event types.
#[derive(Debug)]
struct Counted {
    sliding: SlidingCounts,
    by_row: ChangingCounts,
    /// Whether `by_row` has been counted for a layout.
    is_laid_out: bool,
    /// The rows whose counts the last refresh changed, ascending.
    changed: Vec<u32>,
}

impl LiveIndex {
    /// The layout that it is made for.
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// Takes in what its layout lacks, for the next refresh.
    pub fn lay_out(&mut self, news: News) {
        let (layout, patch) = self.layout.with(news);
        self.layout = Arc::new(layout);
        match patch {
            Some(patch) => self.patch.append(patch),
            None => self.laid_out = true,
        }
    }

    /// The pools of the last refresh.
    pub fn pools(&self) -> &LivePools {
        &self.pools
    }

    /// The time of the oldest event that the last refresh took in: the end of time if it took in none, the
    /// beginning if it counted all facts.
    pub fn oldest_change(&self) -> Timestamp {
        self.oldest_change
    }

    /// Brings everything up to an instant, for these models.
    pub fn refresh(
        &mut self,
        partitions: &(impl Partitions + ?Sized),
        models: &ModelSet,
        now: Timestamp,
    ) -> &LivePools {
        if self.as_of.is_some_and(|as_of| as_of.0.saturating_sub(now.0) > SET_BACK) {
            let layout = std::mem::take(&mut self.layout);
            *self = Self { layout, laid_out: true, ..Self::default() };
        }
        // What has left a window does not come back.
        let now = self.as_of.map_or(now, |as_of| now.max(as_of));
        self.as_of = Some(now);
        let known = self.counts.iter().map(|counted| counted.sliding.types()).collect::<Vec<u32>>();
        let followed =
            self.follow(partitions) && models.iter().all(|model| known.contains(&model.positive_types()));
        if !followed {
            self.begin_anew(partitions, models, now);
        }
        for counted in &mut self.counts {
            counted.sliding.advance(now);
        }
        if self.laid_out {
            self.patch = Patch::default();
            let row = |name| self.layout.row(name).unwrap_or(NOWHERE);
            self.rows = self.names.names().map(row).collect();
            self.changing_liveness = ChangingLiveness::new(&self.layout, now);
            self.liveness = Arc::new(self.changing_liveness.live().clone());
            self.views.clear();
        } else {
            let new = self.names.names_from(self.rows.len());
            self.rows.extend(new.map(|name| self.layout.row(name).unwrap_or(NOWHERE)));
            self.change_liveness(now);
        }
        self.count_rows();
        self.fill(models, now);
        (self.laid_out, self.patch) = (false, Patch::default());
        &self.pools
    }

    fn change_liveness(&mut self, now: Timestamp) {
        self.turned.clear();
        for before in &self.patch.rows {
            self.changing_liveness.change(&self.layout, before.row, before.item.as_deref());
        }
        if self.changing_liveness.live().next_change() <= now {
            self.turned = self.changing_liveness.advance(&self.layout, now);
        }
        if !self.turned.is_empty() || !self.patch.is_empty() {
            self.liveness = Arc::new(self.changing_liveness.live().clone());
        }
    }

    /// Takes in what was applied since the last refresh; false if that can't be told.
    fn follow(&mut self, partitions: &(impl Partitions + ?Sized)) -> bool {
        self.oldest_change = Timestamp(i64::MAX);
        let mut whole = self.partitions.len() == partitions.len();
        self.partitions.resize_with(partitions.len(), Followed::default);
        for (partition, followed) in self.partitions.iter_mut().enumerate() {
            if self.laid_out {
                followed.map = Arc::default();
                followed.number_all(partitions, partition, &self.layout, &mut self.names);
            } else if !self.patch.is_empty() {
                followed.patch(partitions, partition, &self.layout, &self.patch);
            }
            let mut here = None;
            let mut changes = Changes::default();
            partitions.with(partition, &mut |state| {
                here = Some(state.numbering());
                changes = state.take_changes();
                if followed.numbering == here {
                    followed.number(&self.layout, &mut self.names, state, usize::MAX);
                    followed.floor = state.floor();
                }
            });
            self.oldest_change =
                changes.oldest.map_or(self.oldest_change, |oldest| oldest.min(self.oldest_change));
            whole &= here == followed.numbering && !changes.lost;
            if !whole {
                continue;
            }
            for event in changes.events {
                let slot = followed.slots[event.item as usize];
                self.counts.iter_mut().for_each(|counted| counted.sliding.add(slot, &event.into()));
            }
        }
        whole
    }

    /// Counts all facts.
    fn begin_anew(&mut self, partitions: &(impl Partitions + ?Sized), models: &ModelSet, now: Timestamp) {
        self.oldest_change = Timestamp(i64::MIN);
        let mut types: Vec<u32> = models.iter().map(|model| model.positive_types()).collect();
        types.sort_unstable();
        types.dedup();
        (self.names, self.rows, self.counts) = (Interner::default(), Vec::new(), Vec::new());
        for (partition, followed) in self.partitions.iter_mut().enumerate() {
            let map = std::mem::take(followed).map;
            let map = if self.laid_out { Arc::default() } else { map };
            let Some(collected) = collect(partitions, partition, &self.layout, map, true) else { continue };
            followed.map = collected.map;
            followed.floor = collected.floor;
            followed.numbering = Some(collected.numbering);
            followed.number_all(partitions, partition, &self.layout, &mut self.names);
            if self.counts.is_empty() {
                let counted = |types: &u32| Counted::new(*types, collected.windows.clone(), now);
                self.counts = types.iter().map(counted).collect();
                self.windows = Some(collected.windows.clone());
            }
            for fact in &collected.facts {
                // One that was replaced meanwhile is found to be so by the next refresh.
                let Some(slot) = followed.slots.get(fact.item as usize) else { continue };
                self.counts.iter_mut().for_each(|counted| counted.sliding.add(*slot, fact));
            }
        }
        if self.counts.is_empty() {
            let windows = WindowSet::new(&[]);
            self.counts = types.iter().map(|types| Counted::new(*types, windows.clone(), now)).collect();
            self.windows = Some(windows);
        }
        self.pools.clear();
        self.views.clear();
    }

    /// Makes the counts by row of those by slot.
    fn count_rows(&mut self) {
        for row in &self.patch.come_or_gone {
            if let Some(slot) = self.names.get(self.layout.id(*row)) {
                self.rows[slot as usize] = if self.layout.is_deleted(*row) { NOWHERE } else { *row };
            }
        }
        let windows = self.windows.as_ref().map_or(0, WindowSet::len);
        let row = |slot: u32| self.rows.get(slot as usize).copied().filter(|row| *row != NOWHERE);
        for counted in &mut self.counts {
            let changed = counted.sliding.take_changed();
            if self.laid_out || !counted.is_laid_out {
                counted.by_row = ChangingCounts::new(windows, self.layout.len());
                counted.is_laid_out = true;
                for (slot, counts) in counted.sliding.active() {
                    if let Some(row) = row(slot) {
                        counted.by_row.set(row, counts);
                    }
                }
                continue;
            }
            counted.changed.clear();
            let none = vec![0; windows];
            counted.by_row.grow(self.layout.len());
            for row in &self.patch.come_or_gone {
                let slot = self.names.get(self.layout.id(*row)).filter(|_| !self.layout.is_deleted(*row));
                let counts = slot.and_then(|slot| counted.sliding.get(slot));
                counted.by_row.set(*row, counts.unwrap_or(&none));
            }
            for slot in changed {
                if let Some(row) = row(slot) {
                    counted.by_row.set(row, counted.sliding.get(slot).unwrap_or(&none));
                    counted.changed.push(row);
                }
            }
            counted.changed.sort_unstable();
        }
    }

    fn fill(&mut self, models: &ModelSet, now: Timestamp) {
        let floors = self.partitions.iter().filter(|followed| followed.numbering.is_some());
        let floor = floors.map(|followed| followed.floor).max().unwrap_or(Timestamp(i64::MIN));
        let maps: Vec<Arc<PartitionMap>> =
            self.partitions.iter().map(|followed| Arc::clone(&followed.map)).collect();
        let mut filled = LivePools::new();
        for model in models.iter() {
            let Some(counted) =
                self.counts.iter().find(|counted| counted.sliding.types() == model.positive_types())
            else {
                continue;
            };
            let before = self.pools.get(&model.name);
            let before = before.filter(|pools| !self.laid_out && pools.model == *model);
            let shared = Shared {
                layout: Arc::clone(&self.layout),
                as_of: now,
                floor,
                maps: maps.clone(),
                liveness: Arc::clone(&self.liveness),
                counts: Arc::clone(counted.by_row.counts()),
                windows: self.windows.clone().unwrap_or_else(|| WindowSet::new(&[])),
            };
            let pools = match before {
                Some(before) if self.still_holds(before, &shared) => Arc::clone(before),
                _ => {
                    let views = self.views.entry(model.name.clone()).or_insert_with(|| Views::new(model));
                    let patched: Vec<u32> = self.patch.rows.iter().map(|before| before.row).collect();
                    let mut changed = [&counted.changed[..], &self.turned, &patched].concat();
                    changed.sort_unstable();
                    changed.dedup();
                    Arc::new(fill_pools(&shared, model, views, &changed, &self.patch, before))
                }
            };
            filled.insert(model.name.clone(), pools);
        }
        self.views.retain(|name, _| filled.contains_key(name));
        self.pools = filled;
    }

    fn still_holds(&self, pools: &Pools, now: &Shared) -> bool {
        let same_maps = pools.maps.len() == now.maps.len()
            && pools.maps.iter().zip(&now.maps).all(|(before, map)| Arc::ptr_eq(before, map));
        let age = now.as_of.0.saturating_sub(pools.as_of.0);
        same_maps
            && Arc::ptr_eq(&pools.layout, &now.layout)
            && pools.floor == now.floor
            && Arc::ptr_eq(&pools.counts, &now.counts)
            && Arc::ptr_eq(&pools.liveness, &now.liveness)
            && age < pools.model.half_life / PART_OF_HALF_LIFE
    }
}

/// The pools of a model, from what has changed since it had those before, if it had any that go on.
fn fill_pools(
    shared: &Shared,
    model: &Arc<Model>,
    views: &mut Views,
    changed: &[u32],
    patch: &Patch,
    before: Option<&Arc<Pools>>,
) -> Pools {
    let Some((before, mut baseline)) = before
        .map(|before| (before, Arc::clone(&before.baseline)))
        .filter(|(_, baseline)| baseline.serves(model, shared.as_of))
    else {
        *views = Views::new(model);
        let baseline = Baseline::new(&shared.layout, model, shared.as_of);
        return views.pools(shared, Arc::clone(model), baseline, None);
    };
    if !patch.is_empty() {
        let baseline = Arc::make_mut(&mut baseline);
        patch.rows.iter().for_each(|before| baseline.change(&shared.layout, model, before.row));
    }
    if !patch.reranked.is_empty() {
        views.rerank(shared, model, &baseline, &patch.reranked);
    }
    views.update(shared, model, &baseline, changed, &patch.rows);
    views.pools(shared, Arc::clone(model), baseline, Some(before))
}

impl Counted {
    fn new(types: u32, windows: WindowSet, now: Timestamp) -> Self {
        let sliding = SlidingCounts::new(types, windows, now);
        Self { sliding, by_row: ChangingCounts::default(), is_laid_out: false, changed: Vec::new() }
    }
}

impl Followed {
    /// Takes in the names that the state has numbered since, a few at a time.
    fn number_all(
        &mut self,
        partitions: &(impl Partitions + ?Sized),
        partition: usize,
        layout: &Layout,
        names: &mut Interner,
    ) {
        let mut more = true;
        while more {
            more = false;
            partitions.with(partition, &mut |state| {
                more = self.numbering == Some(state.numbering()) && self.number(layout, names, state, NAMES);
            });
        }
    }

    /// Takes in what has changed in the layout, a few names at a time.
    fn patch(
        &mut self,
        partitions: &(impl Partitions + ?Sized),
        partition: usize,
        layout: &Layout,
        patch: &Patch,
    ) {
        let rows = patch.come_or_gone.chunks(NAMES).map(|rows| (rows, &[][..]));
        let categories = patch.categories.chunks(NAMES).map(|categories| (&[][..], categories));
        for (rows, categories) in rows.chain(categories) {
            partitions.with(partition, &mut |state| {
                if self.map.is_of(state) {
                    Arc::make_mut(&mut self.map).patch(layout, state, rows, categories);
                }
            });
        }
    }

    /// Takes in up to `limit` of the names that the state has numbered since; whether there are more.
    fn number(
        &mut self,
        layout: &Layout,
        names: &mut Interner,
        state: &PartitionState,
        limit: usize,
    ) -> bool {
        if !self.map.is_of(state) {
            self.map = Arc::new(PartitionMap::of(state));
        }
        if !self.map.covers(state) {
            Arc::make_mut(&mut self.map).extend(layout, state, limit);
        }
        let new = state.items().names_from(self.slots.len()).take(limit);
        self.slots.extend(new.map(|name| names.intern(name, usize::MAX).unwrap_or(NOWHERE)));
        !self.map.covers(state) || self.slots.len() < state.items().len()
    }
}
