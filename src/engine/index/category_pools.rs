//! The pools of all categories. Of one with many rows it is there; of one with few it is made when somebody first asks:
//! each refresh would have to make hundreds, and few are asked for before the next one.

use std::sync::{Arc, OnceLock};

use super::pool::Pool;

/// A pool for each category.
#[derive(Debug, Default)]
pub struct CategoryPools {
    made: Box<[OnceLock<CategoryPool>]>,
}

/// The best live rows of a category.
#[derive(Clone, Debug, Default)]
pub(super) struct CategoryPool {
    /// The rows.
    pub pool: Arc<Pool>,
    /// Whether one of its rows may have popularity: where none has, only age decides.
    pub popular: bool,
}

impl CategoryPools {
    /// Those of so many categories. None is made.
    pub(super) fn new(len: usize) -> Self {
        Self { made: (0..len).map(|_| OnceLock::new()).collect() }
    }

    /// Puts in one that is made.
    pub(super) fn put(&mut self, category: u32, pool: CategoryPool) {
        if let Some(made) = self.made.get_mut(category as usize) {
            *made = OnceLock::from(pool);
        }
    }

    /// That of a category, if it is made.
    pub(super) fn made(&self, category: u32) -> Option<&CategoryPool> {
        self.made.get(category as usize)?.get()
    }

    /// That of a category, if there is such a category. Two who ask at once both make it, as neither is to wait for
    /// the other: it is the same.
    pub(super) fn get_or_make(&self, category: u32, make: impl FnOnce() -> Pool) -> Option<&Pool> {
        let made = self.made.get(category as usize)?;
        if made.get().is_none() {
            let pool = CategoryPool { pool: Arc::new(make()), popular: true };
            // Another one was faster.
            let _ = made.set(pool);
        }
        made.get().map(|made| &*made.pool)
    }
}
