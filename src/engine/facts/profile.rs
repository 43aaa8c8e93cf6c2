//! What is kept of one user: what the user did, what the user was shown, and which items that concerns.
//!
//! What a user was shown (events of the passive types, impressions) has a history of its own: there is far more of
//! it than of what people do, and it must not push out what they did. As long as all events of a user together are no
//! more than are exact, it does not, and they are one history: for most users all there is. What the user did longer
//! ago than single events are kept is remembered by item ([`ActedItems`]).

use crate::engine::config::StreamConfig;
use crate::engine::events::event::{EventTypeSet, Timestamp};
use crate::engine::facts::acted_items::ActedItems;
use crate::engine::facts::history::{Coarsening, History, HistoryAt, RawEvent};
use crate::engine::facts::numbers::{InUse, Renumbered};
use crate::engine::facts::visits::Visit;
use crate::engine::windows::panes::PaneCount;
use crate::engine::windows::sliding::WindowSet;

/// One user's facts.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// What the user did; and what the user was shown, unless that is apart.
    acted: History,
    /// What many users have nothing of.
    more: Option<Box<More>>,
}

#[derive(Clone, Debug, Default)]
struct More {
    /// What the user was shown, once that is apart from what the user did: there are more events then than are exact.
    shown: Option<History>,
    /// What the user did, of the events that [`Profile::acted`] has counted by pane.
    items: ActedItems,
}

/// A user's facts up to an instant.
#[derive(Clone, Copy, Debug)]
pub struct ProfileAt<'a> {
    acted: HistoryAt<'a>,
    shown: HistoryAt<'a>,
    items: &'a [RawEvent],
}

impl Profile {
    /// Adds an event. Returns how many coarse counts had to be forgotten to stay within the limit.
    pub fn record(&mut self, event: RawEvent, config: &StreamConfig, how: &mut Coarsening<'_>) -> usize {
        let mut coarsened = Vec::new();
        let is_passive = config.is_passive(event.kind());
        if self.is_full(how.keep) && self.shown().is_none() {
            self.take_apart(is_passive, config, how.keep);
        }
        if is_passive && let Some(shown) = self.more.as_mut().and_then(|more| more.shown.as_mut()) {
            return shown.record(event, how, &mut coarsened);
        }
        let forgotten = self.acted.record(event, how, &mut coarsened);
        if !coarsened.is_empty() {
            self.more.get_or_insert_default().items.add(&coarsened, &config.limits);
        }
        forgotten
    }

    /// Whether a further event is one more than are exact.
    fn is_full(&self, keep: usize) -> bool {
        self.acted.len() >= keep || self.acted.is_coarse()
    }

    /// Takes what the user was shown apart from what the user did, if there is any of it or some is to come.
    fn take_apart(&mut self, is_to_come: bool, config: &StreamConfig, keep: usize) {
        // Beyond this it was done already, or there was none.
        let may_have_some = self.acted.len() <= keep;
        let shown = may_have_some.then(|| self.acted.split_off(|kind| config.is_passive(kind))).flatten();
        if shown.is_some() || is_to_come {
            self.more.get_or_insert_default().shown = Some(shown.unwrap_or_default());
        }
    }

