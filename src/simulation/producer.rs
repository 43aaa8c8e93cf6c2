//! Who sends clicks and items: in and out of order, twice, too late, too early, and wrong. What is
//! not acknowledged is sent again, and an acknowledgement may come long after that.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::codec::{encode_event, item_deletion, item_record};
use crate::engine::events::event::{EventDraft, Timestamp};
use crate::engine::events::item::Item;
use crate::log::{Appended, NewRecord, Offset, Partition, Topic};
use crate::simulation::faults::FaultInjector;
use crate::simulation::log::SimLog;
use crate::simulation::oracle::{Fact, Thing};
use crate::simulation::time::Time;

pub const KINDS: [&str; 2] = ["view", "click"];
const USERS: u64 = 5;
/// Items that are clicked: their categories stay as they are.
const ITEMS: u64 = 4;
/// Items that are not: all of them may change, and they may go.
const PASSING: u64 = 2;
const CATEGORIES: [&str; 3] = ["a", "b", "c"];
const SECOND: i64 = 1000;

/// The longest window, in ms.
pub const LONGEST: i64 = 120 * SECOND;

/// A record that was acknowledged, and where.
pub struct Acknowledged {
    pub topic: Topic,
    pub place: (Partition, Offset),
    pub record: NewRecord,
}

/// A call that was not answered yet.
struct Call {
    topic: Topic,
    records: Vec<NewRecord>,
    answer: Appended,
    /// Whether a failure, or silence, makes it call again.
    again: bool,
}

/// The producer, and what it knows to be true of what it sent.
pub struct Producer {
    log: Arc<dyn SimLog>,
    faults: FaultInjector,
    time: Time,
    sent: u64,
    calls: Vec<Call>,
    recent: Vec<Fact>,
    pub acknowledged: Vec<Acknowledged>,
    /// What each value of a click says; none if it is bad.
    pub clicks: HashMap<Vec<u8>, Option<Fact>>,
    /// What each value of an item says; none if it is bad.
    pub items: HashMap<Vec<u8>, Option<Item>>,
}

impl Producer {
    pub fn new(log: Arc<dyn SimLog>, faults: FaultInjector, time: Time) -> Self {
        let mut producer = Self {
            log,
            faults,
            time,
            sent: 0,
            calls: Vec::new(),
            recent: Vec::new(),
            acknowledged: Vec::new(),
            clicks: HashMap::new(),
            items: HashMap::new(),
        };
        for item in 0..ITEMS {
            producer.put(known(item));
        }
        producer
    }

    /// The catalog, as far as events name it.
    pub fn things() -> Vec<Thing> {
        let thing = |item| Thing {
            id: format!("i{item}"),
            categories: categories(item),
            created_at: None,
            expires_at: None,
            available: true,
        };
        (0..ITEMS).map(thing).collect()
    }

    /// Sends something.
    pub fn send(&mut self) {
        match self.faults.below(20) {
            0 => self.send_bad_click(),
            // A retry is the same record once more.
            1..4 => self.send_again(),
            4 => self.send_bad_item(),
            5 => {
                let item = known(self.faults.below(ITEMS));
                let item = self.touched(item);
                self.put(item);
            }
            6 => self.put_passing(),
            7 => {
                let item = format!("p{}", self.faults.below(PASSING));
                self.call(Topic::Items, vec![item_deletion(&item)], true);
            }
            _ => self.send_clicks(),
        }
    }

