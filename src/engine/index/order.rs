//! How rows are ranked at an instant, and where one stands among others.

use super::signals::{Scale, Signals};
use crate::engine::rank::topk;

/// How rows are ranked at an instant: higher scores first, ties by rank.
pub(super) trait Order {
    /// The rank of a row: no two have the same.
    fn rank(&self, row: u32) -> u32;

    /// The scale of the instant.
    fn scale(&self) -> &Scale;

    /// What a row is ranked by; none if it is not ranked.
    fn signals(&self, row: u32) -> Option<Signals>;

    /// The score of a row with these signals, under a scale.
    fn score(&self, scale: &Scale, signals: &Signals) -> f64;

    /// Whether no score is another one than under an earlier scale.
    fn holds_since(&self, from: &Scale) -> bool;

    /// The most by which a score may have risen since an earlier scale, of a row whose signals are at most
    /// these, each by itself.
    fn risen(&self, from: &Scale, most: &Signals) -> f64;

    /// The most by which one may have fallen.
    fn fallen(&self, from: &Scale, most: &Signals) -> f64;
}

/// A row with what it is ranked by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub row: u32,
    pub rank: u32,
    pub signals: Signals,
}

impl Entry {
    /// That of a row, if it is ranked.
    pub fn of(row: u32, order: &impl Order) -> Option<Self> {
        Some(Self { row, rank: order.rank(row), signals: order.signals(row)? })
    }

    /// Where it stands now. The key ends with a number that says whose it is.
    pub fn key(&self, number: u32, order: &impl Order) -> Key {
        topk::key(order.score(order.scale(), &self.signals), self.rank, number)
    }
}

/// A score, the rank of its row, and a number: less for a better row.
pub(super) type Key = u128;

/// The number that a key ends with.
pub(super) fn number_of(key: Key) -> usize {
    (key & Key::from(u32::MAX)) as usize
}
