//! Numbers, as those of rows, in an order that whoever changes it knows, in blocks that it shares with its clones: what a change
//! copies is one block, however many rows there are.

use std::cmp::Ordering;
use std::sync::Arc;

/// Rows a block when it is made. It is split when it has twice as many.
const BLOCK: usize = 256;

/// Numbers in an order; what is said of rows holds for any.
#[derive(Clone, Debug, Default)]
pub struct Ordered {
    /// None is empty.
    blocks: Vec<Arc<[u32]>>,
    /// How many they hold.
    len: usize,
}

impl Ordered {
    /// Rows that are in order.
    pub fn of(rows: &[u32]) -> Self {
        Self { blocks: rows.chunks(BLOCK).map(Arc::from).collect(), len: rows.len() }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The rows, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = u32> + Clone {
        self.blocks.iter().flat_map(|block| block.iter().copied())
    }

    /// Puts a row in its place; `order` tells how another one stands to it. Returns the block that it is in.
    pub(super) fn insert(&mut self, row: u32, order: impl Fn(u32) -> Ordering) -> usize {
        self.len += 1;
        let index = self.block_of(&order).min(self.blocks.len().saturating_sub(1));
        let Some(block) = self.blocks.get(index) else {
            self.blocks.push(Arc::from([row]));
            return 0;
        };
        let at = block.partition_point(|other| order(*other) == Ordering::Less);
        let mut rows = Vec::with_capacity(block.len() + 1);
        rows.extend_from_slice(&block[..at]);
        rows.push(row);
        rows.extend_from_slice(&block[at..]);
        if rows.len() < 2 * BLOCK {
            self.blocks[index] = rows.into();
            return index;
        }
        let (first, second) = rows.split_at(BLOCK);
        self.blocks[index] = first.into();
        self.blocks.insert(index + 1, second.into());
        index + usize::from(at >= BLOCK)
    }

    /// Takes a row out; `order` tells how another one stands to it.
    pub(super) fn remove(&mut self, row: u32, order: impl Fn(u32) -> Ordering) {
        let index = self.block_of(&order);
        let Some(block) = self.blocks.get(index).filter(|block| block.contains(&row)) else { return };
        self.len -= 1;
        let mut rows: Vec<u32> = block.iter().copied().filter(|other| *other != row).collect();
        // Blocks that have become small are joined, so that there are never many.
        if let Some(next) = self.blocks.get(index + 1).filter(|next| rows.len() + next.len() <= BLOCK) {
            rows.extend_from_slice(next);
            self.blocks.remove(index + 1);
        }
        if rows.is_empty() {
            self.blocks.remove(index);
        } else {
            self.blocks[index] = rows.into();
        }
    }

    /// The blocks of rows.
    pub(super) fn blocks(&self) -> &[Arc<[u32]>] {
        &self.blocks
    }

    /// The first block whose last row does not come before.
    fn block_of(&self, order: &impl Fn(u32) -> Ordering) -> usize {
        self.blocks.partition_point(|block| block.last().is_some_and(|last| order(*last) == Ordering::Less))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_are_where_sorting_would_put_them(
            start in 0..900_u32,
            steps in prop::collection::vec((any::<bool>(), 0..3000_u32), 0..1500),
        ) {
            let mut rows: Vec<u32> = (0..start).map(|row| row * 3).collect();
            let mut ordered = Ordered::of(&rows);
            let before = (rows.clone(), ordered.clone());
            for (put, row) in steps {
                match rows.binary_search(&row) {
                    Err(at) if put => {
                        rows.insert(at, row);
                        let block = ordered.insert(row, |other| other.cmp(&row));
                        prop_assert!(ordered.blocks[block].contains(&row));
                    }
                    Ok(at) if !put => {
                        rows.remove(at);
                        ordered.remove(row, |other| other.cmp(&row));
                    }
                    Ok(_) | Err(_) => {}
                }
            }
            prop_assert_eq!(ordered.iter().collect::<Vec<u32>>(), &rows[..]);
            prop_assert_eq!(ordered.len(), rows.len());
            prop_assert_eq!(ordered.is_empty(), rows.is_empty());
            let sizes = ordered.blocks.iter().map(|block| block.len());
            prop_assert!(sizes.clone().all(|size| size > 0 && size < 2 * BLOCK));
            prop_assert_eq!(before.1.iter().collect::<Vec<u32>>(), before.0);
        }
    }
}
