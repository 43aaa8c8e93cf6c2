//! A small generated catalog and clickstream to fill a service with, and everything that a service
//! can be asked about it, as bytes.

use headwater::codec::convert::from_item;
use headwater::engine::config::DAY;
use headwater::engine::events::event::Timestamp;
use headwater::generate::{GenerateSettings, GeneratedEvent, Generator};
use headwater::proto;
use prost::Message;

use super::messages::{answer, event, explain, millis, profile, recommend, trending};
use super::service::Clients;

/// Items and the events on them, in the order of their arrival.
pub struct World {
    pub items: Vec<proto::Item>,
    pub events: Vec<proto::Event>,
}

impl World {
    /// Two days of a few dozen people, with retries and late events.
    pub fn small() -> Self {
        let settings = GenerateSettings {
            seed: 5,
            users: 40,
            items: 120,
            events: 4000,
            start: Timestamp(1_700_000_000_000),
            span_ms: 2 * DAY,
            late_share: 0.1,
            duplicate_share: 0.05,
            ..GenerateSettings::default()
        };
        let generator = Generator::new(settings).expect("valid settings");
        let event = |generated: GeneratedEvent<'_>| proto::Event {
            event_id: generated.event_id(),
            ..event(&generated.user_id(), &generated.item.item_id, generated.kind, generated.ts.0)
        };
        Self {
            items: generator.items().iter().map(from_item).collect(),
            events: generator.events().map(event).collect(),
        }
    }

    /// The time of the newest event.
    pub fn end(&self) -> i64 {
        self.events.iter().filter_map(|event| millis(event.ts)).max().expect("events")
    }

    /// Puts the items, and waits until they are in the catalog.
    pub async fn put_items(&self, service: &Clients) {
        let request = proto::PutItemsRequest { items: self.items.clone() };
        service.catalog().put_items(request).await.expect("items are put");
        service.until_items(self.items.len() as u64).await;
    }

    /// Publishes some of the events, after so many others of this run, and waits until they are
    /// applied.
    pub async fn publish(&self, service: &Clients, range: std::ops::Range<usize>, before: usize) {
        let events = self.events[range].to_vec();
        let count = events.len();
        let request = proto::PublishRequest { events };
        let published = service.events().publish(request).await.expect("published").into_inner();
        assert_eq!(published.accepted as usize, count, "{:?}", published.rejected);
        service.until_events((before + count) as u64).await;
    }

    /// Every kind of answer about a sample of users and items at two instants, as bytes.
    pub async fn digest(&self, service: &Clients) -> Vec<Vec<u8>> {
        let mut digest = Vec::new();
        for t in [self.end(), self.end() - 300_000] {
            digest.push(undegraded!(service.recommender().trending(trending(50, Some(t))).await));
            for user in (0..40).step_by(3).map(|user| format!("u{user}")).chain(["nobody".to_owned()]) {
                let mut request = recommend(&user, 20, Some(t));
                request.explain = true;
                digest.push(undegraded!(service.recommender().recommend(request).await, recommendation_id));
                digest.push(bytes(service.profiles().get_profile(profile(&user, Some(t))).await));
                for item in self.items.iter().step_by(41) {
                    let request = explain(&user, &item.item_id, Some(t));
                    digest.push(undegraded!(service.recommender().explain(request).await));
                }
            }
        }
        digest
    }
}

/// The bytes of an answer but for how fresh it is known to be: that is no part of what it says.
macro_rules! undegraded {
    ($answer:expr $(, $name:ident)?) => {
        bytes($answer.map(|mut answer| {
            let message = answer.get_mut();
            (message.degraded, message.degraded_reason) = (false, String::new());
            $(message.$name = String::new();)?
            answer
        }))
    };
}
use undegraded;

fn bytes<T: Message>(result: Result<tonic::Response<T>, tonic::Status>) -> Vec<u8> {
    answer(result).expect("an answer").encode_to_vec()
}
