//! Where records stand: partitions, offsets, and how far each partition has come.
//!
//! A *position* is an offset as well: that of the next record to come. It covers every record before it.
//! Offsets of a partition only rise, but may have holes (compaction, transaction markers), so the next
//! record is not always at the next offset.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// A partition's number in its topic, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Partition(pub u32);

/// A record's number in its partition; as a position, that of the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Offset(pub u64);

/// How a record stands to a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The position covers it.
    Seen,
    /// It is the very next one.
    Next,
    /// It comes after a hole: no record stands at these offsets, or they were missed.
    Gap(Range<Offset>),
}

/// A position in each of some partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Positions(BTreeMap<Partition, Offset>);

impl Partition {
    /// All partitions of a topic that has so many.
    pub fn all(count: u32) -> impl ExactSizeIterator<Item = Self> + Clone {
        (0..count).map(Self)
    }

    /// Its index where partitions lie in a row.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Offset {
    /// Where a partition begins.
    pub const ZERO: Self = Self(0);

    /// The position after the record at this offset.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// How many records there can be from this position up to another one; none if that is not ahead.
    pub const fn until(self, end: Self) -> u64 {
        end.0.saturating_sub(self.0)
    }

    /// How a record stands to this position.
    pub fn arrival(self, record: Self) -> Arrival {
        match record.cmp(&self) {
            Ordering::Less => Arrival::Seen,
            Ordering::Equal => Arrival::Next,
            Ordering::Greater => Arrival::Gap(self..record),
        }
    }

    /// Moves this position past a record, never back, and tells how the record stood to it.
    pub fn advance(&mut self, record: Self) -> Arrival {
        let arrival = self.arrival(record);
        *self = record.next().max(*self);
        arrival
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Positions {
    /// The very beginning of all partitions of a topic that has so many.
    pub fn beginning(partitions: u32) -> Self {
        Partition::all(partitions).map(|partition| (partition, Offset::ZERO)).collect()
    }

    /// The position of a partition, if it is one of these.
    pub fn get(&self, partition: Partition) -> Option<Offset> {
        self.0.get(&partition).copied()
    }

    /// The position of a partition, if it is one of these.
    pub fn get_mut(&mut self, partition: Partition) -> Option<&mut Offset> {
        self.0.get_mut(&partition)
    }

    /// Puts a partition at a position, wherever it was.
    pub fn set(&mut self, partition: Partition, position: Offset) {
        self.0.insert(partition, position);
    }

    /// Puts a partition at a position if it is not one of these yet.
    pub fn set_if_absent(&mut self, partition: Partition, position: impl FnOnce() -> Offset) {
        self.0.entry(partition).or_insert_with(position);
    }

    /// Takes a partition out.
    pub fn remove(&mut self, partition: Partition) -> Option<Offset> {
        self.0.remove(&partition)
    }

    /// Of each partition the position that is further.
    pub fn merge(&mut self, other: &Self) {
        for (partition, position) in other.iter() {
            let ours = self.0.entry(partition).or_default();
            *ours = position.max(*ours);
        }
    }

    /// Whether every record that `other` covers is covered by these. A partition that is not one of these
    /// covers nothing.
    pub fn covers(&self, other: &Self) -> bool {
        other.iter().all(|(partition, position)| self.get(partition).unwrap_or_default() >= position)
    }

    /// The partitions and their positions, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Partition, Offset)> {
        self.0.iter().map(|(partition, position)| (*partition, *position))
    }

    /// The partitions, in order.
    pub fn partitions(&self) -> impl ExactSizeIterator<Item = Partition> {
        self.0.keys().copied()
    }

    /// The positions, in the order of their partitions, to be moved.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (Partition, &mut Offset)> {
        self.0.iter_mut().map(|(partition, position)| (*partition, position))
    }

    /// Whether there is no partition among these.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many partitions there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl FromIterator<(Partition, Offset)> for Positions {
    fn from_iter<T: IntoIterator<Item = (Partition, Offset)>>(positions: T) -> Self {
        Self(positions.into_iter().collect())
    }
}

impl<const N: usize> From<[(Partition, Offset); N]> for Positions {
    fn from(positions: [(Partition, Offset); N]) -> Self {
        positions.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(positions: &[(u32, u64)]) -> Positions {
        positions.iter().map(|(partition, position)| (Partition(*partition), Offset(*position))).collect()
    }

    #[test]
    fn a_record_moves_its_position_by_whether_it_was_seen_is_next_or_comes_after_a_hole() {
        let gap = |from, to| Arrival::Gap(Offset(from)..Offset(to));
        // Position, record, how it stands to it, position then.
        let cases = [
            (0, 0, Arrival::Next, 1),
            (7, 7, Arrival::Next, 8),
            (7, 6, Arrival::Seen, 7),
            (7, 0, Arrival::Seen, 7),
            (7, 8, gap(7, 8), 9),
            (0, 5, gap(0, 5), 6),
            (u64::MAX - 1, u64::MAX - 1, Arrival::Next, u64::MAX),
            (u64::MAX, u64::MAX, Arrival::Next, u64::MAX),
        ];
        for (position, record, expected, then) in cases {
            let mut moved = Offset(position);
            assert_eq!(moved.advance(Offset(record)), expected, "{record} at {position}");
            assert_eq!(moved, Offset(then), "{record} at {position}");
        }
    }

    #[test]
    fn positions_are_merged_to_the_further_and_cover_what_is_behind_each_of_them() {
        // One side, the other, what both come to; whether the first covers the other, and the other way.
        type At<'a> = &'a [(u32, u64)];
        let cases: [(At<'_>, At<'_>, At<'_>, bool, bool); 7] = [
            (&[], &[], &[], true, true),
            (&[(0, 3)], &[], &[(0, 3)], true, false),
            (&[(0, 0)], &[], &[(0, 0)], true, true),
            (&[(0, 3)], &[(0, 3)], &[(0, 3)], true, true),
            (&[(0, 3)], &[(0, 2)], &[(0, 3)], true, false),
            (&[(0, 3), (2, 1)], &[(0, 2), (2, 5)], &[(0, 3), (2, 5)], false, false),
            (&[(0, 3)], &[(1, 1)], &[(0, 3), (1, 1)], false, false),
        ];
        for (left, right, merged, covers, covered) in cases {
            let (left, right) = (positions(left), positions(right));
            let both = |mut one: Positions, other: &Positions| {
                one.merge(other);
                one
            };
            assert_eq!(both(left.clone(), &right), positions(merged), "{left:?} and {right:?}");
            assert_eq!(both(right.clone(), &left), positions(merged), "{right:?} and {left:?}");
            assert_eq!(left.covers(&right), covers, "{left:?} and {right:?}");
            assert_eq!(right.covers(&left), covered, "{right:?} and {left:?}");
        }
    }

    #[test]
    fn records_between_positions_are_none_where_the_end_is_behind() {
        for (from, to, records) in [(0, 0, 0), (3, 10, 7), (10, 3, 0)] {
            assert_eq!(Offset(from).until(Offset(to)), records, "{from} to {to}");
        }
    }
}
