//! Visits: stretches of what a user did, told apart by the events' session ids, or else by gaps in event time.
//!
//! Two things that a user did one after the other are of one visit if they name the same session, whatever the gap;
//! of two visits if they name different ones; and if one of them names none, as some events of a visitor may not, of
//! one if they are no more than [`VISIT_GAP`] apart. Nothing of that is stored: an event that comes late is between
//! its neighbours as if it had come in time. What a user was shown (passive events) says nothing of it.
//!
//! What is exact at an instant is what [`History::at`] calls so: of a
//! visit that is longer than that, its end.

use crate::engine::config::MINUTE;
use crate::engine::events::event::{EventTypeSet, Timestamp};
use crate::engine::facts::history::{History, RawEvent};

/// A user's events further apart than this, in ms, are of two visits, where they do not say so themselves.
pub const VISIT_GAP: i64 = 30 * MINUTE;

/// A visit of a user, as far as it is exact at some instant.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'a> {
    /// What happened in it, oldest first. The first and the last are things that the user did; of what the user was
    /// shown, some may lie between them.
    pub events: &'a [RawEvent],
    /// The index of the event that is asked about.
    pub at: usize,
    passive: EventTypeSet,
}

impl<'a> Visit<'a> {
    /// The visit around an event among these, which is not of a passive type.
    pub(in crate::engine::facts) fn around(
        events: &'a [RawEvent],
        at: usize,
        passive: EventTypeSet,
    ) -> Option<Self> {
        let acted = |event: &RawEvent| !passive.contains(event.kind());
        let (mut first, mut last) = (at, at);
        let mut nearest = *events.get(at)?;
        for (index, event) in events.get(..at)?.iter().enumerate().rev().filter(|(_, event)| acted(event)) {
            if begins_another(*event, nearest) {
                break;
            }
            (first, nearest) = (index, *event);
        }
        nearest = *events.get(at)?;
        for (index, event) in events.iter().enumerate().skip(at + 1).filter(|(_, event)| acted(event)) {
            if begins_another(nearest, *event) {
                break;
            }
            (last, nearest) = (index, *event);
        }
        Some(Self { events: events.get(first..=last)?, at: at - first, passive })
    }

    /// The newest visit among these events.
    pub(in crate::engine::facts) fn newest(events: &'a [RawEvent], passive: EventTypeSet) -> Option<Self> {
        let at = events.iter().rposition(|event| !passive.contains(event.kind()))?;
        Self::around(events, at, passive)
    }

    /// The event that is asked about.
    #[inline]
    pub fn event(&self) -> RawEvent {
        self.events[self.at]
    }

    /// What the user did, oldest first.
    pub fn acted(&self) -> impl DoubleEndedIterator<Item = RawEvent> + use<'a> {
        self.of(self.events)
    }

    /// What the user did before the event that is asked about, the newest first.
    pub fn before(&self) -> impl Iterator<Item = RawEvent> + use<'a> {
        self.of(self.events.get(..self.at).unwrap_or_default()).rev()
    }

    /// What the user did after the event that is asked about, the oldest first.
    pub fn after(&self) -> impl Iterator<Item = RawEvent> + use<'a> {
        self.of(self.events.get(self.at + 1..).unwrap_or_default())
    }

    /// Whether something that the user does at `t` without naming a session is of this visit.
    pub fn goes_on_at(&self, t: Timestamp) -> bool {
        self.events.last().is_some_and(|newest| newest.ts().plus(VISIT_GAP) >= t)
    }

    /// Whether it is a visit of the user who has this history: of this one, not of one that is equal.
    pub fn is_of(&self, acted: &History) -> bool {
        acted.raw().as_ptr_range().contains(&self.events.as_ptr())
    }

    fn of(&self, events: &'a [RawEvent]) -> impl DoubleEndedIterator<Item = RawEvent> + use<'a> {
        let passive = self.passive;
        events.iter().copied().filter(move |event| !passive.contains(event.kind()))
    }
}

/// Whether of two things that a user did one after the other the second begins another visit.
fn begins_another(event: RawEvent, next: RawEvent) -> bool {
    match (event.session(), next.session()) {
        (0, _) | (_, 0) => event.ts().plus(VISIT_GAP) < next.ts(),
        (session, next) => session != next,
    }
}
