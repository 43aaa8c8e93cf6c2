//! Views of the categories with many rows, from which their pools are made at each refresh.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::category_pools::{CategoryPool, CategoryPools};
use super::filling::Filling;
use super::item_scores::{ByWorth, ItemScores};
use super::layout::{Layout, NOWHERE};
use super::patch::Before;
use super::top_view::TopView;
use crate::engine::rank::model::Model;

/// What is kept from one filling to the next.
#[derive(Debug, Default)]
pub(super) struct CategoryViews {
    /// Those rows of each category with many that age alone does not rank. None: to be looked for.
    views: Option<BTreeMap<u32, TopView>>,
    /// The categories of rows that have changed since pools were last filled.
    changed: Vec<u32>,
}

impl CategoryViews {
    /// Takes in that rows have changed, ascending. Those whose items have changed come with what they were `before`.
    pub fn update(&mut self, scores: &ItemScores<'_>, changed: &[u32], before: &[Before]) {
        let Some(views) = &mut self.views else { return };
        let layout = scores.layout;
        let sets = || before.iter().flat_map(|before| [before.set, layout.category_set(before.row)]);
        for category in sets().flat_map(|set| layout.members(set)) {
            // One that has come to have many is to be filled.
            if !Filling::has_many(layout, scores.model, *category) {
                views.remove(category);
            } else if !views.contains_key(category) {
                views.insert(*category, view(scores.model));
            }
        }
        if views.is_empty() {
            return;
        }
        let is_kept = |category: &u32| views.contains_key(category);
        let left = by_category(layout, before.iter().map(|before| (before.set, before.row)), is_kept);
        let now = changed.iter().map(|row| (layout.category_set(*row), *row));
        let now = by_category(layout, now, is_kept);
        for (category, rows) in &left {
            if let Some(view) = views.get_mut(category) {
                view.remove(rows);
            }
        }
        for (category, rows) in &now {
            if let Some(view) = views.get_mut(category) {
                view.update(rows, &ByWorth(scores));
            }
        }
        self.changed.extend(left.iter().chain(&now).map(|(category, _)| *category));
    }

    /// Takes in that these rows have other ranks, in the same order.
    pub fn rerank(&mut self, scores: &ItemScores<'_>, rows: &[u32]) {
        let Some(views) = &mut self.views else { return };
        // A view may know of a row that is not of its category any more.
        views.values_mut().for_each(|view| view.rerank_others(&ByWorth(scores)));
        for category in categories_of(scores.layout, rows) {
            if let Some(view) = views.get_mut(&category) {
                view.rerank(&ByWorth(scores));
            }
            self.changed.push(category);
        }
    }

    /// The pools of an instant. `before` are earlier ones of the same baseline, whose unchanged parts are taken
    /// over.
    pub fn pools(&mut self, scores: &ItemScores<'_>, before: Option<&CategoryPools>) -> CategoryPools {
        let (filling, layout) = (Filling::new(scores), scores.layout);
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        let mut pools = CategoryPools::new(layout.categories_len());
        for (category, view) in self.views.get_or_insert_with(|| fill(scores)) {
            let members = || layout.members_newest_first(*category);
            let best = view.top(&ByWorth(scores), members, |worth, entry| (worth, entry.row));
            // Without popularity an item is worth what it was, less by a factor that all have in common.
            let by_age = best.is_empty() && scores.goes_by_age();
            let unchanged = before.filter(|_| by_age && changed.binary_search(category).is_err());
            let known = unchanged.and_then(|before| before.made(*category)).filter(|known| !known.popular);
            let pool = known.cloned().unwrap_or_else(|| CategoryPool {
                popular: !by_age,
                pool: Arc::new(filling.of_many(*category, best)),
            });
            pools.put(*category, pool);
        }
        pools
    }
}

/// The views of all categories with many rows, filled.
fn fill(scores: &ItemScores<'_>) -> BTreeMap<u32, TopView> {
    let layout = scores.layout;
    let all = 0..layout.categories_len() as u32;
    let many: Vec<u32> = all.filter(|category| Filling::has_many(layout, scores.model, *category)).collect();
    if many.is_empty() {
        return BTreeMap::new();
    }
    let mut places = vec![NOWHERE; layout.categories_len()];
    for (place, category) in (0..).zip(&many) {
        places[*category as usize] = place;
    }
    let groups = |row| {
        let places = layout.categories(row).iter().map(|category| places[*category as usize]);
        places.filter(|place| *place != NOWHERE).map(|place| place as usize)
    };
    let rows = 0..layout.len() as u32;
    let filled = TopView::of_groups(many.len(), &view(scores.model), &ByWorth(scores), rows, groups);
    many.into_iter().zip(filled).collect()
}

/// A view of a category, to be filled.
fn view(model: &Model) -> TopView {
    let limit = model.candidates.per_category;
    TopView::new(limit, limit / 2)
}

/// The categories of rows, ascending. Many rows share a set of them.
fn categories_of(layout: &Layout, rows: &[u32]) -> Vec<u32> {
    let mut sets: Vec<u32> = rows.iter().map(|row| layout.category_set(*row)).collect();
    sets.sort_unstable();
    sets.dedup();
    let mut categories: Vec<u32> = sets.iter().flat_map(|set| layout.members(*set)).copied().collect();
    categories.sort_unstable();
    categories.dedup();
    categories
}

/// Rows by the categories of their sets, both ascending, of those categories that are kept.
fn by_category(
    layout: &Layout,
    rows: impl Iterator<Item = (u32, u32)>,
    is_kept: impl Fn(&u32) -> bool,
) -> Vec<(u32, Vec<u32>)> {
    let categories = |(set, row)| {
        let kept = layout.members(set).iter().filter(|category| is_kept(category));
        kept.map(move |category| (*category, row))
    };
    let mut pairs: Vec<(u32, u32)> = rows.flat_map(categories).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let rows = |same: &[(u32, u32)]| (same[0].0, same.iter().map(|(_, row)| *row).collect());
    pairs.chunk_by(|a, b| a.0 == b.0).map(rows).collect()
}
