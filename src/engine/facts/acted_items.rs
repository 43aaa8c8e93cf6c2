//! Which items a user has acted on, of the events that are no longer kept one by one.
//!
//! Of each type the items that were acted on last: an item stands once for each type, with the newest of those
//! events. So what it says does not depend on the order in which events came, as long as nothing had to be
//! forgotten, nor afterwards: of the newest N items of a type none has ever been forgotten for one that is older.

use crate::engine::config::StateLimits;
use crate::engine::events::event::{EventType, EventTypes};
use crate::engine::facts::history::RawEvent;
use crate::engine::facts::numbers::Renumbered;

/// Items by type of event.
#[derive(Clone, Debug, Default)]
pub struct ActedItems {
    /// By item and type, each pair once.
    newest: Vec<RawEvent>,
}

impl ActedItems {
    /// What [`Self::events`] gave, within the limits; none if that is not in order.
    pub fn from_snapshot(events: Vec<RawEvent>, limits: &StateLimits) -> Option<Self> {
        let in_order = events.iter().zip(events.iter().skip(1)).all(|(event, next)| key(event) < key(next));
        let mut items = Self { newest: events };
        items.bound(limits);
        in_order.then_some(items)
    }

    /// Adds events; of a type that has too many items then, those that were acted on longest ago are forgotten.
    pub fn add(&mut self, events: &[RawEvent], limits: &StateLimits) {
        for event in events {
            let (event_key, newest) = (key(event), &mut self.newest);
            match newest.binary_search_by_key(&event_key, key) {
                Ok(index) if newest[index].ts() < event.ts() => newest[index] = *event,
                Ok(_) => {}
                Err(index) => newest.insert(index, *event),
            }
        }
        self.bound(limits);
    }

    /// The newest event of each type on each item.
    pub fn events(&self) -> &[RawEvent] {
        &self.newest
    }

    /// Forgets items from number `from` on.
    pub fn forget_items(&mut self, from: u32) {
        self.newest.retain(|event| event.item < from);
    }

    /// Takes over new numbers. They are in the order of the old ones, so that events stay in theirs.
    pub(in crate::engine::facts) fn renumber(&mut self, numbers: &Renumbered) {
        self.newest.iter_mut().for_each(|event| event.renumber(numbers));
    }

    fn bound(&mut self, limits: &StateLimits) {
        // No more in all than of one type may be.
        if self.newest.len() <= limits.acted_items.min(limits.lasting_items) {
            return;
        }
        let mut counts = [0_usize; EventTypes::MAX];
        for event in &self.newest {
            if let Some(count) = counts.get_mut(usize::from(event.kind().0)) {
                *count += 1;
            }
        }
        for (kind, count) in (0..).map(EventType).zip(counts) {
            let excess = count.saturating_sub(limits.acted_items_of(kind));
            if excess > 0 {
                let of_kind = self.newest.iter().filter(|event| event.kind() == kind);
                let mut ages: Vec<_> = of_kind.map(|event| (event.ts(), event.item)).collect();
                let (_, last, _) = ages.select_nth_unstable(excess - 1);
                let last = *last;
                self.newest.retain(|event| event.kind() != kind || (event.ts(), event.item) > last);
            }
        }
    }
}

fn key(event: &RawEvent) -> (u32, EventType) {
    (event.item, event.kind())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::events::event::Timestamp;

    const CLICK: EventType = EventType(1);
    const HIDE: EventType = EventType(6);

    fn event(kind: EventType, item: u32, ts: i64) -> RawEvent {
        RawEvent::new(Timestamp(ts), kind, item, 0)
    }

    fn limits() -> StateLimits {
        StateLimits {
            acted_items: 2,
            lasting_items: 4,
            lasting_event_types: [HIDE].into_iter().collect(),
            ..StateLimits::NONE
        }
    }

    fn told(items: &ActedItems) -> Vec<(u32, u8, i64)> {
        items.events().iter().map(|event| (event.item, event.kind().0, event.ts().0)).collect()
    }

    #[test]
    fn an_item_stands_once_for_each_type_with_the_newest_event() {
        let mut items = ActedItems::default();
        items
            .add(&[event(CLICK, 7, 5), event(HIDE, 7, 1), event(CLICK, 7, 9), event(CLICK, 7, 8)], &limits());
        assert_eq!(told(&items), [(7, 1, 9), (7, 6, 1)]);
    }

    #[test]
    fn each_type_has_its_own_bound_and_the_oldest_go_whatever_the_order() {
        let events: Vec<RawEvent> =
            (0..9_i64).flat_map(|n| [event(CLICK, n as u32, n), event(HIDE, 20 + n as u32, n)]).collect();
        let mut expected = vec![(7, 1, 7), (8, 1, 8)];
        expected.extend((5..9).map(|n| (20 + n as u32, 6, n)));
        for order in 0..5 {
            let mut items = ActedItems::default();
            let mut events = events.clone();
            events.rotate_left(order * 3);
            if order % 2 == 1 {
                events.reverse();
            }
            events.chunks(order + 1).for_each(|events| items.add(events, &limits()));
            assert_eq!(told(&items), expected, "order {order}");
            let read = ActedItems::from_snapshot(items.events().to_vec(), &limits()).expect("it is in order");
            assert_eq!(told(&read), expected);
            events.truncate(2);
            events.sort_by_key(|event| std::cmp::Reverse(key(event)));
            assert!(ActedItems::from_snapshot(events, &limits()).is_none());
        }
    }
}
