//! Generated events: numbers while they are on the way, text only when they are asked for it.

use std::io::{self, Write};

use serde::Serialize;

use crate::engine::events::event::{EventDraft, Timestamp};
use crate::engine::events::item::Item;

/// How late an event arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lateness {
    /// At its own time.
    OnTime,
    /// Within `max_late_ms`.
    Late,
    /// Later than `max_late_ms`.
    VeryLate,
}

/// What is known about a generated event and not told in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct EventTruth {
    /// What its user was like at the time.
    pub persona: &'static str,
    /// How late it arrived.
    pub lateness: Lateness,
    /// Whether it is a producer's retry: the same bytes have arrived before.
    pub duplicate: bool,
    /// Whether the user came to the item because it was hot.
    pub burst: bool,
}

/// A generated event, and the truth about it.
#[derive(Clone, Copy, Debug)]
pub struct GeneratedEvent<'g> {
    pub(super) seed: u64,
    pub(super) number: u64,
    pub(super) user: u32,
    pub(super) session: u32,
    /// What was acted upon.
    pub item: &'g Item,
    /// The name of the event type.
    pub kind: &'static str,
    /// When it happened.
    pub ts: Timestamp,
    /// When it arrives; never before `ts`.
    pub arrival: Timestamp,
    /// Where in the product.
    pub surface: &'static str,
    /// The price of what was bought.
    pub value: Option<u32>,
    /// What the event does not tell.
    pub truth: EventTruth,
}

impl GeneratedEvent<'_> {
    /// The columns that [`Self::write_csv`] writes.
    pub const CSV_HEADER: &'static str = "event_id,user_id,item_id,type,ts,value,session_id,surface\n";

    /// Unique over all data sets with different seeds; a duplicate has that of its original.
    pub fn event_id(&self) -> String {
        format!("g{}-{}", self.seed, self.number)
    }

    /// Who acted.
    pub fn user_id(&self) -> String {
        user_id(self.user)
    }

    /// The visit that it belongs to.
    pub fn session_id(&self) -> String {
        format!("u{}-s{}", self.user, self.session)
    }

    /// The event as if it had been decoded.
    pub fn draft(&self) -> EventDraft<'static> {
        EventDraft {
            event_id: Some(self.event_id().into()),
            user_id: Some(self.user_id().into()),
            item_id: Some(self.item.item_id.clone().into()),
            kind: Some(self.kind.into()),
            ts: Some(self.ts.0),
            value: self.value.map(f64::from),
            session_id: Some(self.session_id().into()),
            surface: Some(self.surface.into()),
            recommendation_id: None,
            categories: Vec::new(),
        }
    }

    /// Writes the event as JSON, without a line feed. All of its text is plain ASCII without
    /// quotes, so that nothing needs escaping.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { seed, number, user, session, item, kind, ts, surface, .. } = *self;
        write!(
            out,
            r#"{{"event_id":"g{seed}-{number}","user_id":"u{user}","item_id":"{}","type":"{kind}","ts":{},"session_id":"u{user}-s{session}","surface":"{surface}""#,
            item.item_id, ts.0,
        )?;
        if let Some(value) = self.value {
            write!(out, r#","value":{value}"#)?;
        }
        out.write_all(b"}")
    }

    /// Writes the event as a CSV row under [`Self::CSV_HEADER`], with its line feed.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_csv(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { seed, number, user, session, item, kind, ts, surface, .. } = *self;
        write!(out, "g{seed}-{number},u{user},{},{kind},{},", item.item_id, ts.0)?;
        if let Some(value) = self.value {
            write!(out, "{value}")?;
        }
        writeln!(out, ",u{user}-s{session},{surface}")
    }
}

/// The id of a generated user, by number.
pub(super) fn user_id(user: u32) -> String {
    format!("u{user}")
}
