//! Bytes that are written once: kept in pieces, so that none is copied to make room for more, and a
//! disk or a bucket is given them in portions.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

/// The most bytes of a piece. The system copies what it is given in one go, and lets nobody else have
/// that processor meanwhile: 20 MB at once hold up requests for 10 ms.
const PIECE: usize = 128 * 1024;

/// Memory for pieces: each comes back once nobody holds it any more.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<Vec<Vec<u8>>>);

impl Pool {
    /// How many pieces came back.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().len()
    }

    fn take(&self) -> Vec<u8> {
        self.0.lock().pop().unwrap_or_else(|| Vec::with_capacity(PIECE))
    }

    /// Gives what came back to the system.
    pub(super) fn clear(&self) {
        let all = std::mem::take(&mut *self.0.lock());
        // Not under the lock: there may be much to free.
        drop(all);
    }
}

/// A piece that is whole.
struct Piece {
    bytes: Vec<u8>,
    pool: Arc<Pool>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        self.pool.0.lock().push(bytes);
    }
}

/// Some bytes in their order, with what a checksum of them all would say.
#[derive(Debug, Default)]
pub struct Pieces {
    pool: Arc<Pool>,
    whole: Vec<Bytes>,
    last: Vec<u8>,
    length: usize,
    checksum: u32,
}

impl Pieces {
    /// None yet; they will be of that memory.
    pub(super) fn of(pool: &Arc<Pool>) -> Self {
        Self { pool: Arc::clone(pool), ..Self::default() }
    }

    /// None yet, of the same memory.
    pub(super) fn another(&self) -> Self {
        Self::of(&self.pool)
    }

    /// Appends bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.length += bytes.len();
        self.checksum = crc32c::crc32c_append(self.checksum, bytes);
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.last.is_empty() {
                self.last = self.pool.take();
            }
            let (now, later) = rest.split_at(rest.len().min(PIECE - self.last.len()));
            self.last.extend_from_slice(now);
            rest = later;
            if self.last.len() == PIECE {
                self.end_piece();
            }
        }
    }

    /// Appends what another one holds, without a copy.
    pub(super) fn append(&mut self, other: Self) {
        self.end_piece();
        self.length += other.length;
        self.checksum = crc32c::crc32c_combine(self.checksum, other.checksum, other.length);
        self.whole.extend(other.whole);
        self.last = other.last;
    }

    /// How many bytes there are.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// The CRC-32C of all of them.
    pub(super) fn checksum(&self) -> u32 {
        self.checksum
    }

    /// The bytes.
    pub(super) fn into_bytes(mut self) -> Vec<Bytes> {
        self.end_piece();
        self.whole
    }

    fn end_piece(&mut self) {
        if !self.last.is_empty() {
            let bytes = std::mem::take(&mut self.last);
            self.whole.push(Bytes::from_owner(Piece { bytes, pool: Arc::clone(&self.pool) }));
        }
    }
}

impl io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the portions they come in: as if all had been appended to one `Vec`.
        #[test]
        fn pieces_hold_what_was_pushed_and_appended(
            portions in prop::collection::vec((any::<bool>(), 0..3 * PIECE), 0..8)
        ) {
            let (mut pieces, mut expected) = (Pieces::default(), Vec::new());
            for (place, (appended, length)) in portions.into_iter().enumerate() {
                let bytes: Vec<u8> = (0..length).map(|at| (at * 31 + place) as u8).collect();
                match appended {
                    true => {
                        let mut other = Pieces::default();
                        other.push(&bytes);
                        pieces.append(other);
                    }
                    false => pieces.push(&bytes),
                }
                expected.extend(bytes);
            }
            prop_assert_eq!(pieces.length(), expected.len());
            prop_assert_eq!(pieces.checksum(), crc32c::crc32c(&expected));
            let bytes = pieces.into_bytes();
            prop_assert!(bytes.iter().all(|piece| (1..=PIECE).contains(&piece.len())));
            prop_assert!(bytes.concat() == expected);
        }
    }

    #[test]
    fn memory_comes_back_when_nobody_holds_it_and_is_taken_again() {
        let pool = Arc::<Pool>::default();
        let filled = |byte: u8| {
            let mut pieces = Pieces::of(&pool);
            pieces.push(&[byte; PIECE + 1]);
            pieces.into_bytes()
        };
        let first = filled(1);
        let place = first[0].as_ptr();
        let held = first[0].slice(1..);
        drop(first);
        assert_eq!(pool.len(), 1, "the other one is held");
        drop(held);
        let places: Vec<_> = pool.0.lock().iter().map(Vec::as_ptr).collect();
        assert!(places.len() == 2 && places.contains(&place));
        let second = filled(2);
        assert!(second.iter().all(|piece| places.contains(&piece.as_ptr())));
        assert_eq!(second.concat(), [2; PIECE + 1]);
        assert_eq!(pool.len(), 0);
        drop(second);
        pool.clear();
        assert_eq!(pool.len(), 0);
    }
}
