//! The bytes of a snapshot.
//!
//! ```text
//! magic        8  "HWSNAP" 0x0D 0x0A
//! format       u16  1
//! header       u32 length, bytes, u32 crc32c of the bytes
//! section * 6  u32 stored length, u64 plain length, u32 crc32c of the plain bytes, zstd bytes
//! end          u64 length of everything before, u32 crc32c of everything before, 8 "HWSNAPEN"
//! ```
//!
//! The header holds, in this order: topic (u16 length, UTF-8), partition u32, partitions u32,
//! stream fingerprint u64, next offset u64, written at i64 ms. All numbers are little-endian. The
//! plain bytes of the sections are those of [`crate::engine::facts::codec`].

use std::sync::Arc;

use crate::bugs::{Bug, planted};
use crate::engine::config::StreamConfig;
use crate::engine::facts::codec::{Corrupt, Section};
use crate::engine::facts::state::PartitionState;

const MAGIC: &[u8; 8] = b"HWSNAP\r\n";
const END: &[u8; 8] = b"HWSNAPEN";
const FORMAT: u16 = 1;
const TRAILER: usize = 8 + 4 + END.len();
/// What stands before a section's packed bytes: two lengths and a checksum.
const SECTION_HEAD: usize = 4 + 8 + 4;
const FOLLOWED: &str = "something follows its last section";
/// Sections are mostly sorted small numbers: level 1 already halves them.
const ZSTD_LEVEL: i32 = 1;
/// The largest plain section, so that a lying length can't make us allocate without bound.
const MAX_SECTION: u64 = 1 << 36;

/// What a snapshot says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The topic's name.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// How many partitions the topic had.
    pub partitions: u32,
    /// [`StreamConfig::fingerprint`] of the config that it was made under.
    pub fingerprint: u64,
    /// The first record that the state has not seen.
    pub next_offset: u64,
    /// When it was written, ms since the epoch.
    pub written_at: i64,
}

/// Why bytes are not a snapshot that can be used.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// It was cut off, or something was added.
    #[error("it is torn: {0}")]
    Torn(&'static str),
    /// It is not a snapshot at all.
    #[error("it does not begin with the snapshot magic")]
    Magic,
    /// A newer version of the service wrote it.
    #[error("its format is {0}, this version reads up to {FORMAT}")]
    Newer(u16),
    /// Bytes were changed.
    #[error("the checksum of its {0} does not match")]
    Checksum(&'static str),
    /// It can't be unpacked.
    #[error("a section can't be unpacked: {0}")]
    Unpack(#[from] std::io::Error),
    /// A section is not what it should be.
    #[error("section {section:?}: {source}")]
    Section {
        /// Which.
        section: Section,
        /// What is wrong.
        source: Corrupt,
    },
}

/// The plain bytes of each section, to be packed elsewhere than on the thread that owns the state.
pub fn sections(state: &PartitionState) -> Vec<Vec<u8>> {
    let section = |section| {
        let mut bytes = Vec::new();
        state.write(section, &mut bytes);
        bytes
    };
    Section::ALL.into_iter().map(section).collect()
}

/// A snapshot's bytes.
///
/// # Errors
/// A section can't be packed.
pub fn encode(header: &Header, sections: &[Vec<u8>]) -> Result<Vec<u8>, FormatError> {
    let mut out = Vec::new();
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&FORMAT.to_le_bytes());
    let head = encode_header(header);
    out.extend_from_slice(&(head.len() as u32).to_le_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(&crc32c::crc32c(&head).to_le_bytes());
    for plain in sections {
        let packed = zstd::bulk::compress(plain, ZSTD_LEVEL)?;
        out.extend_from_slice(&(packed.len() as u32).to_le_bytes());
        out.extend_from_slice(&(plain.len() as u64).to_le_bytes());
        out.extend_from_slice(&crc32c::crc32c(plain).to_le_bytes());
        out.extend_from_slice(&packed);
    }
    let (length, checksum) = (out.len() as u64, crc32c::crc32c(&out));
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&checksum.to_le_bytes());
    out.extend_from_slice(END);
    Ok(out)
}

/// What a snapshot says of itself, once the whole of it is known to be as it was written.
///
/// # Errors
/// It is not a snapshot that this version can read.
pub fn decode_header(bytes: &[u8]) -> Result<Header, FormatError> {
    verify(bytes).map(|(header, _)| header)
}

/// The state that a snapshot holds. The config must be the one that it was made under.
///
/// # Errors
/// It is not a snapshot that this version can read.
pub fn decode(bytes: &[u8], config: Arc<StreamConfig>) -> Result<(Header, PartitionState), FormatError> {
    let (header, mut body) = verify(bytes)?;
    let mut state = PartitionState::new(config);
    for section in Section::ALL {
        let plain = unpack(&mut body)?;
        if planted(Bug::ForgetIds) && section == Section::EventIds {
            continue;
        }
        state.read(section, &plain).map_err(|source| FormatError::Section { section, source })?;
    }
    if body.is_empty() { Ok((header, state)) } else { Err(FormatError::Torn(FOLLOWED)) }
}

/// How a section lies in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionFrame {
    /// Which it is.
    pub section: Section,
    /// Its size in the file, in bytes.
    pub stored: u64,
    /// Its size unpacked, in bytes.
    pub plain: u64,
    /// The CRC-32C of the unpacked bytes.
    pub checksum: u32,
}

