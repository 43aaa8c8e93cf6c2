//! What an interest is divided into: rarer categories say more, and an item's categories share one another's place.

use crate::engine::events::event::MAX_CATEGORIES;
use crate::engine::index::layout::Layout;
use crate::engine::rank::model::Model;

/// A whole part of this is a multiple of 2^-44. Sums of such parts are exact, in whatever order they are added up, as long
/// as they stay below 2^9, which those of 16 categories do.
const STEP: f64 = 384.0;

/// The nearest number that adds up exactly: off by 3e-14 at most.
#[inline]
pub(super) fn exact(part: f64) -> f64 {
    // 1.5 * 2^8: between it and the next power of two doubles are 2^-44 apart.
    (part + STEP) - STEP
}

/// What a category says by how many items have it: 1 less a share of `ln(1 + its items) / ln(1 + all items)`.
pub(super) struct Rarity<'a> {
    layout: &'a Layout,
    each: f64,
}

impl<'a> Rarity<'a> {
    pub fn new(model: &Model, layout: &'a Layout) -> Self {
        let all = layout.items_len().max(1) as f64;
        Self { layout, each: model.rarity / all.ln_1p() }
    }

    /// In [0, 1].
    #[inline]
    pub fn of(&self, category: u32) -> f64 {
        // Most models that are old say that all categories say as much.
        if self.each == 0.0 {
            return 1.0;
        }
        let items = self.layout.members_len(category) as f64;
        (1.0 - self.each * items.ln_1p()).max(0.0)
    }
}

/// What each of an item's categories counts for, by how many it has.
#[derive(Debug)]
pub(super) struct Dilution {
    power: f64,
    shares: [f64; MAX_CATEGORIES + 1],
}

impl Default for Dilution {
    fn default() -> Self {
        Self { power: 0.0, shares: [1.0; MAX_CATEGORIES + 1] }
    }
}

impl Dilution {
    /// Takes over what a model says.
    pub fn set(&mut self, power: f64) {
        if power != self.power {
            self.power = power;
            for (categories, share) in (1..).zip(self.shares.iter_mut().skip(1)) {
                *share = f64::from(categories).powf(-power);
            }
        }
    }

    /// That of so many categories; no item has more than [`MAX_CATEGORIES`].
    #[inline]
    pub fn of(&self, categories: usize) -> f64 {
        self.shares.get(categories).copied().unwrap_or_default()
    }
}