    /// The facts up to `t`. Of a user whom no window reaches any more nothing is told, as the user may have been
    /// forgotten since then, or may be about to be.
    ///
    /// # Errors
    /// The oldest `t` that can be answered.
    pub fn at(&self, t: Timestamp, keep: usize, windows: &WindowSet) -> Result<ProfileAt<'_>, Timestamp> {
        let acted = self.acted.at(t, keep, windows);
        let Some(more) = self.more.as_deref() else {
            return Ok(ProfileAt { acted: acted?, shown: HistoryAt::NONE, items: &[] }.within_reach());
        };
        let shown = more.shown.as_ref().map_or(Ok(HistoryAt::NONE), |shown| shown.at(t, keep, windows));
        let (acted, shown) = match (acted, shown) {
            (Err(oldest), Err(other)) => return Err(oldest.max(other)),
            (acted, shown) => (acted?, shown?),
        };
        Ok(ProfileAt { acted, shown, items: more.items.events() }.within_reach())
    }

    /// The time of the newest event.
    #[inline]
    pub fn newest(&self) -> Option<Timestamp> {
        self.acted.newest().max(self.shown().and_then(History::newest))
    }

    /// What the user did; and what the user was shown, unless that is apart.
    pub fn acted(&self) -> &History {
        &self.acted
    }

    /// What the user was shown, if that is apart.
    pub fn shown(&self) -> Option<&History> {
        self.more.as_ref()?.shown.as_ref()
    }

    /// The items that the user has acted on, of the events that are not kept one by one.
    pub fn acted_items(&self) -> &[RawEvent] {
        self.more.as_ref().map_or(&[], |more| more.items.events())
    }

    /// What a snapshot says that the user did. Of one that is older than what users were shown being apart, with that.
    pub(in crate::engine::facts) fn from_snapshot(mut acted: History, config: &StreamConfig) -> Self {
        let keep = config.recent_events_per_user;
        let all_are_exact = acted.len() <= keep && !acted.is_coarse();
        let shown = (!all_are_exact).then(|| acted.split_off(|kind| config.is_passive(kind))).flatten();
        let more = shown.map(|shown| Box::new(More { shown: Some(shown), ..More::default() }));
        Self { acted, more }
    }

    /// What a snapshot says that the user was shown, where that is apart.
    pub(in crate::engine::facts) fn set_shown(&mut self, shown: History) {
        self.more.get_or_insert_default().shown = Some(shown);
    }

    /// What a snapshot says of the sessions of what the user did. Nothing, where what the user was shown was among that
    /// then and was taken apart as it was read.
    pub(in crate::engine::facts) fn set_sessions(&mut self, sessions: &[u16]) {
        if sessions.len() == self.acted.len() {
            self.acted.set_sessions(sessions);
        }
    }

    /// What a snapshot says of the items that the user has acted on.
    pub(in crate::engine::facts) fn set_acted_items(&mut self, items: ActedItems) {
        self.more.get_or_insert_default().items = items;
    }

    /// Notes what is in use.
    pub(in crate::engine::facts) fn note(&self, windows: &WindowSet, used: &mut InUse) {
        self.acted.note(windows, used);
        if let Some(more) = &self.more {
            more.shown.iter().for_each(|shown| shown.note(windows, used));
            more.items.events().iter().for_each(|event| event.note(used));
        }
    }

    /// Takes over the new numbers of what [`Self::note`] noted.
    pub(in crate::engine::facts) fn renumber(&mut self, windows: &WindowSet, numbers: &Renumbered) {
        self.acted.renumber(windows, numbers);
        if let Some(more) = &mut self.more {
            more.shown.iter_mut().for_each(|shown| shown.renumber(windows, numbers));
            more.items.renumber(numbers);
        }
    }

    /// See [`History::forget_items`].
    pub fn forget_items(&mut self, from: u32, keep: usize) -> usize {
        let mut forgotten = self.acted.forget_items(from, keep);
        if let Some(more) = &mut self.more {
            forgotten += more.shown.as_mut().map_or(0, |shown| shown.forget_items(from, keep));
            more.items.forget_items(from);
        }
        forgotten
    }
}

impl<'a> ProfileAt<'a> {
    /// Nothing of what the user has acted on, if no window reaches what the user did last.
    fn within_reach(mut self) -> Self {
        if self.newest().is_none() {
            self.items = &[];
            (self.acted.kept, self.shown.kept) = (&[], &[]);
        }
        self
    }

    /// The time of the newest event.
    #[inline]
    pub fn newest(&self) -> Option<Timestamp> {
        self.acted.newest().max(self.shown.newest())
    }

    /// The visit of what the user did last; none if nothing of that is exact. `passive` are the stream's.
    pub fn newest_visit(&self, passive: EventTypeSet) -> Option<Visit<'a>> {
        Visit::newest(self.acted.exact, passive)
    }

    /// The events that are exact, in no order.
    pub fn exact(&self) -> impl Iterator<Item = RawEvent> + use<'a> {
        self.acted.exact.iter().chain(self.shown.exact).copied()
    }

    /// Which items the user knows and by what: all events that are kept one by one, and of what the user did before
    /// them the newest event of each type on each item.
    pub fn known(&self) -> impl Iterator<Item = RawEvent> + use<'a> {
        self.acted.kept.iter().chain(self.items).chain(self.shown.kept).copied()
    }

    /// The coarse counts.
    pub fn coarse(&self) -> impl Iterator<Item = &'a PaneCount> + use<'a> {
        self.acted.coarse().chain(self.shown.coarse())
    }

    /// Each event that is kept one by one, with the shortest window at `t` that covers it.
    pub fn covered(
        &self,
        windows: &'a WindowSet,
        t: Timestamp,
    ) -> impl Iterator<Item = (RawEvent, usize)> + use<'a> {
        self.acted.covered(windows, t).chain(self.shown.covered(windows, t))
    }
}
