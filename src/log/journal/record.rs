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

use bytes::{Buf, BufMut};

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
    let length = |bytes: Option<&Vec<u8>>| bytes.map_or(NONE, |bytes| bytes.len() as u32);
    let mut out = Vec::with_capacity(size(record));
    out.put_i64_le(timestamp);
    out.put_u16_le(record.headers.len() as u16);
    out.put_u32_le(length(Some(&record.key)));
    out.put_u32_le(length(record.value.as_ref()));
    for (name, value) in &record.headers {
        out.put_u16_le(name.len() as u16);
        out.put_u32_le(length(value.as_ref()));
        out.put_slice(name.as_bytes());
        out.put_slice(value.as_deref().unwrap_or_default());
    }
    out.put_slice(&record.key);
    out.put_slice(record.value.as_deref().unwrap_or_default());
    out
}

/// The timestamp of an encoded record.
pub fn timestamp(mut bytes: &[u8]) -> Option<i64> {
    bytes.try_get_i64_le().ok()
}

/// The record that was encoded, or none if the bytes are not of a record.
pub fn decode(partition: Partition, offset: Offset, bytes: &[u8]) -> Option<Record<'_>> {
    let mut rest = bytes;
    let timestamp = rest.try_get_i64_le().ok()?;
    let count = rest.try_get_u16_le().ok()?;
    let (key, value) = (rest.try_get_u32_le().ok()?, rest.try_get_u32_le().ok()?);
    let mut headers: Vec<Header<'_>> = Vec::new();
    for _ in 0..count {
        let (name, value) = (rest.try_get_u16_le().ok()?, rest.try_get_u32_le().ok()?);
        let name = std::str::from_utf8(take(&mut rest, usize::from(name))?).ok()?;
        headers.push((name, take_optional(&mut rest, value)?));
    }
    let (key, value) = (take_optional(&mut rest, key)?, take_optional(&mut rest, value)?);
    rest.is_empty().then_some(Record { partition, offset, timestamp: Some(timestamp), key, value, headers })
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let taken;
    (taken, *rest) = rest.split_at_checked(length)?;
    Some(taken)
}

/// The outer option is about the bytes, the inner one about the field.
#[expect(clippy::option_option, reason = "a field that is absent and bytes that are missing differ")]
fn take_optional<'a>(rest: &mut &'a [u8], length: u32) -> Option<Option<&'a [u8]>> {
    if length == NONE { Some(None) } else { take(rest, length as usize).map(Some) }
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
            prop_assert_eq!((record.partition, record.offset), (Partition(3), Offset(7)));
            prop_assert_eq!(record.timestamp, Some(timestamp));
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
