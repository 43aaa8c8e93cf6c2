//! What is popular, and what is recent: items in an order that each event changes a little.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::super::contender::{Contender, Observed, Question};
use super::super::window::Window;

/// How often, and when last: which event of all it was.
type Worth = (u32, u64);

/// Items, the worthiest first.
#[derive(Default)]
struct Order {
    sorted: BTreeSet<(Reverse<Worth>, u32)>,
    worth: Vec<Worth>,
}

impl Order {
    fn new(items: usize) -> Self {
        Self { sorted: BTreeSet::new(), worth: vec![(0, 0); items] }
    }

    /// Puts an item where it belongs. One of the worth (0, 0) is nowhere.
    fn put(&mut self, item: u32, worth: Worth) {
        let Some(own) = self.worth.get_mut(item as usize) else { return };
        self.sorted.remove(&(Reverse(*own), item));
        *own = worth;
        if worth != (0, 0) {
            self.sorted.insert((Reverse(worth), item));
        }
    }

    fn list(&self, question: &Question<'_>, list: &mut Vec<u32>) {
        let items = self.sorted.iter().map(|(_, item)| *item);
        list.clear();
        list.extend(items.filter(|item| question.listable.may_list(*item)).take(question.n));
    }
}

/// The items that were turned to most within a length of time, by exact counts of positive events. Of two that were
/// turned to as often the one comes first of which the last event is newer. Where fewer items were turned to, the list
/// is short.
pub(super) struct Popular {
    name: String,
    window: Window,
    order: Order,
    /// The last positive event of each item.
    last: Vec<u64>,
    events: u64,
}

impl Popular {
    /// Counts of `length` ms.
    pub fn new(name: String, items: usize, length: i64) -> Self {
        Self {
            name,
            window: Window::new(length, items),
            order: Order::new(items),
            last: vec![0; items],
            events: 0,
        }
    }

    fn slide(&mut self, now: i64) {
        let Self { window, order, last, .. } = self;
        window.slide(now, |item, count| {
            let worth = if count == 0 { (0, 0) } else { (count, last[item as usize]) };
            order.put(item, worth);
        });
    }
}

impl Contender for Popular {
    fn name(&self) -> &str {
        &self.name
    }

    fn observe(&mut self, event: &Observed) {
        self.slide(event.ts);
        if event.positive {
            self.events += 1;
            self.last[event.item as usize] = self.events;
            self.window.add(event.item, event.ts);
            self.order.put(event.item, (self.window.count(event.item), self.events));
        }
    }

    fn list(&mut self, question: &Question<'_>, list: &mut Vec<u32>) {
        self.slide(question.ts);
        self.order.list(question, list);
    }
}

/// The items that anybody turned to last, or those that turned up last.
pub(super) struct Recent {
    name: String,
    /// Whether only the first event of each item counts.
    first: bool,
    order: Order,
    events: u64,
}

impl Recent {
    pub fn new(name: String, items: usize, first: bool) -> Self {
        Self { name, first, order: Order::new(items), events: 0 }
    }
}

impl Contender for Recent {
    fn name(&self) -> &str {
        &self.name
    }

    fn observe(&mut self, event: &Observed) {
        let known = self.order.worth.get(event.item as usize).is_some_and(|worth| *worth != (0, 0));
        if event.positive && !(self.first && known) {
            self.events += 1;
            self.order.put(event.item, (1, self.events));
        }
    }

    fn list(&mut self, question: &Question<'_>, list: &mut Vec<u32>) {
        self.order.list(question, list);
    }
}
