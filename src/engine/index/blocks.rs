//! A column of values by row, in blocks that it shares with its clones: what a change copies is the block
//! that it is in, and requests go on with the column that they have.

use std::sync::Arc;

/// Values a block: few enough to copy one for each change, many enough that the blocks of a million are soon
/// counted.
const BLOCK: usize = 256;

/// Values, each at its index.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks<T> {
    /// Each whole: after the last value come default ones.
    blocks: Vec<Arc<[T]>>,
    len: usize,
}

impl<T: Clone + Default> Blocks<T> {
    /// How many values there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The value at an index, if there is one.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&T> {
        if index >= self.len {
            return None;
        }
        self.blocks.get(index / BLOCK)?.get(index % BLOCK)
    }

    /// The values a block at a time, with the index of the first of each.
    pub fn blocks(&self) -> impl Iterator<Item = (usize, &[T])> {
        let starts = (0..self.len).step_by(BLOCK);
        starts.map(|start| (start, self.block(start)))
    }

    /// The values of the block that starts at an index.
    #[inline]
    pub fn block(&self, start: usize) -> &[T] {
        let block = self.blocks.get(start / BLOCK).map_or(&[][..], |block| block);
        &block[..block.len().min(self.len.saturating_sub(start))]
    }

    /// A value to change; none where there is none.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        if index >= self.len {
            return None;
        }
        Arc::make_mut(self.blocks.get_mut(index / BLOCK)?).get_mut(index % BLOCK)
    }

    /// Puts a value in the place of another; nothing happens where there is none.
    pub fn set(&mut self, index: usize, value: T) {
        if let Some(known) = self.get_mut(index) {
            *known = value;
        }
    }

    /// Adds a value at the end.
    pub fn push(&mut self, value: T) {
        if self.len.is_multiple_of(BLOCK) {
            self.blocks.push((0..BLOCK).map(|_| T::default()).collect());
        }
        self.len += 1;
        self.set(self.len - 1, value);
    }
}

impl<T: Clone + Default> FromIterator<T> for Blocks<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut values = values.into_iter();
        let (mut blocks, mut len) = (Vec::new(), 0);
        loop {
            let mut block: Vec<T> = values.by_ref().take(BLOCK).collect();
            len += block.len();
            let whole = block.len() == BLOCK;
            if !block.is_empty() {
                block.resize_with(BLOCK, T::default);
                blocks.push(block.into());
            }
            if !whole {
                return Self { blocks, len };
            }
        }
    }
}

impl<T: Clone + Default> Extend<T> for Blocks<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        values.into_iter().for_each(|value| self.push(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_copies_its_block_and_a_clone_keeps_what_it_had() {
        let mut column: Blocks<usize> = (0..BLOCK + 1).collect();
        column.extend(BLOCK + 1..3 * BLOCK);
        let before = column.clone();
        column.set(BLOCK, 7);
        column.push(8);
        column.set(5 * BLOCK, 9);
        assert_eq!((before.len(), before.get(BLOCK), before.get(3 * BLOCK)), (3 * BLOCK, Some(&BLOCK), None));
        assert_eq!(
            (column.len(), column.get(BLOCK), column.get(3 * BLOCK)),
            (3 * BLOCK + 1, Some(&7), Some(&8))
        );
        assert_eq!((column.get(3 * BLOCK + 1), column.get(4 * BLOCK)), (None, None));
        let shared = before.blocks.iter().zip(&column.blocks).filter(|(a, b)| Arc::ptr_eq(a, b)).count();
        assert_eq!((shared, column.blocks().count()), (2, 4));
    }
}
