//! Which items may be in a list.

use std::collections::BTreeMap;

use crate::engine::events::event::Timestamp;
use crate::engine::index::layout::Layout;

/// Conditions that an item must meet, all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// At least one of these categories; empty: any.
    pub categories_any: Vec<String>,
    /// None of these categories.
    pub categories_none: Vec<String>,
    /// Each of these attributes with this value.
    pub attributes: BTreeMap<String, String>,
    /// Created after this instant; an item of unknown age does not pass.
    pub created_after: Option<Timestamp>,
}

/// A filter in a layout's numbers.
#[derive(Debug)]
pub struct CompiledFilter<'a> {
    any: Option<Vec<u32>>,
    none: Vec<u32>,
    attributes: &'a BTreeMap<String, String>,
    created_after: Option<Timestamp>,
}

impl Filter {
    /// Whether every item passes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The filter in a layout's numbers.
    pub fn compile<'a>(&'a self, layout: &Layout) -> CompiledFilter<'a> {
        let numbers = |names: &[String]| names.iter().filter_map(|name| layout.category(name)).collect();
        CompiledFilter {
            any: (!self.categories_any.is_empty()).then(|| numbers(&self.categories_any)),
            none: numbers(&self.categories_none),
            attributes: &self.attributes,
            created_after: self.created_after,
        }
    }
}

impl CompiledFilter<'_> {
    /// The categories of which an item must have one, or none if any will do.
    pub fn wanted(&self) -> &[u32] {
        self.any.as_deref().unwrap_or(&[])
    }

    /// Whether a row's item meets the conditions.
    pub fn passes(&self, layout: &Layout, row: u32) -> bool {
        let categories = layout.categories(row);
        if self.any.as_ref().is_some_and(|any| !categories.iter().any(|category| any.contains(category))) {
            return false;
        }
        if categories.iter().any(|category| self.none.contains(category)) {
            return false;
        }
        let item = layout.item(row);
        let has =
            |(key, value): (&String, &String)| item.is_some_and(|item| item.attribute(key) == Some(value));
        let young =
            |after| item.and_then(|item| item.created_at()).is_some_and(|created_at| created_at > after);
        self.attributes.iter().all(has) && self.created_after.is_none_or(young)
    }
}
