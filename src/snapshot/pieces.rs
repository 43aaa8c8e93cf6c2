//! Bytes that are written once: kept in pieces, so that none is copied to make room for more, and a
//! disk or a bucket is given them in portions.

use std::io;

use bytes::{BufMut, Bytes, BytesMut};

/// The most bytes of a piece. The system copies what it is given in one go, and lets nobody else have
/// that processor meanwhile: 20 MB at once hold up requests for 10 ms.
const PIECE: usize = 128 * 1024;

/// Some bytes in their order, with what a checksum of them all would say.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    whole: Vec<Bytes>,
    last: BytesMut,
    length: usize,
    checksum: u32,
}

impl Pieces {
    /// Appends bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.length += bytes.len();
        self.checksum = crc32c::crc32c_append(self.checksum, bytes);
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.last.capacity() == 0 {
                self.last.reserve(PIECE);
            }
            let (now, later) = rest.split_at(rest.len().min(self.last.capacity() - self.last.len()));
            self.last.put_slice(now);
            rest = later;
            if self.last.len() == self.last.capacity() {
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
            self.whole.push(std::mem::take(&mut self.last).freeze());
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
}
