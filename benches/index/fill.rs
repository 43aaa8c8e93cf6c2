//! What is there before anything is measured: a catalog and a week of events, put in as a site would.

use headwater::clock::wall_clock;
use headwater::proto;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tonic::{Code, Status};

use super::catalog;
use super::sandbox::messages::event;
use super::sandbox::service::Clients;

/// The most that one request may carry.
const BATCH: u32 = 10_000;
const WEEK: i64 = 7 * 24 * 60 * 60 * 1000;
const EVENTS_A_USER: u32 = 10;
/// Of ten events so many are on any item of the catalog, which gives most items some; the others are on
/// the k-th most popular item in proportion to 1/k.
const TAIL: u32 = 3;
/// How often each type comes, of a hundred.
const KINDS: [(&str, u32); 4] = [("view", 60), ("click", 30), ("add_to_cart", 7), ("purchase", 3)];

/// Puts so many items, so many more that nobody has acted on, and the events of the week up to now.
pub async fn fill(clients: &Clients, items: u32, probes: u32, events: u32) {
    let now = wall_clock();
    let catalog = |number| catalog::item(number, items, now);
    let probe = |number| proto::Item { item_id: probe_id(number), ..catalog(items - 1) };
    let mut all = (0..items).map(catalog).chain((0..probes).map(probe));
    loop {
        let batch: Vec<proto::Item> = all.by_ref().take(BATCH as usize).collect();
        if batch.is_empty() {
            break;
        }
        put(clients, batch).await;
    }
    let mut visitors = Visitors::new(items, (events / EVENTS_A_USER).max(1));
    for start in (0..events).step_by(BATCH as usize) {
        let end = (start + BATCH).min(events);
        let at = |number: u32| now - WEEK + WEEK * i64::from(number) / i64::from(events);
        publish(clients, (start..end).map(|number| visitors.event(at(number))).collect()).await;
    }
}

/// The id of an item whose clicks are waited for.
pub fn probe_id(number: u32) -> String {
    format!("probe-{number:06}")
}

/// Puts items into the catalog.
pub async fn put(clients: &Clients, items: Vec<proto::Item>) {
    let request = proto::PutItemsRequest { items };
    while accepted(clients.catalog().put_items(request.clone()).await).is_none() {}
}

/// Appends events, all of which must be valid.
pub async fn publish(clients: &Clients, events: Vec<proto::Event>) {
    let request = proto::PublishRequest { events };
    loop {
        if let Some(answer) = accepted(clients.events().publish(request.clone()).await) {
            assert!(answer.rejected.is_empty(), "{:?}", answer.rejected);
            return;
        }
    }
}

/// The answer, or none if the service has no room for the request at the moment: it is asked as fast as
/// it can go.
fn accepted<T>(answer: Result<tonic::Response<T>, Status>) -> Option<T> {
    match answer {
        Ok(answer) => Some(answer.into_inner()),
        Err(status) if status.code() == Code::ResourceExhausted => None,
        Err(status) => panic!("{status}"),
    }
}

/// People who act on some of the items far more often than on others. The same each time.
pub struct Visitors {
    random: SmallRng,
    items: u32,
    users: u32,
}

impl Visitors {
    pub fn new(items: u32, users: u32) -> Self {
        Self { random: SmallRng::seed_from_u64(u64::from(items)), items, users }
    }

    /// What the next of them does.
    pub fn event(&mut self, ts: i64) -> proto::Event {
        let tail = self.random.random_range(0..10) < TAIL;
        let rank = if tail { self.random.random_range(0..self.items) } else { self.popular() };
        let mut left = self.random.random_range(0..100);
        let kind = KINDS.iter().find(|(_, share)| {
            let found = left < *share;
            left = left.saturating_sub(*share);
            found
        });
        let (kind, _) = kind.expect("the shares add up to a hundred");
        let user = self.random.random_range(0..self.users);
        // What is popular is scattered over the order of ids: a prime, which divides no catalog of ours.
        let number = (u64::from(rank) * 7_919 % u64::from(self.items)) as u32;
        event(&format!("user-{user}"), &catalog::item_id(number), kind, ts)
    }

    /// A rank, from 0, in proportion to 1/rank: the logarithm of a rank is as often here as there.
    fn popular(&mut self) -> u32 {
        let logarithm = self.random.random::<f64>() * f64::from(self.items).ln();
        (logarithm.exp() as u32 - 1).min(self.items - 1)
    }
}
