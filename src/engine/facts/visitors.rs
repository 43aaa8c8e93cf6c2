//! From an item to the visits in which people acted on it: [`postings`](crate::engine::facts::postings) say where to
//! look, histories what there is.

use crate::engine::events::event::Timestamp;
use crate::engine::facts::history::RawEvent;
use crate::engine::facts::postings::{Bounds, Posting, Postings};
use crate::engine::facts::state::PartitionState;
use crate::engine::facts::visits::Visit;

impl PartitionState {
    /// Visits in which somebody acted on an item up to `t`, that of the newest event first, as they were at `t`: what
    /// is later than that is none of them. Of the newest [`StateLimits::postings_per_item`] postings at most `limit`
    /// that prove true: those of whom nothing is known any more, or nothing exact at `t`, are passed over. Whoever
    /// acted twice comes twice, with another [`Visit::at`].
    ///
    /// [`StateLimits::postings_per_item`]: crate::engine::config::StateLimits::postings_per_item
    pub fn visits_to<'a>(&'a self, item: u32, t: Timestamp, limit: usize, with: &mut dyn FnMut(Visit<'a>)) {
        let postings = self.postings.up_to(item, t, self.config().limits.postings_per_item);
        let visits = postings.iter().rev().filter_map(|posting| self.visit(*posting, item, t));
        visits.take(limit).for_each(with);
    }

    /// The visit that a posting speaks of, if there is such an event.
    #[inline]
    fn visit(&self, posting: Posting, item: u32, t: Timestamp) -> Option<Visit<'_>> {
        let (keep, passive) = (self.config().recent_events_per_user, self.config().passive_event_types);
        let user = self.users.slots.get(posting.slot() as usize)?;
        let exact = user.profile.acted().at(t, keep, &self.interest).ok()?.exact;
        let ts = posting.ts();
        let known = exact.get(..exact.partition_point(|event| event.ts() <= ts))?;
        let same_time = known.iter().rev().take_while(|event| event.ts() == ts);
        let is_it = |event: &RawEvent| event.item == item && !passive.contains(event.kind());
        let back = same_time.clone().position(is_it)?;
        Visit::around(exact, known.len() - 1 - back, passive)
    }

    /// How many postings are kept.
    pub fn postings_len(&self) -> usize {
        self.postings.len()
    }

    /// What bounds postings as of now.
    pub(in crate::engine::facts) fn postings_bounds(&self) -> Bounds {
        Bounds::new(&self.config().limits, self.floor(), self.interest.reach())
    }

    /// The postings of all that is known one by one of what users did.
    pub(in crate::engine::facts) fn postings_of_histories(&self) -> Postings {
        let users = (0..).zip(&self.users.slots);
        let acted =
            users.flat_map(|(slot, user)| user.profile.acted().raw().iter().map(move |event| (slot, event)));
        let acted = acted.filter(|(_, event)| !self.config().is_passive(event.kind()));
        let postings = acted.map(|(slot, event)| (event.item, Posting::new(event.ts(), slot)));
        Postings::rebuilt(postings, self.postings_bounds())
    }
}
