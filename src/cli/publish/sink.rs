//! Where `publish` sends to: a server by gRPC, or the topics themselves. Both send one batch after
//! the other, so that events arrive in the order of the file, and fill the next one meanwhile.
//! Rows have numbers, so that it can be told what became of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::task::JoinSet;
use tonic::Code;
use tonic::transport::Channel;

use super::super::client::{ServerArgs, patiently};
use super::super::error::CliError;
use super::rejects::Rejects;
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
/// Items that are looked up to see whether ids are those of the catalog.
const SAMPLE: usize = 20;

/// Where a row was read: its number among all rows, and the file and line.
type Origin = (u64, String);

/// What was acknowledged, of a batch or of all.
#[derive(Clone, Debug, Default)]
pub(super) struct Acknowledged {
    pub events: u64,
    pub items: u64,
    /// The number of the last row.
    pub row: u64,
    /// The rows that the server did not take, with the reasons.
    rejected: Vec<(u64, String)>,
}

/// Where rows go.
pub(super) struct Sink {
    target: Target,
    events_batch: Vec<(proto::Event, Origin)>,
    items_batch: Vec<proto::Item>,
    records: Vec<NewRecord>,
    topic: Topic,
    /// The last row of the batch that is being filled.
    last: u64,
    sending: JoinSet<Result<Acknowledged, CliError>>,
    rejects: Rejects,
    acknowledged: Acknowledged,
    /// The first items that events name.
    named: BTreeSet<String>,
}

enum Target {
    Server(Channel),
    Kafka(Arc<KafkaLog>),
}

impl Sink {
    pub async fn server(server: &ServerArgs, rejects: Rejects) -> Result<Self, CliError> {
        Ok(Self::new(Target::Server(server.connect().await?), rejects))
    }

    pub async fn kafka(
        brokers: &str,
        clicks: &str,
        items: &str,
        properties: &[String],
        rejects: Rejects,
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
        Ok(Self::new(Target::Kafka(Arc::new(log)), rejects))
    }

    fn new(target: Target, rejects: Rejects) -> Self {
        Self {
            target,
            events_batch: Vec::new(),
            items_batch: Vec::new(),
            records: Vec::new(),
            topic: Topic::Items,
            last: 0,
            sending: JoinSet::new(),
            rejects,
            acknowledged: Acknowledged::default(),
            named: BTreeSet::new(),
        }
    }

    /// Sends an event, sooner or later. Where it comes from is asked for and named if it is rejected.
    pub async fn event(
        &mut self,
        draft: &EventDraft<'_>,
        row: u64,
        location: impl FnOnce() -> String,
    ) -> Result<(), CliError> {
        self.last = row;
        match self.target {
            Target::Kafka(_) => self.record(Topic::Clicks, event_record(draft)).await,
            Target::Server(_) => {
                if self.named.len() < SAMPLE {
                    self.named.extend(draft.item_id.as_deref().map(str::to_owned));
                }
                self.events_batch.push((from_event_draft(draft), (row, location())));
                if self.events_batch.len() >= BATCH { self.send().await } else { Ok(()) }
            }
        }
    }

    /// Sends an item, sooner or later.
    pub async fn item(&mut self, item: &Item, row: u64) -> Result<(), CliError> {
        self.last = row;
        match self.target {
            Target::Kafka(_) => self.record(Topic::Items, item_record(item)).await,
            Target::Server(_) => {
                self.items_batch.push(from_item(item));
                if self.items_batch.len() >= BATCH { self.send().await } else { Ok(()) }
            }
        }
    }

    /// Counts and names a row that can't be sent.
    pub fn reject(&mut self, row: u64, why: String) {
        self.rejects.add(row, why);
        if self.acknowledged.row >= self.last {
            // Nothing before it is on its way.
            self.rejects.settled(row);
        }
    }

    /// Waits until everything is durable.
    pub async fn flush(&mut self) -> Result<(), CliError> {
        self.send().await?;
        while self.collect().await? {}
        Ok(())
    }

