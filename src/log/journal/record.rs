//! The bytes of a record in the store, which keeps a checksum of them.
//!
//! The store's key is `partition: u32, offset: u64`, big-endian, so that a partition is a range in
//! the order of its offsets. The value, integers little-endian:
//!
//! ```text
//! timestamp: i64 | headers: u16 | key length: u32 | value length: u32, all ones for no value |
//! for each header: name length: u16, value length: u32 (all ones for none), name, value |
//! key | value
//! ```

use crate::log::{Header, LogError, NewRecord, Offset, Partition, Record};

/// The largest record that is taken: key, value and headers.
pub const MAX_RECORD_BYTES: usize = 32 * 1024 * 1024;
/// The longest key that is taken; the store's own keys are bounded too.
pub const MAX_KEY_BYTES: usize = 32 * 1024;

/// The length that stands for nothing.
const NONE: u32 = u32::MAX;
const FIXED_BYTES: usize = 18;

/// The store's key of a record.
pub fn place(partition: Partition, offset: Offset) -> [u8; 12] {
    let mut place = [0; 12];
    let (head, tail) = place.split_at_mut(4);
    head.copy_from_slice(&partition.0.to_be_bytes());
    tail.copy_from_slice(&offset.0.to_be_bytes());
    place
}

/// The offset in the store's key of a record.
pub fn offset(place: &[u8]) -> Option<Offset> {
    place.get(4..12)?.try_into().ok().map(u64::from_be_bytes).map(Offset)
}

/// Whether the record can be encoded.
///
/// # Errors
/// It is too large in some way.
pub fn check(record: &NewRecord) -> Result<(), LogError> {
    let names_fit = record.headers.iter().all(|(name, _)| name.len() <= usize::from(u16::MAX));
    if record.headers.len() > usize::from(u16::MAX) || !names_fit {
        return Err(LogError::Refused(format!("more than {} headers, or a header name longer", u16::MAX)));
    }
    if record.key.len() > MAX_KEY_BYTES {
        let bytes = record.key.len();
        return Err(LogError::Refused(format!(
            "the key is {bytes} bytes long, expected at most {MAX_KEY_BYTES}"
        )));
    }
    match size(record) {
        bytes if bytes > MAX_RECORD_BYTES => Err(LogError::Refused(format!(
            "the record is {bytes} bytes long, expected at most {MAX_RECORD_BYTES}"
        ))),
        _ => Ok(()),
    }
}

/// How many bytes the record takes, its place aside.
pub fn size(record: &NewRecord) -> usize {
    let headers: usize =
        record.headers.iter().map(|(name, value)| 6 + name.len() + value.as_ref().map_or(0, Vec::len)).sum();
    FIXED_BYTES + headers + record.key.len() + record.value.as_ref().map_or(0, Vec::len)
}

/// The bytes of a record that [`check`] has let through.
pub fn encode(record: &NewRecord, timestamp: i64) -> Vec<u8> {
    let length = |bytes: Option<&Vec<u8>>| bytes.map_or(NONE, |bytes| bytes.len() as u32).to_le_bytes();
    let mut out = Vec::with_capacity(size(record));
    out.extend(timestamp.to_le_bytes());
    out.extend((record.headers.len() as u16).to_le_bytes());
    out.extend(length(Some(&record.key)));
    out.extend(length(record.value.as_ref()));
    for (name, value) in &record.headers {
        out.extend((name.len() as u16).to_le_bytes());
        out.extend(length(value.as_ref()));
        out.extend(name.as_bytes());
        out.extend(value.iter().flatten());
    }
    out.extend(&record.key);
    out.extend(record.value.iter().flatten());
    out
}

/// The timestamp of an encoded record.
pub fn timestamp(bytes: &[u8]) -> Option<i64> {
    bytes.first_chunk().copied().map(i64::from_le_bytes)
}

/// The record that was encoded, or none if the bytes are not of a record.
pub fn decode(partition: Partition, offset: Offset, bytes: &[u8]) -> Option<Record<'_>> {
    let mut rest = Rest(bytes);
    let timestamp = i64::from_le_bytes(rest.array()?);
    let count = u16::from_le_bytes(rest.array()?);
    let key = u32::from_le_bytes(rest.array()?);
    let value = u32::from_le_bytes(rest.array()?);
    let mut headers: Vec<Header<'_>> = Vec::new();
    for _ in 0..count {
        let name = u16::from_le_bytes(rest.array()?);
        let value = u32::from_le_bytes(rest.array()?);
        let name = std::str::from_utf8(rest.take(usize::from(name))?).ok()?;
        headers.push((name, rest.optional(value)?));
    }
    let key = rest.optional(key)?;
    let value = rest.optional(value)?;
    rest.0.is_empty().then_some(Record { partition, offset, timestamp: Some(timestamp), key, value, headers })
}

/// What is not decoded yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// The outer option is about the bytes, the inner one about the field.
    #[expect(clippy::option_option, reason = "a field that is absent and bytes that are missing differ")]
    fn optional(&mut self, length: u32) -> Option<Option<&'a [u8]>> {
        if length == NONE { Some(None) } else { self.take(length as usize).map(Some) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_record_comes_back_as_it_was(
            key in proptest::collection::vec(any::<u8>(), 0..20),
            value in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)),
            headers in proptest::collection::vec(
                (".{0,8}", proptest::option::of(proptest::collection::vec(any::<u8>(), 0..8))), 0..4),
            timestamp in any::<i64>(),
        ) {
            let new = NewRecord { key, value, headers };
            let bytes = encode(&new, timestamp);
            prop_assert_eq!(bytes.len(), size(&new));
            prop_assert_eq!(super::timestamp(&bytes), Some(timestamp));
            let record = decode(Partition(3), Offset(7), &bytes).expect("decodes");
            prop_assert_eq!((record.partition, record.offset, record.timestamp), (Partition(3), Offset(7), Some(timestamp)));
            prop_assert_eq!(record.key, Some(new.key.as_slice()));
            prop_assert_eq!(record.value, new.value.as_deref());
            let headers: Vec<_> =
                new.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
            prop_assert_eq!(record.headers, headers);
            prop_assert_eq!(decode(Partition(3), Offset(7), &bytes[..bytes.len() - 1]), None);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(Partition(0), Offset(0), &bytes);
        }
    }

    #[test]
    fn places_sort_as_partition_and_offset() {
        let place = |partition, offset| super::place(Partition(partition), Offset(offset));
        let mut places = vec![place(1, 0), place(0, 256), place(0, 1), place(256, 0), place(0, u64::MAX)];
        places.sort_unstable();
        assert_eq!(places, [place(0, 1), place(0, 256), place(0, u64::MAX), place(1, 0), place(256, 0)]);
        assert_eq!(offset(&place(9, 1234)), Some(Offset(1234)));
    }

    #[test]
    fn what_is_too_large_is_refused_with_the_limit() {
        let long_key = NewRecord { key: vec![0; MAX_KEY_BYTES + 1], ..NewRecord::default() };
        let message = check(&long_key).expect_err("too long").to_string();
        assert_eq!(message, "the key is 32769 bytes long, expected at most 32768");
        let large = NewRecord { value: Some(vec![0; MAX_RECORD_BYTES]), ..NewRecord::default() };
        assert!(matches!(check(&large), Err(LogError::Refused(_))));
        assert!(check(&NewRecord { value: Some(vec![0; 1024]), ..NewRecord::default() }).is_ok());
    }
}
