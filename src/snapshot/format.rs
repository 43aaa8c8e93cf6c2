//! The bytes of a snapshot.
//!
//! ```text
//! magic        8  "HWSNAP" 0x0D 0x0A
//! format       u16  2
//! header       u32 length, bytes, u32 crc32c of the bytes
//! sections     u32 number, then each:
//!              u8 length of the tag, tag, u16 version, u64 stored length, u64 plain length,
//!              u32 crc32c of the plain bytes, zstd bytes
//! end          u64 length of everything before, u32 crc32c of everything before, 8 "HWSNAPEN"
//! ```
//!
//! The header holds, in this order: topic (u16 length, UTF-8), partition u32, partitions u32,
//! next offset u64, written at i64 ms, and the stream that it was made under (u16 length,
//! [`StreamConfig::facts_text`]). All numbers are little-endian. A section holds the facts of one of
//! [`FAMILIES`]; one with a tag that is none of them is passed over.

use std::io::{self, Read, Write};
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, TryGetError};

use crate::bugs::{Bug, planted};
use crate::engine::config::StreamConfig;
use crate::engine::facts::codec::{Corrupt, put_str};
use crate::engine::facts::dedup::Dedup;
use crate::engine::facts::numbers::Compactions;
use crate::engine::facts::postings::Postings;
use crate::engine::facts::sections::{FAMILIES, Facts, Family};
use crate::engine::facts::state::PartitionState;
use crate::engine::fingerprint::fingerprint;
use crate::engine::position::{Offset, Partition};
pub use crate::snapshot::pieces::Pieces;

const MAGIC: &[u8; 8] = b"HWSNAP\r\n";
const END: &[u8; 8] = b"HWSNAPEN";
const FORMAT: u16 = 2;
const TRAILER: usize = 8 + 4 + END.len();
/// A section takes at least this many bytes.
const SMALLEST_SECTION: usize = 1 + 1 + 2 + 8 + 8 + 4;
const LONGEST_TAG: usize = 32;
const FOLLOWED: &str = "something follows its last section";
/// Sections are mostly sorted small numbers: level 1 already halves them.
const ZSTD_LEVEL: i32 = 1;
/// What is packed in one go, in bytes: some 0.4 ms, and as much as zstd collects.
const CHUNK: usize = 128 * 1024;
/// The largest plain section, so that a lying length can't make us allocate without bound.
const MAX_SECTION: u64 = 1 << 36;

/// How many bytes of a snapshot hold its header, whatever it says: it has two strings of a `u16`
/// length each.
pub(super) const HEAD: usize = 8 + 2 + 4 + 2 * (2 + u16::MAX as usize) + 4 + 4 + 8 + 8 + 4;

/// What a snapshot says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The topic's name.
    pub topic: String,
    /// The partition.
    pub partition: Partition,
    /// How many partitions the topic had.
    pub partitions: u32,
    /// The first record that the state has not seen.
    pub next_offset: Offset,
    /// When it was written, ms since the epoch.
    pub written_at: i64,
    /// [`StreamConfig::facts_text`] of the config that it was made under.
    pub stream: String,
}