    /// One of the first items that events name, and how many those are, if the catalog has none of them.
    pub async fn strangers(&self) -> Option<(&str, usize)> {
        let Target::Server(channel) = &self.target else { return None };
        let mut client = CatalogServiceClient::new(channel.clone());
        for item_id in &self.named {
            let answer = client.get_item(proto::GetItemRequest { item_id: item_id.clone() }).await;
            // Whatever else the server says, nothing can be said of the ids.
            if answer.map_or_else(|status| status.code(), |_| Code::Ok) != Code::NotFound {
                return None;
            }
        }
        self.named.first().map(|item_id| (item_id.as_str(), self.named.len()))
    }

    /// What was acknowledged so far.
    pub fn acknowledged(&self) -> &Acknowledged {
        &self.acknowledged
    }

    /// Names the rest of the rows that were rejected, and counts them all.
    pub fn finish_rejects(&mut self) -> u64 {
        self.rejects.finish();
        self.rejects.count
    }

    async fn record(&mut self, topic: Topic, record: NewRecord) -> Result<(), CliError> {
        self.topic = topic;
        self.records.push(record);
        if self.records.len() >= BATCH { self.send().await } else { Ok(()) }
    }

    async fn send(&mut self) -> Result<(), CliError> {
        while self.collect().await? {}
        let row = self.last;
        match &self.target {
            Target::Kafka(log) => {
                let count = self.records.len() as u64;
                let (events, items) = if self.topic == Topic::Clicks { (count, 0) } else { (0, count) };
                let appended = log.append(self.topic, std::mem::take(&mut self.records));
                let done = Acknowledged { events, items, row, rejected: Vec::new() };
                self.sending.spawn(async move { Ok(appended.await.map(|_| done)?) });
            }
            Target::Server(channel) => {
                let (items, events) =
                    (std::mem::take(&mut self.items_batch), std::mem::take(&mut self.events_batch));
                if !items.is_empty() {
                    self.sending.spawn(put_items(channel.clone(), items, row));
                }
                if !events.is_empty() {
                    self.sending.spawn(publish(channel.clone(), events, row));
                }
            }
        }
        Ok(())
    }

    /// Waits for one batch; false if none is under way.
    async fn collect(&mut self) -> Result<bool, CliError> {
        let Some(sent) = self.sending.join_next().await else { return Ok(false) };
        let done = sent.map_err(|error| CliError::Failed(error.to_string()))??;
        let all = &mut self.acknowledged;
        all.events += done.events;
        all.items += done.items;
        all.row = all.row.max(done.row);
        done.rejected.into_iter().for_each(|(row, why)| self.rejects.add(row, why));
        self.rejects.settled(all.row);
        Ok(true)
    }
}

async fn put_items(channel: Channel, items: Vec<proto::Item>, row: u64) -> Result<Acknowledged, CliError> {
    let count = items.len() as u64;
    let request = proto::PutItemsRequest { items };
    let client = CatalogServiceClient::new(channel);
    patiently(|| {
        let (mut client, request) = (client.clone(), request.clone());
        async move { client.put_items(request).await }
    })
    .await?;
    Ok(Acknowledged { items: count, row, ..Acknowledged::default() })
}

async fn publish(
    channel: Channel,
    batch: Vec<(proto::Event, Origin)>,
    row: u64,
) -> Result<Acknowledged, CliError> {
    let (events, origins): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    let client = EventServiceClient::new(channel);
    let request = proto::PublishRequest { events };
    let answer = patiently(|| {
        let (mut client, request) = (client.clone(), request.clone());
        async move { client.publish(request).await }
    });
    let rejected = answer.await?.rejected;
    let events = origins.len().saturating_sub(rejected.len()) as u64;
    let named = |rejected: proto::RejectedEvent| {
        let (row, location) = origins.get(rejected.index as usize).cloned().unwrap_or_default();
        (row, format!("{location}: {}", rejected.reason))
    };
    Ok(Acknowledged { events, items: 0, row, rejected: rejected.into_iter().map(named).collect() })
}
