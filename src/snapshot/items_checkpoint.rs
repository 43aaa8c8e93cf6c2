//! The note of how far the items log was read: JSON with a checksum, as a flipped digit would pass
//! over bad items that nobody has reported.

use serde::{Deserialize, Serialize};

use crate::engine::position::Positions;

#[derive(Serialize, Deserialize)]
struct Note {
    /// The next offset of each partition.
    read: Positions,
    /// Of the JSON of `read`.
    crc32c: u32,
}

/// Writes down the next offset of each partition.
pub fn encode(read: &Positions) -> Vec<u8> {
    serde_json::to_vec(&Note { crc32c: checksum(read), read: read.clone() }).unwrap_or_default()
}

/// What was written down. What is damaged counts as nothing.
pub fn decode(bytes: &[u8]) -> Positions {
    let note = serde_json::from_slice::<Note>(bytes).ok();
    let sound = note.filter(|note| note.crc32c == checksum(&note.read));
    sound.map(|note| note.read).unwrap_or_default()
}

fn checksum(read: &Positions) -> u32 {
    crc32c::crc32c(&serde_json::to_vec(read).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::position::{Offset, Partition};

    #[test]
    fn a_note_is_read_as_it_was_written_or_not_at_all() {
        let places = [(0, 3), (1, 12), (20, u64::MAX)];
        let read = places.map(|(partition, next)| (Partition(partition), Offset(next))).into();
        let bytes = encode(&read);
        assert_eq!(decode(&bytes), read);
        for index in 0..bytes.len() {
            assert_eq!(decode(&bytes[..index]), Positions::default(), "cut at {index}");
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[index] ^= 1 << bit;
                assert_eq!(decode(&flipped), Positions::default(), "bit {bit} of byte {index} flipped");
            }
        }
    }

    #[test]
    fn a_note_without_a_checksum_counts_as_nothing() {
        assert_eq!(decode(br#"{"0":3}"#), Positions::default());
    }
}
