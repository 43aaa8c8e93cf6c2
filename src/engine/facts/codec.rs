//! State as bytes and back: the body of a snapshot, in sections.
//!
//! Little-endian, fixed widths, no padding. A string is its length as `u16` and its bytes. Reading
//! trusts nothing: every length is checked against what is left before anything is allocated for
//! it, every number against what it points at.

use std::sync::Arc;

use crate::engine::config::{DAY, StreamConfig};
use crate::engine::events::event::{EventType, MAX_TIMESTAMP, Timestamp};
use crate::engine::facts::dedup::Dedup;
use crate::engine::facts::popularity::{Popularity, RecentEvent};
use crate::engine::facts::profile::{ANY_CATEGORY, Profile, RawEvent};
use crate::engine::facts::state::{Counters, Hint, PartitionState};
use crate::engine::windows::window::{Ladder, PaneCount, PaneCounts};

/// The sections of a state, in order. Each is written and checked by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// The greatest event time and the counters.
    Summary,
    /// Category names and sets.
    Categories,
    /// Item names and hints.
    Items,
    /// Users with their events and counts.
    Users,
    /// Recent events and counts by item.
    Popularity,
    /// Remembered event ids.
    EventIds,
}

impl Section {
    /// All of them, in the order in which they must be read.
    pub const ALL: [Self; 6] =
        [Self::Summary, Self::Categories, Self::Items, Self::Users, Self::Popularity, Self::EventIds];
}

/// Why bytes are not a state.
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

impl PartitionState {
    /// Appends a section.
    pub fn write(&self, section: Section, out: &mut Vec<u8>) {
        match section {
            Section::Summary => self.write_summary(out),
            Section::Categories => self.write_categories(out),
            Section::Items => self.write_items(out),
            Section::Users => self.write_users(out),
            Section::Popularity => self.write_popularity(out),
            Section::EventIds => self.write_event_ids(out),
        }
    }

    /// Takes over a section; the sections must come in the order of [`Section::ALL`].
    ///
    /// # Errors
    /// The bytes are not such a section; the state is then good for nothing.
    pub fn read(&mut self, section: Section, bytes: &[u8]) -> Result<(), Corrupt> {
        let mut input = Input { bytes, at: 0 };
        match section {
            Section::Summary => self.read_summary(&mut input)?,
            Section::Categories => self.read_categories(&mut input)?,
            Section::Items => self.read_items(&mut input)?,
            Section::Users => self.read_users(&mut input)?,
            Section::Popularity => self.read_popularity(&mut input)?,
            Section::EventIds => self.read_event_ids(&mut input)?,
        }
        match input.left() {
            0 => Ok(()),
            left => Err(Corrupt::Long(left)),
        }
    }

