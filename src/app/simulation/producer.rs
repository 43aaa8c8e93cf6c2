//! Who sends clicks and items: in and out of order, twice, too late, too early, and wrong.

use crate::engine::event::EventDraft;
use crate::ingest::decode::encode_event;
use crate::ingest::{NewRecord, Topic};

use super::log::SimLog;
use super::oracle::{Fact, Thing};
use super::power::Plug;

pub const KINDS: [&str; 2] = ["view", "click"];
const USERS: u64 = 5;
const ITEMS: u64 = 6;
const CATEGORIES: [&str; 3] = ["a", "b", "c"];
const SECOND: i64 = 1000;

/// The longest window, in ms.
pub const LONGEST: i64 = 600 * SECOND;

/// The producer, and what it knows to be true of what it sent.
pub struct Producer {
    log: SimLog,
    plug: Plug,
    now: i64,
    sent: u64,
    /// Clicks in the order in which they were sent, each with its place; none for a bad one.
    pub clicks: Vec<(u32, u64, Option<Fact>)>,
    /// Places of bad items.
    pub bad_items: Vec<(u32, u64)>,
}

impl Producer {
    pub fn new(log: SimLog, plug: Plug) -> Self {
        let mut producer =
            Self { log, plug, now: 1_700_000_000_000, sent: 0, clicks: Vec::new(), bad_items: Vec::new() };
        producer.wait(0);
        for item in 0..ITEMS {
            producer.put_item(item);
        }
        producer
    }

    pub fn now(&self) -> i64 {
        self.now
    }

    /// Lets time pass.
    pub fn wait(&mut self, ms: i64) {
        self.now += ms;
        self.log.set_now(self.now);
    }

    /// The catalog.
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
        match self.plug.below(20) {
            0 => self.send_bad_click(),
            // A retry is the same record once more.
            1..4 => self.send_again(),
            4 => self.send_bad_item(),
            5 => {
                let item = self.plug.below(ITEMS);
                self.put_item(item);
            }
            _ => self.send_click(),
        }
    }

    fn send_click(&mut self) {
        self.sent += 1;
        let early = match self.plug.below(12) {
            // Too late by far, more or less out of order, ahead of the clock.
            0 => LONGEST + self.plug.below(60_000) as i64,
            1..4 => self.plug.below(60_000) as i64,
            4 => -(self.plug.below(120_000) as i64),
            _ => self.plug.below(3_000) as i64,
        };
        let item = self.plug.below(ITEMS + 2);
        let fact = Fact {
            partition: 0,
            id: self.plug.chance(0.8).then(|| format!("e{}", self.sent)),
            user: format!("u{}", self.plug.below(USERS)),
            item: format!("i{item}"),
            kind: self.plug.below(KINDS.len() as u64) as usize,
            ts: self.now - early,
            logged: Some(self.now),
            categories: categories(item),
        };
        self.push(fact);
    }

    fn send_again(&mut self) {
        let with_id = |(_, _, fact): &(u32, u64, Option<Fact>)| fact.clone().filter(|fact| fact.id.is_some());
        let recent: Vec<Fact> = self.clicks.iter().rev().take(8).filter_map(with_id).collect();
        if !recent.is_empty() {
            let again = self.plug.below(recent.len() as u64) as usize;
            self.push(Fact { logged: Some(self.now), ..recent[again].clone() });
        }
    }

    fn push(&mut self, mut fact: Fact) {
        // Only of an item that is not in the catalog does an event say anything.
        let known = Self::things().iter().any(|thing| thing.id == fact.item);
        let own = if known { Vec::new() } else { fact.categories.clone() };
        let draft = EventDraft {
            event_id: fact.id.as_deref().map(Into::into),
            user_id: Some((&*fact.user).into()),
            item_id: Some((&*fact.item).into()),
            kind: Some(KINDS[fact.kind].into()),
            ts: Some(fact.ts),
            categories: own.iter().map(|name| name.as_str().into()).collect(),
            ..EventDraft::default()
        };
        let record = record(&fact.user, encode_event(&draft));
        let (partition, offset) = self.log.push(Topic::Clicks, record);
        fact.partition = partition as usize;
        self.clicks.push((partition, offset, Some(fact)));
    }

    fn send_bad_click(&mut self) {
        let user = format!("u{}", self.plug.below(USERS));
        let value = match self.plug.below(3) {
            0 => b"not an event".to_vec(),
            1 => format!(r#"{{"user_id":"{user}","item_id":"i1","type":"sneeze","ts":{}}}"#, self.now).into(),
            _ => format!(r#"{{"user_id":"{user}","type":"click","ts":{}}}"#, self.now).into(),
        };
        let (partition, offset) = self.log.push(Topic::Clicks, record(&user, value));
        self.clicks.push((partition, offset, None));
    }

    fn put_item(&mut self, item: u64) {
        let id = format!("i{item}");
        let categories = categories(item).join(r#"",""#);
        let value = format!(r#"{{"item_id":"{id}","categories":["{categories}"]}}"#);
        self.log.push(Topic::Items, record(&id, value.into()));
    }

    fn send_bad_item(&mut self) {
        let id = format!("i{}", self.plug.below(ITEMS));
        let place = self.log.push(Topic::Items, record(&id, b"not an item".to_vec()));
        self.bad_items.push(place);
    }
}

fn record(key: &str, value: Vec<u8>) -> NewRecord {
    NewRecord { key: key.as_bytes().to_vec(), value: Some(value), headers: Vec::new() }
}

fn categories(item: u64) -> Vec<String> {
    let first = CATEGORIES[item as usize % CATEGORIES.len()];
    let second = CATEGORIES[(item as usize + 1) % CATEGORIES.len()];
    if item.is_multiple_of(2) { vec![first.to_owned()] } else { vec![first.to_owned(), second.to_owned()] }
}
