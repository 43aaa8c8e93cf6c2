//! Whether rows are among a few that have changed: what every view asks of all that it keeps.

/// Bits to tell most rows apart by.
const BITS: usize = 4096;

/// Rows to look for.
#[derive(Debug)]
pub(super) struct Among<'a> {
    /// Ascending.
    rows: &'a [u32],
    /// The bit of each of them, by the end of its number: a row without it is none of them, and that is soon told.
    bits: [u64; BITS / 64],
}

impl<'a> Among<'a> {
    /// To look for these rows, which are ascending.
    pub fn new(rows: &'a [u32]) -> Self {
        let mut bits = [0; BITS / 64];
        for row in rows {
            let bit = *row as usize % BITS;
            bits[bit / 64] |= 1 << (bit % 64);
        }
        Self { rows, bits }
    }

    /// Whether a row is one of them.
    #[inline]
    pub fn has(&self, row: u32) -> bool {
        let bit = row as usize % BITS;
        self.bits[bit / 64] >> (bit % 64) & 1 == 1 && self.rows.binary_search(&row).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_and_no_others_that_end_alike() {
        let rows = [3, 64, 5000, u32::MAX];
        let among = Among::new(&rows);
        let found: Vec<u32> =
            (0..10_000).chain([u32::MAX - 1, u32::MAX]).filter(|row| among.has(*row)).collect();
        assert_eq!(found, rows);
        assert!(!among.has(5000 - 4096) && !among.has(64 + 4096));
    }
}