    fn write_summary(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.newest.is_some()));
        if let Some(newest) = self.newest {
            put_i64(out, newest.0);
        }
        for counter in counters(&self.counters) {
            put_u64(out, counter);
        }
    }

    fn read_summary(&mut self, input: &mut Input<'_>) -> Result<(), Corrupt> {
        self.newest = match input.u8()? {
            0 => None,
            _ => Some(input.time()?),
        };
        let mut values = [0; 8];
        for value in &mut values {
            *value = input.u64()?;
        }
        let [applied, duplicates, late, item_limit, clamped, users_expired, users_evicted, counts_dropped] =
            values;
        self.counters = Counters {
            applied,
            duplicates,
            late,
            item_limit,
            clamped,
            users_expired,
            users_evicted,
            counts_dropped,
        };
        Ok(())
    }

    fn write_categories(&self, out: &mut Vec<u8>) {
        put_u32(out, self.categories.len() as u32);
        self.categories.names().for_each(|name| put_str(out, name));
        put_u32(out, self.categories.sets_len() as u32);
        for set in self.categories.sets() {
            out.push(set.len() as u8);
            set.iter().for_each(|member| put_u32(out, *member));
        }
    }

    fn read_categories(&mut self, input: &mut Input<'_>) -> Result<(), Corrupt> {
        for place in 0..input.count(2)? {
            let at = input.at;
            let name = input.str()?;
            if self.categories.intern(name) != Some(place) {
                return Err(Corrupt::Value { at, what: "category name" });
            }
        }
        for place in 0..input.count(1)? {
            let at = input.at;
            let mut names = Vec::new();
            for _ in 0..input.u8()? {
                let member = input.below(self.categories.len(), "category")?;
                names.push(self.categories.name(member).to_owned().into());
            }
            if self.categories.intern_set(&names) != place + 1 {
                return Err(Corrupt::Value { at, what: "set of categories" });
            }
        }
        Ok(())
    }

    fn write_items(&self, out: &mut Vec<u8>) {
        put_u32(out, self.items.len() as u32);
        for (place, name) in self.items.names().enumerate() {
            let hint = self.hints.get(place).copied().unwrap_or_default();
            put_str(out, name);
            put_i64(out, hint.ts.0);
            put_u32(out, hint.set);
        }
    }

    fn read_items(&mut self, input: &mut Input<'_>) -> Result<(), Corrupt> {
        for place in 0..input.count(14)? {
            let at = input.at;
            let name = input.str()?;
            if self.items.intern(name, usize::MAX) != Some(place) {
                return Err(Corrupt::Value { at, what: "item name" });
            }
            let ts = input.time()?;
            let set = input.below(self.categories.sets_len() + 1, "set of categories")?;
            self.hints.push(Hint { ts, set });
        }
        Ok(())
    }

    fn write_users(&self, out: &mut Vec<u8>) {
        put_u32(out, self.users.slots().len() as u32);
        for user in self.users.slots() {
            put_str(out, &user.id);
            if !user.id.is_empty() {
                self.write_profile(&user.profile, out);
            }
        }
        let (hand, free) = self.users.order();
        put_u32(out, hand as u32);
        put_u32(out, free.len() as u32);
        free.iter().for_each(|place| put_u32(out, *place));
    }

    fn read_users(&mut self, input: &mut Input<'_>) -> Result<(), Corrupt> {
        let slots = input.count(2)?;
        self.users.reserve((slots as usize).min(input.left() / 8));
        for _ in 0..slots {
            let at = input.at;
            match input.str()? {
                "" => self.users.restore_free(),
                id => {
                    let profile = self.read_profile(input)?;
                    if !self.users.restore(id, profile) {
                        return Err(Corrupt::Value { at, what: "user id" });
                    }
                }
            }
        }
        let at = input.at;
        let hand = input.u32()? as usize;
        let mut free = Vec::new();
        for _ in 0..input.count(4)? {
            free.push(input.u32()?);
        }
        match self.users.restore_order(hand, free) {
            true => Ok(()),
            false => Err(Corrupt::Value { at, what: "order of users" }),
        }
    }

    fn write_profile(&self, profile: &Profile, out: &mut Vec<u8>) {
        let (raw, coarse) = profile.parts(self.interest_ladder());
        put_u32(out, raw.len() as u32);
        for event in raw {
            put_event(out, event.ts(), event.kind(), event.item);
            put_u32(out, event.own);
        }
        out.push(u8::from(coarse.is_some()));
        if let Some((bound, counts)) = coarse {
            put_i64(out, bound.0);
            put_counts(out, &counts);
        }
    }

    fn read_profile(&self, input: &mut Input<'_>) -> Result<Profile, Corrupt> {
        let sets = self.categories.sets_len() + 1;
        let events = input.count(17)?;
        let mut raw = Vec::with_capacity(events as usize);
        for _ in 0..events {
            let (ts, kind, item) = self.event(input)?;
            raw.push(RawEvent::new(ts, kind, item, input.below(sets, "set of categories")?));
        }
        let coarse = match input.u8()? {
            0 => None,
            _ => {
                let bound = input.time()?;
                Some((bound, self.counts(input, self.interest_ladder(), Some(self.categories.len()))?))
            }
        };
        Ok(Profile::from_parts(raw, coarse))
    }

    fn write_popularity(&self, out: &mut Vec<u8>) {
        let (floor, recent, coarse) = self.popularity.parts(self.popularity_ladder());
        put_i64(out, floor.0);
        put_u32(out, self.popularity.recent_len() as u32);
        recent.for_each(|event| put_event(out, event.ts, event.kind, event.item));
        put_u32(out, coarse.len() as u32);
        coarse.for_each(|counts| put_counts(out, &counts));
    }

    fn read_popularity(&mut self, input: &mut Input<'_>) -> Result<(), Corrupt> {
        let floor = input.time()?;
        let events = input.count(13)?;
        let mut recent = Vec::with_capacity(events as usize);
        for _ in 0..events {
            let (ts, kind, item) = self.event(input)?;
            recent.push(RecentEvent { ts, item, kind });
        }
        let at = input.at;
        let items = input.count(4)? as usize;
        if items > self.items.len() {
            return Err(Corrupt::Value { at, what: "number of items" });
        }
        let mut coarse = Vec::with_capacity(items);
        for _ in 0..items {
            coarse.push(self.counts(input, self.popularity_ladder(), None)?);
        }
        self.popularity = Popularity::from_parts(self.popularity_ladder(), floor, recent, coarse);
        Ok(())
    }

    fn write_event_ids(&self, out: &mut Vec<u8>) {
        let (generation, current, previous) = self.dedup.parts();
        put_i64(out, generation);
        for generation in [current, previous] {
            put_u32(out, generation.len() as u32);
            generation.into_iter().for_each(|fingerprint| put_u64(out, fingerprint));
        }
    }

    fn read_event_ids(&mut self, input: &mut Input<'_>) -> Result<(), Corrupt> {
        let generation = input.i64()?;
        let mut sets = [Vec::new(), Vec::new()];
        for set in &mut sets {
            for _ in 0..input.count(8)? {
                set.push(input.u64()?);
            }
        }
        let [current, previous] = sets;
        self.dedup = Dedup::from_parts(generation, current, previous);
        Ok(())
    }

    fn event(&self, input: &mut Input<'_>) -> Result<(Timestamp, EventType, u32), Corrupt> {
        let at = input.at;
        let ts = input.time()?;
        if ts > MAX_TIMESTAMP {
            return Err(Corrupt::Value { at, what: "event time" });
        }
        let kind = self.kind(input)?;
        Ok((ts, kind, input.below(self.items.len(), "item")?))
    }

    fn kind(&self, input: &mut Input<'_>) -> Result<EventType, Corrupt> {
        let at = input.at;
        let kind = input.u8()?;
        match usize::from(kind) < self.config().event_types.names().len() {
            true => Ok(EventType(kind)),
            false => Err(Corrupt::Value { at, what: "event type" }),
        }
    }

    fn counts(
        &self,
        input: &mut Input<'_>,
        ladder: &Ladder,
        keys: Option<usize>,
    ) -> Result<PaneCounts, Corrupt> {
        let entries = input.count(18)?;
        let mut counts = Vec::with_capacity(entries as usize);
        for _ in 0..entries {
            let at = input.at;
            let (start, key, kind) = (input.time()?, input.u32()?, self.kind(input)?);
            let (level, count) = (input.u8()?, input.u32()?);
            let known = keys.map_or(key == 0, |keys| key == ANY_CATEGORY || (key as usize) < keys);
            if !known || usize::from(level) >= ladder.len() {
                return Err(Corrupt::Value { at, what: "count" });
            }
            counts.push(PaneCount { start, key, kind, level, count });
        }
        Ok(PaneCounts::from_counts(counts))
    }

    /// A state from its sections, in order.
    ///
    /// # Errors
    /// A section is not what it should be.
    pub fn from_sections<'a>(
        config: Arc<StreamConfig>,
        sections: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, Corrupt> {
        let mut state = Self::new(config);
        let mut sections = sections.into_iter();
        for section in Section::ALL {
            state.read(section, sections.next().unwrap_or_default())?;
        }
        Ok(state)
    }
}

