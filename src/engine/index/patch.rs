//! A layout goes on from change to change of the catalog: each costs what it changes, whatever the number of
//! rows.

use std::sync::Arc;

use super::category_table::NO_CATEGORIES;
use super::layout::Layout;
use super::listing::{Changes, News};
use super::ranks;
use crate::engine::events::catalog_item::CatalogItem;

/// What changes of the catalog have done to a layout.
#[derive(Debug, Default)]
pub(super) struct Patch {
    /// Each row whose item has changed, with what it was before.
    pub rows: Vec<Before>,
    /// The rows that have got an item or lost it.
    pub come_or_gone: Vec<u32>,
    /// The categories that have got their first row or lost their last one.
    pub categories: Vec<u32>,
    /// The rows that have other ranks than before, in the same order.
    pub reranked: Vec<u32>,
}

/// What a row was.
#[derive(Debug)]
pub(super) struct Before {
    pub row: u32,
    pub item: Option<Arc<CatalogItem>>,
    pub set: u32,
}

impl Patch {
    /// Whether nothing has changed.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Takes in what was done afterwards.
    pub fn append(&mut self, mut later: Self) {
        self.rows.append(&mut later.rows);
        self.come_or_gone.append(&mut later.come_or_gone);
        self.categories.append(&mut later.categories);
        self.reranked.append(&mut later.reranked);
    }
}

impl Layout {
    /// The layout that goes on with what has come. Together with it comes what has changed, if it is not all
    /// anew.
    pub(super) fn with(&self, news: News) -> (Self, Option<Patch>) {
        match news {
            News::Whole(listing) => (Self::of(listing), None),
            News::Changes(changes) => {
                let mut layout = self.clone();
                let patch = layout.patch(changes);
                (layout, Some(patch))
            }
        }
    }

    /// The layout that goes on with what has come.
    pub fn updated(&self, news: News) -> Self {
        self.with(news).0
    }

    fn patch(&mut self, Changes { key, mut items }: Changes) -> Patch {
        self.key = key;
        items.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        items.dedup_by(|(a, _), (b, _)| a == b);
        let mut patch = Patch::default();
        for (id, item) in items {
            let row = match (self.row_of_any(&id), &item) {
                (Some(row), _) => row,
                (None, Some(_)) => self.add(id, &mut patch),
                (None, None) => continue,
            };
            self.change(row, item, &mut patch);
        }
        // Where many come in one place, the same rows get another rank again and again.
        patch.reranked.sort_unstable();
        patch.reranked.dedup();
        patch
    }

    /// Adds an empty row.
    fn add(&mut self, id: Arc<str>, patch: &mut Patch) -> u32 {
        let row = self.push(Arc::clone(&id), None, NO_CATEGORIES);
        self.deleted += 1;
        let columns = &self.columns;
        let block = self.by_id.insert(row, |other| columns.id(other).cmp(&id));
        patch.reranked.extend(ranks::rank(&mut self.columns.ranks, &self.by_id, block, row));
        row
    }

    /// Gives a row another item, or none.
    fn change(&mut self, row: u32, item: Option<Arc<CatalogItem>>, patch: &mut Patch) {
        let before = Before { row, item: self.columns.item(row).cloned(), set: self.category_set(row) };
        let created_at = |item: &Option<Arc<CatalogItem>>| item.as_ref().and_then(|item| item.created_at());
        let names = item.iter().flat_map(|item| item.categories());
        let members: Vec<u32> = names.map(|name| self.categories.intern(name)).collect();
        let set = self.categories.intern_set(&members);
        let (gone, come) = (item.is_none(), before.item.is_none());
        if gone && come {
            return;
        }
        let moves = gone || come || set != before.set || created_at(&before.item) != created_at(&item);
        if moves {
            self.take_out(row, patch);
        }
        self.columns.items.set(row as usize, item);
        self.columns.category_sets.set(row as usize, set);
        self.categories.move_row(before.set, set);
        if moves && !gone {
            self.put_in(row, patch);
        }
        if gone != come {
            self.deleted = if gone { self.deleted + 1 } else { self.deleted - 1 };
            patch.come_or_gone.push(row);
        }
        patch.rows.push(before);
    }

    /// Takes a row out of the orders by age.
    fn take_out(&mut self, row: u32, patch: &mut Patch) {
        let Self { columns, categories, by_age, .. } = self;
        let age = columns.age(row);
        let order = |other: u32| columns.age(other).cmp(&age);
        by_age.remove(row, order);
        for category in categories.set(columns.category_set(row)).to_vec() {
            categories.take_out(category, row, order);
            if categories.is_empty(category) {
                patch.categories.push(category);
            }
        }
    }

