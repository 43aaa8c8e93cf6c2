//! What is known of the rows that a [`TopView`](super::top_view::TopView) does not keep.

use super::order::{Entry, Key, Order};
use super::signals::{Scale, Signals};
use crate::engine::rank::topk;

/// What is known of the rows that are ranked and not kept.
#[derive(Debug)]
pub(super) struct Others {
    /// The scale that scores hold for here.
    scale: Scale,
    /// The best of them: none that is like it comes before it. Many rows may be exactly alike, as those with one click in the
    /// week: their order among themselves is that of ranks, however scores drift.
    best: Entry,
    /// None of those that are not like the best is worth more.
    bound: f64,
    /// None of their signals is more.
    most: Signals,
}

impl Others {
    /// Takes in a row that is not kept.
    pub fn add(others: &mut Option<Self>, entry: Entry, order: &impl Order) {
        let new =
            || Self { scale: *order.scale(), best: entry, bound: f64::NEG_INFINITY, most: entry.signals };
        let others = others.get_or_insert_with(new);
        others.most.raise(&entry.signals);
        if entry.signals == others.best.signals {
            if entry.rank < others.best.rank {
                others.best = entry;
            }
            return;
        }
        let score = |entry: &Entry| order.score(&others.scale, &entry.signals);
        let (this, best) = (score(&entry), score(&others.best));
        if topk::key(this, entry.rank, 0) < topk::key(best, others.best.rank, 0) {
            others.bound = others.bound.max(best);
            others.best = entry;
        } else {
            others.bound = others.bound.max(this);
        }
    }

    /// Takes in that a row which is to be one of them has changed; false if it is to be kept instead.
    pub fn take_in(&mut self, entry: &Entry, order: &impl Order) -> bool {
        let leads = if entry.signals == self.best.signals {
            entry.rank < self.best.rank
        } else {
            order.score(&self.scale, &entry.signals) > self.bound
        };
        if !leads {
            self.most.raise(&entry.signals);
        }
        !leads
    }

    /// Takes in that the best of them may have another rank. It is told apart from the others by that even after it
    /// has left the view.
    pub fn rerank(&mut self, order: &impl Order) {
        self.best.rank = order.rank(self.best.row);
    }

    /// Whether all of them come after a row that stands there.
    pub fn come_after(&self, last: Key, order: &impl Order) -> bool {
        // Sums of rounded parts: two that are that close may be either way round.
        let risen = order.risen(&self.scale, &self.most);
        let rounding = 1e-9 * (self.bound.abs() + risen);
        let below = self.bound == f64::NEG_INFINITY || topk::score_of(last) > self.bound + risen + rounding;
        below && last < self.best.key(0, order)
    }
}