impl Header {
    /// Names the stream that it was made under.
    pub fn fingerprint(&self) -> u64 {
        fingerprint(&self.stream)
    }
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
    /// Another version of the service wrote it.
    #[error("its format is {0}, this version reads {FORMAT}: start the version that wrote it, or remove it")]
    Version(u16),
    /// It was made under a config whose facts are others.
    #[error("it was made under another stream configuration: {0}")]
    Stream(String),
    /// Bytes were changed.
    #[error("the checksum of its {0} does not match")]
    Checksum(&'static str),
    /// It can't be unpacked.
    #[error("a section can't be unpacked: {0}")]
    Unpack(#[from] std::io::Error),
    /// A section is not what it should be.
    #[error("section `{tag}`: {source}")]
    Section {
        /// Which.
        tag: &'static str,
        /// What is wrong.
        source: Corrupt,
    },
    /// Another version of the service wrote a section.
    #[error("section `{tag}` is of version {found}, this version of Headwater reads {read}")]
    SectionVersion {
        /// Which.
        tag: &'static str,
        /// What it is.
        found: u16,
        /// What it should be.
        read: u16,
    },
    /// A section is not there, or not in its place.
    #[error("section `{0}` is not in its place")]
    Missing(&'static str),
}

impl From<TryGetError> for FormatError {
    fn from(_: TryGetError) -> Self {
        Self::Torn("it ends within a value")
    }
}

/// A snapshot that was read.
#[derive(Debug)]
pub struct Decoded {
    /// What it says of itself.
    pub header: Header,
    /// The facts.
    pub state: PartitionState,
    /// The tags of sections that this version does not know, and has passed over.
    pub unknown: Vec<String>,
}

/// A snapshot's bytes, in pieces. The sections are those of [`PartitionState::write_sections`], packed here
/// rather than by the thread that owns the state.
///
/// # Errors
/// A section can't be packed.
pub fn encode(header: &Header, sections: &[Vec<u8>]) -> Result<Vec<Bytes>, FormatError> {
    encode_into(Pieces::default(), header, tagged(sections))
}

/// The sections of [`PartitionState::write_sections`] with their tags and versions.
pub fn tagged(sections: &[Vec<u8>]) -> impl ExactSizeIterator<Item = (&str, u16, &[u8])> {
    FAMILIES.iter().zip(sections).map(|(family, plain)| (family.tag, family.version, plain.as_slice()))
}

/// As [`encode`], in the memory of `out`, which is empty, and with sections of any tag and version.
///
/// # Errors
/// A section can't be packed.
pub fn encode_into<'a>(
    mut out: Pieces,
    header: &Header,
    sections: impl ExactSizeIterator<Item = (&'a str, u16, &'a [u8])>,
) -> Result<Vec<Bytes>, FormatError> {
    let mut start = Vec::new();
    start.put_slice(MAGIC);
    start.put_u16_le(FORMAT);
    let head = encode_header(header);
    start.put_u32_le(head.len() as u32);
    start.put_slice(&head);
    start.put_u32_le(crc32c::crc32c(&head));
    start.put_u32_le(sections.len() as u32);
    out.push(&start);
    for (tag, version, plain) in sections {
        let (packed, checksum) = pack(plain, out.another())?;
        let mut frame = Vec::new();
        frame.put_u8(tag.len() as u8);
        frame.put_slice(tag.as_bytes());
        frame.put_u16_le(version);
        frame.put_u64_le(packed.length() as u64);
        frame.put_u64_le(plain.len() as u64);
        frame.put_u32_le(checksum);
        out.push(&frame);
        out.append(packed);
    }
    let mut end = Vec::new();
    end.put_u64_le(out.length() as u64);
    end.put_u32_le(out.checksum());
    end.put_slice(END);
    out.push(&end);
    Ok(out.into_bytes())
}

/// The packed bytes, and the CRC-32C of the plain ones.
fn pack(plain: &[u8], out: Pieces) -> io::Result<(Pieces, u32)> {
    let mut encoder = zstd::stream::write::Encoder::new(out, ZSTD_LEVEL)?;
    encoder.include_contentsize(true)?;
    encoder.set_pledged_src_size(Some(plain.len() as u64))?;
    let mut checksum = 0;
    for chunk in plain.chunks(CHUNK) {
        encoder.write_all(chunk)?;
        checksum = crc32c::crc32c_append(checksum, chunk);
        // However little this thread matters: once it has a processor, Linux asks whether another one should have
        // it when that one wakes, and if it may not yet, with the next tick only, some ms later.
        std::thread::yield_now();
    }
    Ok((encoder.finish()?, checksum))
}

/// What a snapshot says of itself, once the whole of it is known to be as it was written.
///
/// # Errors
/// It is not a snapshot that this version can read.
pub fn decode_header(bytes: &[u8]) -> Result<Header, FormatError> {
    verify(bytes).map(|(header, _)| header)
}

/// What a snapshot says of itself, by its first [`HEAD`] bytes.
///
/// # Errors
/// It is not a snapshot that this version can read.
pub(super) fn peek_header(mut bytes: &[u8]) -> Result<Header, FormatError> {
    read_header(&mut bytes)
}

/// The state that a snapshot holds, within the limits of this config.
///
/// # Errors
/// It is not a snapshot that this version can read, or not one of this config.
pub fn decode(bytes: &[u8], config: Arc<StreamConfig>) -> Result<Decoded, FormatError> {
    let (header, mut body) = verify(bytes)?;
    if let Some(differs) = config.differs_from(&header.stream) {
        return Err(FormatError::Stream(differs));
    }
    let mut state = PartitionState::new(config);
    let (mut missing, mut unknown) = (FAMILIES.iter(), Vec::new());
    for _ in 0..count(&mut body)? {
        let (frame, plain) = unpack(&mut body)?;
        let Some(family) = frame.family() else {
            unknown.push(frame.tag);
            continue;
        };
        if frame.version != family.version {
            let (tag, found, read) = (family.tag, frame.version, family.version);
            return Err(FormatError::SectionVersion { tag, found, read });
        }
        pass_over(&mut missing, Some(family))?;
        if planted(Bug::ForgetIds) && family.tag == Dedup::TAG {
            continue;
        }
        if planted(Bug::ForgetCompactions) && family.tag == Compactions::TAG {
            continue;
        }
        if planted(Bug::ForgetPostings) && family.tag == Postings::TAG {
            continue;
        }
        let section = |source| FormatError::Section { tag: family.tag, source };
        family.read(&mut state, &plain).map_err(section)?;
    }
    pass_over(&mut missing, None)?;
    if !body.is_empty() {
        return Err(FormatError::Torn(FOLLOWED));
    }
    state.enforce_limits();
    Ok(Decoded { header, state, unknown })
}

/// Goes on to a family, or past the last; those before it are not there, which has to be allowed.
fn pass_over(families: &mut std::slice::Iter<'_, Family>, to: Option<&Family>) -> Result<(), FormatError> {
    for family in families {
        if to.is_some_and(|to| to.tag == family.tag) {
            return Ok(());
        }
        if family.required {
            return Err(FormatError::Missing(family.tag));
        }
    }
    // Past the last one: what comes was there before.
    to.map_or(Ok(()), |to| Err(FormatError::Missing(to.tag)))
}

/// How a section lies in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionFrame {
    /// Which it is.
    pub tag: String,
    /// What its bytes mean.
    pub version: u16,
    /// Its size in the file, in bytes.
    pub stored: u64,
    /// Its size unpacked, in bytes.
    pub plain: u64,
    /// The CRC-32C of the unpacked bytes.
    pub checksum: u32,
}

impl SectionFrame {
    /// What its facts are; none if this version does not know.
    pub fn family(&self) -> Option<&'static Family> {
        FAMILIES.iter().find(|family| family.tag == self.tag)
    }
}