    /// Puts a row into the orders by age.
    fn put_in(&mut self, row: u32, patch: &mut Patch) {
        let Self { columns, categories, by_age, .. } = self;
        let age = columns.age(row);
        let order = |other: u32| columns.age(other).cmp(&age);
        if age.0.0.is_some() {
            by_age.insert(row, order);
        }
        for category in categories.set(columns.category_set(row)).to_vec() {
            if categories.is_empty(category) {
                patch.categories.push(category);
            }
            categories.put_in(category, row, order);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::events::catalog::Catalog;
    use crate::engine::events::item::{Item, ItemChange};

    fn put(catalog: &mut Catalog, id: &str, category: &str) {
        catalog.apply(ItemChange::Put(Item::new(id, [category])), usize::MAX);
    }

    fn told(layout: &Layout) -> Vec<(String, Option<String>)> {
        let main = |row| layout.categories(row).first().map(|main| layout.category_name(*main).to_owned());
        layout.in_order().map(|row| (layout.id(row).to_owned(), main(row))).collect()
    }

    #[test]
    fn a_layout_goes_on_and_the_one_before_stays_as_it_was() {
        let mut catalog = Catalog::default();
        ["a", "c", "d"].iter().for_each(|id| put(&mut catalog, id, "x"));
        let before = Layout::build(&catalog, &[][..]);
        let had = told(&before);
        put(&mut catalog, "b", "y");
        put(&mut catalog, "c", "y");
        catalog.apply(ItemChange::Delete("a".into()), 0);
        let (after, patch) = before.with(before.news(&catalog, &[][..]).expect("it has changed"));
        let mut patch = patch.expect("it was not made anew");
        assert!(after.news(&catalog, &[][..]).is_none());
        let told_of = |id: &str, main: Option<&str>| (id.to_owned(), main.map(str::to_owned));
        let expected = [("a", None), ("b", Some("y")), ("c", Some("y")), ("d", Some("x"))];
        assert_eq!(told(&after), expected.map(|(id, main)| told_of(id, main)));
        assert_eq!((after.row("a"), after.row("b"), after.row("c")), (None, Some(3), before.row("c")));
        assert_eq!((after.len(), after.items_len()), (4, 3));
        patch.come_or_gone.sort_unstable();
        assert_eq!((patch.come_or_gone, patch.rows.len(), patch.reranked), (vec![0, 3], 3, vec![]));
        assert_eq!(patch.categories, [1], "y, which nothing had");
        assert_eq!((told(&before), before.row("a"), before.row("b")), (had, Some(0), None));
    }

    #[test]
    fn categories_that_come_with_a_few_items_are_no_reason_to_lay_out_a_large_catalog_anew() {
        let mut catalog = Catalog::default();
        (0..6400).for_each(|item| put(&mut catalog, &format!("i{item:04}"), "x"));
        let mut layout = Layout::build(&catalog, &[][..]);
        for step in 0..150 {
            put(&mut catalog, "i0000", &format!("only in {step}"));
            let (next, patch) = layout.with(layout.news(&catalog, &[][..]).expect("it has changed"));
            assert!(patch.is_some(), "laid out anew for category {step}");
            layout = next;
        }
    }

    /// Else a category whose items have had many sets would be one that takes long to score.
    #[test]
    fn a_category_knows_the_sets_that_its_rows_are_of_and_no_others() {
        let mut catalog = Catalog::default();
        let item = |id: &str, also: &str| ItemChange::Put(Item::new(id, ["x", also]));
        (0..6400).for_each(|id| put(&mut catalog, &format!("i{id:04}"), "x"));
        let mut layout = Layout::build(&catalog, &[][..]);
        let sets_of_x = |layout: &Layout| -> Vec<Vec<String>> {
            let x = layout.category("x").expect("some have it");
            let names = |set: &u32| {
                layout.members(*set).iter().map(|member| layout.category_name(*member).to_owned()).collect()
            };
            layout.sets_of(x).flatten().map(names).collect()
        };
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
        let mut change = |change: ItemChange| {
            catalog.apply(change, usize::MAX);
            let (next, patch) = layout.with(layout.news(&catalog, &[][..]).expect("it has changed"));
            assert!(patch.is_some(), "laid out anew");
            layout = next;
            sets_of_x(&layout)
        };
        for step in 0..20 {
            let also = format!("also {step}");
            assert_eq!(change(item("i0007", &also)), [set(&["x"]), set(&["x", &also])]);
        }
        // One of two that are of a set leaves it, then the other one; then it is there again.
        change(item("i0008", "also 19"));
        assert_eq!(change(ItemChange::Delete("i0007".into())).len(), 2);
        assert_eq!(change(item("i0008", "also 3")), [set(&["x"]), set(&["x", "also 3"])]);
        assert_eq!(change(item("new", "also 19")).len(), 3);
        catalog.apply(item("i0001", "also 19"), usize::MAX);
        assert_eq!(sets_of_x(&Layout::build(&catalog, &[][..])).len(), 3, "made anew it is the same");
    }

    #[test]
    fn a_layout_is_made_anew_when_a_quarter_is_empty_and_when_it_has_grown_to_twice_its_size() {
        let rows = |changes: &dyn Fn(&mut Catalog, usize)| {
            let mut catalog = Catalog::default();
            (0..100).for_each(|item| put(&mut catalog, &format!("i{item:03}"), "x"));
            let mut layout = Layout::build(&catalog, &[][..]);
            for step in 0.. {
                changes(&mut catalog, step);
                let (next, patch) = layout.with(layout.news(&catalog, &[][..]).expect("it has changed"));
                if patch.is_none() {
                    return (step, next.len());
                }
                layout = next;
            }
            unreachable!("it goes on for ever")
        };
        let delete = |catalog: &mut Catalog, step: usize| {
            catalog.apply(ItemChange::Delete(format!("i{step:03}")), 0);
        };
        assert_eq!(rows(&delete), (26, 73));
        assert_eq!(rows(&|catalog, step| put(catalog, &format!("new {step}"), "x")), (101, 202));
        let (step, len) = rows(&|catalog, step| put(catalog, "i000", &format!("only in {step}")));
        assert_eq!((step, len), (31, 100), "one of none, and twice 16 others");
    }
}
