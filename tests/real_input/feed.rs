//! The two ways in: a plain Kafka client that writes JSON, and the service's own RPCs.

use headwater::proto;
use serde_json::json;

use super::oracle::Thing;
use super::sandbox::kafka::Broker;
use super::sandbox::messages::{item, millis, time};
use super::sandbox::producer::Producer;
use super::sandbox::service::{Clients, Home, Service, Topics};

/// The most events or items of a call.
const BATCH: usize = 10_000;

/// A way in.
pub enum Feed {
    Kafka { producer: Producer, topics: Topics },
    Rpc(Clients),
}

impl Feed {
    /// A producer of our own.
    pub fn kafka(broker: &Broker, home: &Home) -> Self {
        Self::Kafka { producer: Producer::new(broker), topics: home.topics() }
    }

    pub fn rpc(service: &Service) -> Self {
        Self::Rpc(service.clients.clone())
    }

    pub async fn items(&self, things: &[Thing]) {
        match self {
            Self::Kafka { producer, topics } => {
                for thing in things {
                    producer.send(&topics.items, &thing.id, &thing_json(thing));
                }
                producer.flush();
            }
            Self::Rpc(clients) => {
                for batch in things.chunks(BATCH) {
                    let items = batch.iter().map(thing_message).collect();
                    let put = clients.catalog().put_items(proto::PutItemsRequest { items }).await;
                    assert_eq!(put.expect("items are put").into_inner().accepted as usize, batch.len());
                }
            }
        }
    }

    pub async fn events(&self, events: &[proto::Event]) {
        match self {
            Self::Kafka { producer, topics } => {
                for event in events {
                    producer.send(&topics.clicks, &event.user_id, &event_json(event));
                }
                producer.flush();
            }
            Self::Rpc(clients) => {
                for batch in events.chunks(BATCH) {
                    let request = proto::PublishRequest { events: batch.to_vec() };
                    let published = clients.events().publish(request).await.expect("published").into_inner();
                    assert_eq!(
                        (published.accepted as usize, published.rejected.as_slice()),
                        (batch.len(), &[][..])
                    );
                }
            }
        }
    }
}

fn event_json(event: &proto::Event) -> String {
    let mut json = json!({
        "event_id": event.event_id,
        "user_id": event.user_id,
        "item_id": event.item_id,
        "type": event.r#type,
        "ts": millis(event.ts),
    });
    if let Some(value) = event.value {
        json["value"] = value.into();
    }
    json.to_string()
}

fn thing_json(thing: &Thing) -> String {
    json!({
        "item_id": thing.id,
        "categories": thing.categories,
        "created_at": thing.created_at,
        "expires_at": thing.expires_at,
        "available": thing.available,
    })
    .to_string()
}

fn thing_message(thing: &Thing) -> proto::Item {
    proto::Item {
        categories: thing.categories.clone(),
        created_at: thing.created_at.and_then(time),
        expires_at: thing.expires_at.and_then(time),
        available: Some(thing.available),
        ..item(&thing.id, &[])
    }
}