/// What a snapshot says of itself and how its sections lie in it, each unpacked and checked. Asks
/// for no config, so that it can tell of snapshots that were made under another one.
///
/// # Errors
/// It is not a snapshot that this version can read.
pub fn frames(bytes: &[u8]) -> Result<(Header, Vec<SectionFrame>), FormatError> {
    let (header, mut body) = verify(bytes)?;
    let count = count(&mut body)?;
    let frames = (0..count).map(|_| unpack(&mut body).map(|(frame, _)| frame)).collect::<Result<_, _>>()?;
    if body.is_empty() { Ok((header, frames)) } else { Err(FormatError::Torn(FOLLOWED)) }
}

fn verify(bytes: &[u8]) -> Result<(Header, &[u8]), FormatError> {
    let short = FormatError::Torn("it is shorter than any snapshot");
    let Some((body, mut trailer)) =
        bytes.len().checked_sub(TRAILER).and_then(|end| bytes.split_at_checked(end))
    else {
        return Err(short);
    };
    let mut rest = body;
    read_format(&mut rest)?;
    let (length, checksum) = (trailer.try_get_u64_le()?, trailer.try_get_u32_le()?);
    if trailer != END || length != body.len() as u64 {
        return Err(FormatError::Torn("its end is missing"));
    }
    if crc32c::crc32c(body) != checksum {
        return Err(FormatError::Checksum("content"));
    }
    let mut rest = body;
    Ok((read_header(&mut rest)?, rest))
}

fn read_format(bytes: &mut &[u8]) -> Result<(), FormatError> {
    *bytes = bytes.strip_prefix(MAGIC).ok_or(FormatError::Magic)?;
    match bytes.try_get_u16_le()? {
        FORMAT => Ok(()),
        other => Err(FormatError::Version(other)),
    }
}

fn read_header(bytes: &mut &[u8]) -> Result<Header, FormatError> {
    read_format(bytes)?;
    let length = bytes.try_get_u32_le()?;
    let mut head = take(bytes, u64::from(length))?;
    if crc32c::crc32c(head) != bytes.try_get_u32_le()? {
        return Err(FormatError::Checksum("header"));
    }
    let head = &mut head;
    Ok(Header {
        topic: take_str(head)?,
        partition: Partition(head.try_get_u32_le()?),
        partitions: head.try_get_u32_le()?,
        next_offset: Offset(head.try_get_u64_le()?),
        written_at: head.try_get_i64_le()?,
        stream: take_str(head)?,
    })
}