/// What a snapshot says of itself and how its sections lie in it, each unpacked and checked. Asks
/// for no config, so that it can tell of snapshots that were made under another one.
///
/// # Errors
/// It is not a snapshot that this version can read.
pub fn frames(bytes: &[u8]) -> Result<(Header, Vec<SectionFrame>), FormatError> {
    let (header, mut body) = verify(bytes)?;
    let mut frames = Vec::with_capacity(Section::ALL.len());
    for section in Section::ALL {
        let before = body.len();
        let plain = unpack(&mut body)?;
        let stored = (before - body.len()).saturating_sub(SECTION_HEAD) as u64;
        let checksum = crc32c::crc32c(&plain);
        frames.push(SectionFrame { section, stored, plain: plain.len() as u64, checksum });
    }
    if body.is_empty() { Ok((header, frames)) } else { Err(FormatError::Torn(FOLLOWED)) }
}

fn verify(bytes: &[u8]) -> Result<(Header, &[u8]), FormatError> {
    let short = FormatError::Torn("it is shorter than any snapshot");
    let Some((body, trailer)) = bytes.len().checked_sub(TRAILER).and_then(|end| bytes.split_at_checked(end))
    else {
        return Err(short);
    };
    let Some(mut rest) = body.strip_prefix(MAGIC) else { return Err(FormatError::Magic) };
    let format = u16::from_le_bytes(take(&mut rest)?);
    if format > FORMAT {
        return Err(FormatError::Newer(format));
    }
    let mut trailer = trailer;
    let length = u64::from_le_bytes(take(&mut trailer)?);
    let checksum = u32::from_le_bytes(take(&mut trailer)?);
    if trailer != END || length != body.len() as u64 {
        return Err(FormatError::Torn("its end is missing"));
    }
    if crc32c::crc32c(body) != checksum {
        return Err(FormatError::Checksum("content"));
    }
    let length = u32::from_le_bytes(take(&mut rest)?);
    let head = take_slice(&mut rest, length as usize)?;
    if crc32c::crc32c(head) != u32::from_le_bytes(take(&mut rest)?) {
        return Err(FormatError::Checksum("header"));
    }
    Ok((parse_header(head)?, rest))
}

fn unpack(body: &mut &[u8]) -> Result<Vec<u8>, FormatError> {
    let stored = u32::from_le_bytes(take(body)?);
    let plain_length = u64::from_le_bytes(take(body)?);
    let checksum = u32::from_le_bytes(take(body)?);
    let packed = take_slice(body, stored as usize)?;
    if plain_length > MAX_SECTION {
        return Err(FormatError::Torn("a section is impossibly long"));
    }
    // Streamed, so that memory follows what is really there and not what a length claims.
    let mut plain = Vec::new();
    let reader = zstd::stream::read::Decoder::with_buffer(packed)?;
    std::io::Read::read_to_end(&mut std::io::Read::take(reader, plain_length), &mut plain)?;
    if plain.len() as u64 != plain_length || crc32c::crc32c(&plain) != checksum {
        return Err(FormatError::Checksum("section"));
    }
    Ok(plain)
}

fn encode_header(header: &Header) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&(header.topic.len() as u16).to_le_bytes());
    out.extend_from_slice(header.topic.as_bytes());
    out.extend_from_slice(&header.partition.to_le_bytes());
    out.extend_from_slice(&header.partitions.to_le_bytes());
    out.extend_from_slice(&header.fingerprint.to_le_bytes());
    out.extend_from_slice(&header.next_offset.to_le_bytes());
    out.extend_from_slice(&header.written_at.to_le_bytes());
    out
}

fn parse_header(mut head: &[u8]) -> Result<Header, FormatError> {
    let head = &mut head;
    let length = u16::from_le_bytes(take(head)?);
    let topic = std::str::from_utf8(take_slice(head, usize::from(length))?);
    Ok(Header {
        topic: topic.map_err(|_| FormatError::Torn("its topic is not UTF-8"))?.to_owned(),
        partition: u32::from_le_bytes(take(head)?),
        partitions: u32::from_le_bytes(take(head)?),
        fingerprint: u64::from_le_bytes(take(head)?),
        next_offset: u64::from_le_bytes(take(head)?),
        written_at: i64::from_le_bytes(take(head)?),
    })
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], FormatError> {
    let mut array = [0; N];
    array.copy_from_slice(take_slice(bytes, N)?);
    Ok(array)
}

fn take_slice<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], FormatError> {
    let (taken, rest) = bytes.split_at_checked(length).ok_or(FormatError::Torn("it ends within a value"))?;
    *bytes = rest;
    Ok(taken)
}
