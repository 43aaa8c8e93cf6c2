//! What was found out of items while pools hold, for all who ask.

use std::sync::{Arc, OnceLock};

use super::RelatedItems;

/// For how many items there is room. More than that are asked about in the second or so for which pools hold only where
/// few ask twice.
const SLOTS: usize = 4096;
/// How many slots an item may lie in.
const PROBES: usize = 4;

type Slot = OnceLock<(u32, Arc<RelatedItems>)>;

/// Items that somebody has asked about. It belongs to pools, and holds for their instant: an item that many are on is
/// looked at once, and not once for each of them. Nothing is ever taken out, so that nobody waits for anybody.
#[derive(Debug, Default)]
pub struct RelatedCache {
    // Made when somebody asks: most models of a service may be asked for nothing for long.
    slots: OnceLock<Box<[Slot]>>,
}

impl RelatedCache {
    /// What is related to a row, found out now if nobody has asked before. Two who ask at once both find it out, and where
    /// there is no room whoever asks does.
    pub fn get(&self, row: u32, find: impl FnOnce() -> RelatedItems) -> Arc<RelatedItems> {
        let slots = self.slots.get_or_init(|| (0..SLOTS).map(|_| OnceLock::new()).collect());
        // Neighbours in the layout are no neighbours here (Fibonacci hashing: Knuth, The Art of Computer Programming 3, 6.4).
        let first = (row.wrapping_mul(0x9E37_79B9) >> 16) as usize;
        let mut free = None;
        for slot in (0..PROBES).map(|probe| &slots[(first + probe) % SLOTS]) {
            match slot.get() {
                Some((known, items)) if *known == row => return Arc::clone(items),
                Some(_) => {}
                None => {
                    free = Some(slot);
                    break;
                }
            }
        }
        let found = Arc::new(find());
        if let Some(slot) = free {
            // Somebody may have been faster, with the same or with another item.
            let _ = slot.set((row, Arc::clone(&found)));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_out_once_is_not_found_out_again_and_items_are_not_mixed_up() {
        let cache = RelatedCache::default();
        let found = |row: u32| RelatedItems { rows: vec![(row, [1.0, 0.5, 0.0, 0.0])] };
        let rows = 0..3 * SLOTS as u32;
        let mut asked = 0;
        for row in rows.clone().chain(rows) {
            let items = cache.get(row, || {
                asked += 1;
                found(row)
            });
            assert_eq!(*items, found(row));
        }
        let known = 6 * SLOTS - asked;
        assert!((SLOTS * 9 / 10..=SLOTS).contains(&known), "{known} of {SLOTS} were known");
    }
}