fn counters(counters: &Counters) -> [u64; 8] {
    let Counters {
        applied,
        duplicates,
        late,
        item_limit,
        clamped,
        users_expired,
        users_evicted,
        counts_dropped,
    } = *counters;
    [applied, duplicates, late, item_limit, clamped, users_expired, users_evicted, counts_dropped]
}

fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// Names are bounded far below 64 KiB before they come here.
fn put_str(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u16).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn put_event(out: &mut Vec<u8>, ts: Timestamp, kind: EventType, item: u32) {
    put_i64(out, ts.0);
    out.push(kind.0);
    put_u32(out, item);
}

fn put_counts(out: &mut Vec<u8>, counts: &PaneCounts) {
    put_u32(out, counts.iter().len() as u32);
    for entry in counts.iter() {
        put_i64(out, entry.start.0);
        put_u32(out, entry.key);
        out.extend_from_slice(&[entry.kind.0, entry.level]);
        put_u32(out, entry.count);
    }
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Corrupt> {
        let end = self.at.checked_add(length);
        let taken =
            end.and_then(|end| self.bytes.get(self.at..end)).ok_or(Corrupt::Short(self.bytes.len()))?;
        self.at += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Corrupt> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u8(&mut self) -> Result<u8, Corrupt> {
        Ok(self.array::<1>()?[0])
    }

    fn u32(&mut self) -> Result<u32, Corrupt> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Corrupt> {
        self.array().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Result<i64, Corrupt> {
        self.array().map(i64::from_le_bytes)
    }

    /// An event time, or something that was computed from one: far from where sums overflow.
    fn time(&mut self) -> Result<Timestamp, Corrupt> {
        let at = self.at;
        let ts = self.i64()?;
        match (0..=MAX_TIMESTAMP.0 + DAY).contains(&ts) {
            true => Ok(Timestamp(ts)),
            false => Err(Corrupt::Value { at, what: "time" }),
        }
    }

    fn str(&mut self) -> Result<&'a str, Corrupt> {
        let at = self.at;
        let length = u16::from_le_bytes(self.array()?);
        std::str::from_utf8(self.take(usize::from(length))?)
            .map_err(|_| Corrupt::Value { at, what: "string" })
    }

    /// A number of entries of at least `size` bytes each that there can be room for.
    fn count(&mut self, size: usize) -> Result<u32, Corrupt> {
        let at = self.at;
        let count = self.u32()?;
        if count as usize > self.left() / size {
            return Err(Corrupt::Value { at, what: "count" });
        }
        Ok(count)
    }

    /// A number that points at one of `known` things.
    fn below(&mut self, known: usize, what: &'static str) -> Result<u32, Corrupt> {
        let at = self.at;
        let value = self.u32()?;
        if value as usize >= known { Err(Corrupt::Value { at, what }) } else { Ok(value) }
    }
}