    /// Looks at one of the answers that are due.
    pub fn look(&mut self) {
        if self.calls.is_empty() {
            return;
        }
        // In any order, and late.
        let place = self.faults.below(self.calls.len() as u64) as usize;
        let call = &mut self.calls[place];
        match call.answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(places)) => {
                let Call { topic, records, .. } = self.calls.swap_remove(place);
                let records = places.into_iter().zip(records);
                self.acknowledged.extend(records.map(|(place, record)| Acknowledged {
                    topic,
                    place,
                    record,
                }));
            }
            Poll::Ready(Err(_)) => {
                let Call { topic, records, again, .. } = self.calls.swap_remove(place);
                if again {
                    self.call(topic, records, again);
                }
            }
            // Silence: the first call may still be answered.
            Poll::Pending if call.again && self.faults.chance(0.1) => {
                call.again = false;
                let (topic, records) = (call.topic, call.records.clone());
                self.call(topic, records, true);
            }
            Poll::Pending => {}
        }
    }

    /// Whether all that has to be acknowledged is.
    pub fn is_done(&self) -> bool {
        self.calls.is_empty()
    }

    fn call(&mut self, topic: Topic, records: Vec<NewRecord>, again: bool) {
        let mut answer = self.log.publish(topic, records.clone());
        // An answer that is there at once is looked at later.
        let polled = answer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let answer = match polled {
            Poll::Ready(answer) => Box::pin(async move { answer }),
            Poll::Pending => answer,
        };
        self.calls.push(Call { topic, records, answer, again });
    }

    fn send_clicks(&mut self) {
        let count = if self.faults.chance(0.2) { 1 + self.faults.below(3) } else { 1 };
        let facts: Vec<Fact> = (0..count).map(|_| self.click()).collect();
        let again = facts.iter().all(|fact| fact.id.is_some());
        let records = facts.into_iter().map(|fact| self.record(fact)).collect();
        self.call(Topic::Clicks, records, again);
    }

    fn click(&mut self) -> Fact {
        self.sent += 1;
        let early = match self.faults.below(12) {
            // Too late by far, more or less out of order, ahead of the clock.
            0 => LONGEST + self.faults.below(60_000) as i64,
            1..4 => self.faults.below(60_000) as i64,
            4 => -(self.faults.below(120_000) as i64),
            _ => self.faults.below(3_000) as i64,
        };
        // Some are of items that are soon replaced by others, and of categories that nobody else names.
        let passing = self.faults.chance(0.5).then_some(self.sent / 2);
        let item = self.faults.below(ITEMS + 2);
        let own = passing.map(|passing| format!("of{passing}"));
        let fact = Fact {
            partition: 0,
            id: self.faults.chance(0.8).then(|| format!("e{}", self.sent)),
            user: format!("u{}", self.faults.below(USERS)),
            item: passing.map_or_else(|| format!("i{item}"), |passing| format!("x{passing}")),
            kind: self.faults.below(KINDS.len() as u64) as usize,
            ts: self.time.now() - early,
            logged: None,
            session: self.faults.chance(0.5).then(|| format!("s{}", self.sent / 10)),
            categories: own.into_iter().chain(categories(item)).collect(),
        };
        if fact.id.is_some() {
            self.recent.push(fact.clone());
            self.recent.drain(..self.recent.len().saturating_sub(8));
        }
        fact
    }

    fn send_again(&mut self) {
        if !self.recent.is_empty() {
            let again = self.faults.below(self.recent.len() as u64) as usize;
            let record = self.record(self.recent[again].clone());
            self.call(Topic::Clicks, vec![record], true);
        }
    }

    fn record(&mut self, fact: Fact) -> NewRecord {
        // Only of an item that is not in the catalog does an event say anything.
        let known = Self::things().iter().any(|thing| thing.id == fact.item);
        let own = if known { Vec::new() } else { fact.categories.clone() };
        let draft = EventDraft {
            event_id: fact.id.as_deref().map(Into::into),
            user_id: Some((&*fact.user).into()),
            item_id: Some((&*fact.item).into()),
            kind: Some(KINDS[fact.kind].into()),
            ts: Some(fact.ts),
            session_id: fact.session.as_deref().map(Into::into),
            categories: own.iter().map(|name| name.as_str().into()).collect(),
            ..EventDraft::default()
        };
        let value = encode_event(&draft);
        let record = record(&fact.user, value.clone());
        self.clicks.insert(value, Some(fact));
        record
    }

    fn send_bad_click(&mut self) {
        let user = format!("u{}", self.faults.below(USERS));
        let now = self.time.now();
        let value = match self.faults.below(3) {
            0 => b"not an event".to_vec(),
            1 => format!(r#"{{"user_id":"{user}","item_id":"i1","type":"sneeze","ts":{now}}}"#).into(),
            _ => format!(r#"{{"user_id":"{user}","type":"click","ts":{now}}}"#).into(),
        };
        self.clicks.insert(value.clone(), None);
        self.call(Topic::Clicks, vec![record(&user, value)], false);
    }

    /// The item with something changed that is no matter of what an event counts as.
    fn touched(&mut self, item: Item) -> Item {
        let expires_at = self.faults.chance(0.3).then(|| Timestamp(self.time.now()));
        let title = Some(format!("{}", self.faults.below(1000)));
        Item { title, expires_at, available: self.faults.chance(0.7), ..item }
    }

    fn put_passing(&mut self) {
        let id = format!("p{}", self.faults.below(PASSING));
        let item = Item::new(id, categories(self.faults.below(ITEMS)));
        let item = self.touched(item);
        self.put(item);
    }

    fn put(&mut self, item: Item) {
        let record = item_record(&item);
        self.items.insert(record.value.clone().unwrap_or_default(), Some(item));
        self.call(Topic::Items, vec![record], true);
    }

    /// Each has a key of its own: compaction would let one take the place of a good item.
    fn send_bad_item(&mut self) {
        self.sent += 1;
        let value = b"not an item".to_vec();
        self.items.insert(value.clone(), None);
        self.call(Topic::Items, vec![record(&format!("bad{}", self.sent), value)], true);
    }
}

fn record(key: &str, value: Vec<u8>) -> NewRecord {
    NewRecord { key: key.as_bytes().to_vec(), value: Some(value), headers: Vec::new() }
}

fn known(item: u64) -> Item {
    Item::new(format!("i{item}"), categories(item))
}

fn categories(item: u64) -> Vec<String> {
    let first = CATEGORIES[item as usize % CATEGORIES.len()];
    let second = CATEGORIES[(item as usize + 1) % CATEGORIES.len()];
    if item.is_multiple_of(2) { vec![first.to_owned()] } else { vec![first.to_owned(), second.to_owned()] }
}