fn encode_header(header: &Header) -> Vec<u8> {
    let mut out = Vec::new();
    put_str(&mut out, &header.topic);
    out.put_u32_le(header.partition.0);
    out.put_u32_le(header.partitions);
    out.put_u64_le(header.next_offset.0);
    out.put_i64_le(header.written_at);
    put_str(&mut out, &header.stream);
    out
}

fn count(body: &mut &[u8]) -> Result<u32, FormatError> {
    let count = body.try_get_u32_le()?;
    match count as usize <= body.len() / SMALLEST_SECTION {
        true => Ok(count),
        false => Err(FormatError::Torn("it claims more sections than it has room for")),
    }
}

fn unpack(body: &mut &[u8]) -> Result<(SectionFrame, Vec<u8>), FormatError> {
    let length = body.try_get_u8()?;
    let tag = take(body, u64::from(length))?;
    let legal = |byte: &u8| byte.is_ascii_lowercase() || *byte == b'_';
    if !(1..=LONGEST_TAG).contains(&tag.len()) || !tag.iter().all(legal) {
        return Err(FormatError::Torn("a section has no tag"));
    }
    let tag = String::from_utf8_lossy(tag).into_owned();
    let version = body.try_get_u16_le()?;
    let (stored, plain_length) = (body.try_get_u64_le()?, body.try_get_u64_le()?);
    let checksum = body.try_get_u32_le()?;
    let packed = take(body, stored)?;
    if plain_length > MAX_SECTION {
        return Err(FormatError::Torn("a section is impossibly long"));
    }
    // Streamed, so that memory follows what is really there and not what a length claims.
    let mut plain = Vec::new();
    zstd::stream::read::Decoder::with_buffer(packed)?.take(plain_length).read_to_end(&mut plain)?;
    if plain.len() as u64 != plain_length || crc32c::crc32c(&plain) != checksum {
        return Err(FormatError::Checksum("section"));
    }
    Ok((SectionFrame { tag, version, stored, plain: plain_length, checksum }, plain))
}

fn take_str(bytes: &mut &[u8]) -> Result<String, FormatError> {
    let length = bytes.try_get_u16_le()?;
    let text = std::str::from_utf8(take(bytes, u64::from(length))?);
    Ok(text.map_err(|_| FormatError::Torn("its header is not UTF-8"))?.to_owned())
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8], FormatError> {
    let split = usize::try_from(length).ok().and_then(|length| bytes.split_at_checked(length));
    let (taken, rest) = split.ok_or(FormatError::Torn("it ends within a value"))?;
    *bytes = rest;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Around the size of a block of zstd, and of several pieces that it packs to.
    #[test]
    fn sections_of_any_size_come_out_as_they_went_in() {
        let words = |length: usize| -> Vec<u8> {
            let mut number = 1_u64;
            let mut word = move || {
                number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (number >> 52).to_le_bytes()
            };
            std::iter::from_fn(|| Some(word())).flatten().take(length).collect()
        };
        let header = Header {
            topic: "clicks".to_owned(),
            partition: Partition(1),
            partitions: 4,
            next_offset: Offset(7),
            written_at: 8,
            stream: "stream".to_owned(),
        };
        const BLOCK: usize = 128 * 1024;
        let plain = [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 4 * BLOCK, 40 * BLOCK + 3].map(words);
        let sections = plain.iter().map(|plain| ("some_facts", 3, plain.as_slice()));
        let bytes = encode_into(Pieces::default(), &header, sections).expect("it can be packed").concat();
        let (told, frames) = frames(&bytes).expect("what we write we read");
        assert_eq!(told, header);
        let told: Vec<_> = frames.iter().map(|frame| (frame.plain as usize, frame.checksum)).collect();
        let expected: Vec<_> = plain.iter().map(|plain| (plain.len(), crc32c::crc32c(plain))).collect();
        assert_eq!(told, expected);
        let all: usize = plain.iter().map(Vec::len).sum();
        assert!(
            bytes.len() > 4 * BLOCK && 2 * bytes.len() < all,
            "several pieces, and packed: {}",
            bytes.len()
        );
    }
}
