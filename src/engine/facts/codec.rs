//! The values of which a state's sections are made, as bytes and back.
//!
//! Little-endian, fixed widths, no padding. A string is its length as `u16` and its bytes. Reading
//! trusts nothing: every length is checked against what is left before anything is allocated for
//! it, every number against what it points at.

use bytes::{Buf, BufMut, TryGetError};

use crate::engine::config::DAY;
use crate::engine::events::event::{EventType, MAX_TIMESTAMP, Timestamp};
use crate::engine::facts::state::PartitionState;
use crate::engine::windows::panes::{PaneCount, PaneCounts};
use crate::engine::windows::sliding::WindowSet;

/// Why bytes are not a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    /// They end too early.
    #[error("it ends after {0} bytes, in the middle of a value")]
    Short(usize),
    /// Something is left over.
    #[error("it has {0} bytes too many")]
    Long(usize),
    /// A value can't be.
    #[error("byte {at} does not hold a valid {what}")]
    Value {
        /// Where.
        at: usize,
        /// What it should have been.
        what: &'static str,
    },
}

/// Appends a string. Names are bounded far below 64 KiB before they come here.
pub fn put_str(out: &mut Vec<u8>, text: &str) {
    out.put_u16_le(text.len() as u16);
    out.put_slice(text.as_bytes());
}

/// Appends an event: at once, as most of a state is events.
pub fn put_event(out: &mut Vec<u8>, ts: Timestamp, kind: EventType, item: u32) {
    let mut bytes = [0; 13];
    bytes[..8].copy_from_slice(&ts.0.to_le_bytes());
    bytes[8] = kind.0;
    bytes[9..].copy_from_slice(&item.to_le_bytes());
    out.put_slice(&bytes);
}

/// Appends counts.
pub fn put_counts(out: &mut Vec<u8>, counts: &PaneCounts) {
    out.put_u32_le(counts.iter().len() as u32);
    for entry in counts.iter() {
        out.put_i64_le(entry.start.0);
        out.put_u32_le(entry.key);
        out.put_slice(&[entry.kind.0, entry.level]);
        out.put_u32_le(entry.count);
    }
}

/// The bytes of a section, value by value.
#[derive(Debug)]
pub struct Input<'a> {
    rest: &'a [u8],
    length: usize,
}

impl<'a> Input<'a> {
    /// All of these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, length: bytes.len() }
    }

    /// How many bytes were read.
    pub fn at(&self) -> usize {
        self.length - self.rest.len()
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    fn get<T>(&mut self, get: impl FnOnce(&mut &'a [u8]) -> Result<T, TryGetError>) -> Result<T, Corrupt> {
        get(&mut self.rest).map_err(|_| Corrupt::Short(self.length))
    }

    /// A byte.
    ///
    /// # Errors
    /// Nothing is left.
    pub fn u8(&mut self) -> Result<u8, Corrupt> {
        self.get(|rest| rest.try_get_u8())
    }

    /// A number.
    ///
    /// # Errors
    /// Too little is left.
    pub fn u16(&mut self) -> Result<u16, Corrupt> {
        self.get(|rest| rest.try_get_u16_le())
    }

    /// A number.
    ///
    /// # Errors
    /// Too little is left.
    pub fn u32(&mut self) -> Result<u32, Corrupt> {
        self.get(|rest| rest.try_get_u32_le())
    }

    /// A number.
    ///
    /// # Errors
    /// Too little is left.
    pub fn u64(&mut self) -> Result<u64, Corrupt> {
        self.get(|rest| rest.try_get_u64_le())
    }

    /// A number.
    ///
    /// # Errors
    /// Too little is left.
    pub fn i64(&mut self) -> Result<i64, Corrupt> {
        self.get(|rest| rest.try_get_i64_le())
    }

    /// An event time, or something that was computed from one: far from where sums overflow.
    ///
    /// # Errors
    /// It is not one.
    pub fn time(&mut self) -> Result<Timestamp, Corrupt> {
        let at = self.at();
        let ts = self.i64()?;
        match (0..=MAX_TIMESTAMP.0 + DAY).contains(&ts) {
            true => Ok(Timestamp(ts)),
            false => Err(Corrupt::Value { at, what: "time" }),
        }
    }

    /// A string.
    ///
    /// # Errors
    /// It is not one.
    pub fn str(&mut self) -> Result<&'a str, Corrupt> {
        let at = self.at();
        let length = self.get(|rest| rest.try_get_u16_le())?;
        let short = Corrupt::Short(self.length);
        let (text, rest) = self.rest.split_at_checked(usize::from(length)).ok_or(short)?;
        self.rest = rest;
        std::str::from_utf8(text).map_err(|_| Corrupt::Value { at, what: "string" })
    }

    /// A number of entries of at least `size` bytes each that there can be room for.
    ///
    /// # Errors
    /// There is no room for so many.
    pub fn count(&mut self, size: usize) -> Result<u32, Corrupt> {
        let at = self.at();
        let count = self.u32()?;
        if count as usize > self.left() / size {
            return Err(Corrupt::Value { at, what: "count" });
        }
        Ok(count)
    }

    /// A number that points at one of `known` things.
    ///
    /// # Errors
    /// It points nowhere.
    pub fn below(&mut self, known: usize, what: &'static str) -> Result<u32, Corrupt> {
        let at = self.at();
        let value = self.u32()?;
        if value as usize >= known { Err(Corrupt::Value { at, what }) } else { Ok(value) }
    }

    /// An event of a state's types and items.
    ///
    /// # Errors
    /// It is not one.
    pub fn event(&mut self, state: &PartitionState) -> Result<(Timestamp, EventType, u32), Corrupt> {
        let at = self.at();
        let ts = self.time()?;
        if ts > MAX_TIMESTAMP {
            return Err(Corrupt::Value { at, what: "event time" });
        }
        let kind = self.kind(state)?;
        Ok((ts, kind, self.below(state.items().len(), "item")?))
    }

    fn kind(&mut self, state: &PartitionState) -> Result<EventType, Corrupt> {
        let at = self.at();
        let kind = self.u8()?;
        match usize::from(kind) < state.config().event_types.names().len() {
            true => Ok(EventType(kind)),
            false => Err(Corrupt::Value { at, what: "event type" }),
        }
    }

    /// Counts of a state's types over the windows of `windows`, whose keys are as `is_key` says.
    ///
    /// # Errors
    /// They are not counts.
    pub fn counts(
        &mut self,
        state: &PartitionState,
        windows: &WindowSet,
        is_key: impl Fn(u32) -> bool,
    ) -> Result<PaneCounts, Corrupt> {
        let entries = self.count(18)?;
        let mut counts = Vec::with_capacity(entries as usize);
        for _ in 0..entries {
            let at = self.at();
            let (start, key, kind) = (self.time()?, self.u32()?, self.kind(state)?);
            let (level, count) = (self.u8()?, self.u32()?);
            if !is_key(key) || usize::from(level) >= windows.len() {
                return Err(Corrupt::Value { at, what: "count" });
            }
            counts.push(PaneCount { start, key, kind, level, count });
        }
        Ok(PaneCounts::from_counts(counts))
    }
}
