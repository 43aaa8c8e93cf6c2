//! Pools of an instant, from all facts: for an instant that somebody asks for.

use std::sync::Arc;

use super::baseline::Baseline;
use super::collect::collect;
use super::item_counts::ItemCounts;
use super::item_scores::Shared;
use super::layout::Layout;
use super::liveness::Liveness;
use super::partitions::Partitions;
use super::pools::Pools;
use super::views::Views;
use crate::engine::events::event::Timestamp;
use crate::engine::rank::model::Model;
use crate::engine::windows::sliding::WindowSet;

impl Pools {
    /// Computes the pools of an instant from all facts.
    pub fn build(
        layout: Arc<Layout>,
        partitions: &(impl Partitions + ?Sized),
        model: Arc<Model>,
        as_of: Timestamp,
    ) -> Self {
        let (mut maps, mut floor, mut facts) = (Vec::new(), Timestamp(i64::MIN), Vec::new());
        let mut windows = WindowSet::new(&[]);
        for partition in 0..partitions.len() {
            let Some(collected) = collect(partitions, partition, &layout, Arc::default(), false) else {
                maps.push(Arc::default());
                continue;
            };
            let map = collected.map;
            let rows = collected.facts.into_iter().map(|fact| (map.known_row(fact.item), fact));
            facts.extend(rows.filter_map(|(row, fact)| Some((row?, fact))));
            floor = floor.max(collected.floor);
            windows = collected.windows;
            maps.push(map);
        }
        let counts = Arc::new(ItemCounts::of(&windows, layout.len(), model.positive_types(), as_of, &facts));
        let liveness = Arc::new(Liveness::new(&layout, as_of));
        let baseline = Baseline::new(&layout, &model, as_of);
        let shared = Shared { layout, as_of, floor, maps, liveness, counts, windows };
        Views::new(&model).pools(&shared, model, baseline, None)
    }
}
