//! Where `publish` sends to: a server by gRPC, or the topics themselves. Both send one batch after
//! the other, so that events arrive in the order of the file, and fill the next one meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinSet;
use tonic::transport::Channel;

use super::super::client::{ServerArgs, patiently};
use super::super::error::CliError;
use crate::codec::convert::{from_event_draft, from_item};
use crate::codec::{event_record, item_record};
use crate::engine::events::event::EventDraft;
use crate::engine::events::item::Item;
use crate::log::kafka::{KafkaLog, KafkaSettings};
use crate::log::{Log, NewRecord, Topic};
use crate::proto;
use crate::proto::catalog_service_client::CatalogServiceClient;
use crate::proto::event_service_client::EventServiceClient;

/// Rows in a batch.
const BATCH: usize = 5000;

type Rejected = Vec<(String, String)>;

/// Where rows go.
pub(super) struct Sink {
    target: Target,
    events_batch: Vec<(proto::Event, String)>,
    items_batch: Vec<proto::Item>,
    records: Vec<NewRecord>,
    topic: Topic,
    sending: JoinSet<Result<Rejected, CliError>>,
    rejected: Rejected,
    /// Events sent.
    pub events: u64,
    /// Items sent.
    pub items: u64,
}

enum Target {
    Server(Channel),
    Kafka(Arc<KafkaLog>),
}

impl Sink {
    pub async fn server(server: &ServerArgs) -> Result<Self, CliError> {
        Ok(Self::new(Target::Server(server.connect().await?)))
    }

    pub async fn kafka(
        brokers: &str,
        clicks: &str,
        items: &str,
        properties: &[String],
    ) -> Result<Self, CliError> {
        let property = |property: &String| {
            let (name, value) = property.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        };
        let wrong = || CliError::Failed("--property is expected as NAME=VALUE".into());
        let properties: BTreeMap<String, String> =
            properties.iter().map(property).collect::<Option<_>>().ok_or_else(wrong)?;
        let settings = KafkaSettings {
            brokers: brokers.to_owned(),
            clicks_topic: clicks.to_owned(),
            items_topic: items.to_owned(),
            dead_letters_topic: format!("{clicks}.dlq"),
            properties,
            ..KafkaSettings::default()
        };
        let opened = tokio::task::spawn_blocking(move || KafkaLog::open(settings)).await;
        let log = opened.map_err(|error| CliError::Failed(error.to_string()))??;
        Ok(Self::new(Target::Kafka(Arc::new(log))))
    }

    fn new(target: Target) -> Self {
        Self {
            target,
            events_batch: Vec::new(),
            items_batch: Vec::new(),
            records: Vec::new(),
            topic: Topic::Items,
            sending: JoinSet::new(),
            rejected: Vec::new(),
            events: 0,
            items: 0,
        }
    }

    /// Sends an event, sooner or later. Where it comes from is asked for and named if it is rejected.
    pub async fn event(
        &mut self,
        draft: &EventDraft<'_>,
        location: impl FnOnce() -> String,
    ) -> Result<(), CliError> {
        self.events += 1;
        match self.target {
            Target::Kafka(_) => self.record(Topic::Clicks, event_record(draft)).await,
            Target::Server(_) => {
                self.events_batch.push((from_event_draft(draft), location()));
                if self.events_batch.len() >= BATCH { self.send().await } else { Ok(()) }
            }
        }
    }

    /// Sends an item, sooner or later.
    pub async fn item(&mut self, item: &Item) -> Result<(), CliError> {
        self.items += 1;
        match self.target {
            Target::Kafka(_) => self.record(Topic::Items, item_record(item)).await,
            Target::Server(_) => {
                self.items_batch.push(from_item(item));
                if self.items_batch.len() >= BATCH { self.send().await } else { Ok(()) }
            }
        }
    }

    /// Waits until everything is durable.
    pub async fn flush(&mut self) -> Result<(), CliError> {
        self.send().await?;
        while self.collect().await? {}
        Ok(())
    }

    /// The events that the server did not take, with the reasons.
    pub fn rejected(&mut self) -> Rejected {
        self.events -= self.rejected.len() as u64;
        std::mem::take(&mut self.rejected)
    }

    async fn record(&mut self, topic: Topic, record: NewRecord) -> Result<(), CliError> {
        self.topic = topic;
        self.records.push(record);
        if self.records.len() >= BATCH { self.send().await } else { Ok(()) }
    }

    async fn send(&mut self) -> Result<(), CliError> {
        while self.collect().await? {}
        match &self.target {
            Target::Kafka(log) => {
                let appended = log.append(self.topic, std::mem::take(&mut self.records));
                self.sending.spawn(async move { Ok(appended.await.map(|_| Vec::new())?) });
            }
            Target::Server(channel) => {
                let (items, events) =
                    (std::mem::take(&mut self.items_batch), std::mem::take(&mut self.events_batch));
                if !items.is_empty() {
                    self.sending.spawn(put_items(channel.clone(), items));
                }
                if !events.is_empty() {
                    self.sending.spawn(publish(channel.clone(), events));
                }
            }
        }
        Ok(())
    }

    /// Waits for one batch; false if none is under way.
    async fn collect(&mut self) -> Result<bool, CliError> {
        let Some(sent) = self.sending.join_next().await else { return Ok(false) };
        self.rejected.extend(sent.map_err(|error| CliError::Failed(error.to_string()))??);
        Ok(true)
    }
}

async fn put_items(channel: Channel, items: Vec<proto::Item>) -> Result<Rejected, CliError> {
    let request = proto::PutItemsRequest { items };
    let client = CatalogServiceClient::new(channel);
    patiently(|| {
        let (mut client, request) = (client.clone(), request.clone());
        async move { client.put_items(request).await }
    })
    .await?;
    Ok(Vec::new())
}

async fn publish(channel: Channel, batch: Vec<(proto::Event, String)>) -> Result<Rejected, CliError> {
    let (events, locations): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    let client = EventServiceClient::new(channel);
    let request = proto::PublishRequest { events };
    let answer = patiently(|| {
        let (mut client, request) = (client.clone(), request.clone());
        async move { client.publish(request).await }
    });
    let rejected = answer.await?.rejected;
    let named = |rejected: proto::RejectedEvent| {
        let location = locations.get(rejected.index as usize).cloned().unwrap_or_default();
        (location, rejected.reason)
    };
    Ok(rejected.into_iter().map(named).collect())
}
