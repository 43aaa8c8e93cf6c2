//! Everybody else: a generated catalog, what people did with it in the last day, and what they go
//! on doing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::super::error::CliError;
use super::service::{PATIENCE, Service, newest, until};
use crate::clock::wall_clock;
use crate::codec::convert::{from_event_draft, from_item, from_time};
use crate::engine::config::DAY;
use crate::engine::events::event::Timestamp;
use crate::generate::{GenerateSettings, GeneratedEvent, Generator};
use crate::proto;

const USERS: u32 = 800;
const ITEMS: u32 = 600;
const EVENTS: u64 = 20_000;
const BATCH: usize = 5_000;
/// What the crowd goes on doing is what it did last, over and over.
const REPEATED: usize = 2_000;
/// Users who are looked up to see whether everything has been applied: enough to be in every
/// partition.
const LOOKED_UP: usize = 64;
const TICK: Duration = Duration::from_millis(250);

/// What the crowd is doing now.
#[derive(Clone, Debug, Default)]
pub(super) struct Mood {
    /// Events in a quarter of a second.
    pub per_tick: usize,
    /// What every second of them turns to.
    pub hot: Option<String>,
}

/// What an item is called.
#[derive(Clone, Debug)]
pub(super) struct Label {
    pub title: String,
    /// Its categories, the main one first.
    pub categories: Vec<String>,
}

impl Label {
    /// The main category; empty if there is none.
    pub fn main(&self) -> &str {
        self.categories.first().map_or("", String::as_str)
    }
}

/// The catalog and the people.
pub(super) struct Crowd {
    generator: Generator,
    /// What items are called.
    pub labels: BTreeMap<String, Label>,
    /// Events that the service has acknowledged.
    pub sent: Arc<AtomicU64>,
    /// Makes event ids different from those of other demos on the same log.
    run: i64,
    last: Vec<proto::Event>,
}

impl Crowd {
    pub fn new(seed: u64, now: i64) -> Result<Self, CliError> {
        let settings = GenerateSettings {
            seed,
            users: USERS,
            items: ITEMS,
            events: EVENTS,
            start: Timestamp(now - DAY),
            span_ms: DAY,
            ..Default::default()
        };
        let generator = Generator::new(settings).map_err(|error| CliError::Failed(error.to_string()))?;
        let label = |item: &crate::engine::events::item::Item| {
            let title = item.title.clone().unwrap_or_else(|| item.item_id.clone());
            (item.item_id.clone(), Label { title, categories: item.categories.clone() })
        };
        let labels = generator.items().iter().map(label).collect();
        Ok(Self { generator, labels, sent: Arc::default(), run: now, last: Vec::new() })
    }

    pub fn people(&self) -> u32 {
        USERS
    }

    /// Kinds of people, and what they like.
    pub fn personas(&self) -> Vec<crate::generate::PersonaTruth> {
        self.generator.truth().personas().collect()
    }

    /// Sends the catalog, and waits until it is there.
    pub async fn load_catalog(&self, service: &Service) -> Result<(), CliError> {
        service.put_items(self.generator.items().iter().map(from_item).collect()).await?;
        let Some(last) = self.generator.items().last() else { return Ok(()) };
        let there = async || Ok(service.has_item(&last.item_id).await.then_some(()));
        until("reading the catalog", PATIENCE, there).await
    }

    /// Sends what happened in the last day, and waits until all of it counts.
    pub async fn load_past(&mut self, service: &Service) -> Result<(), CliError> {
        let events: Vec<proto::Event> = self.generator.events().map(|event| self.message(&event)).collect();
        for batch in events.chunks(BATCH) {
            service.publish(batch.to_vec()).await?;
            self.sent.fetch_add(batch.len() as u64, Ordering::Relaxed);
        }
        let mut ends: BTreeMap<&str, i64> = BTreeMap::new();
        for event in events.iter().rev() {
            if ends.len() == LOOKED_UP && !ends.contains_key(event.user_id.as_str()) {
                break;
            }
            let end = ends.entry(&event.user_id).or_insert(i64::MIN);
            *end = (*end).max(newest(event.ts.as_ref()));
        }
        for (user, end) in ends {
            until("applying the events of the last day", PATIENCE, async || {
                let reached = newest(service.profile(user).await?.profile_as_of.as_ref());
                Ok((reached >= end).then_some(()))
            })
            .await?;
        }
        self.last = events.into_iter().rev().take(REPEATED).collect();
        self.last.reverse();
        Ok(())
    }

    /// Goes on in the background until the handle is dropped.
    pub fn go_on(&self, service: Service, mood: watch::Receiver<Mood>) -> Background {
        let (sent, run) = (Arc::clone(&self.sent), self.run);
        let mut next = self.last.clone().into_iter().cycle().zip(0_u64..);
        Background(tokio::spawn(async move {
            let mut ticks = tokio::time::interval(TICK);
            loop {
                ticks.tick().await;
                let Mood { per_tick, hot } = mood.borrow().clone();
                let now = wall_clock();
                let live = |(event, number): (proto::Event, u64)| {
                    let item_id = hot.clone().filter(|_| number % 2 == 0).unwrap_or(event.item_id);
                    let event_id = format!("live-{run}-{number}");
                    let ts = Some(from_time(Timestamp(now)));
                    let kind = if hot.as_ref() == Some(&item_id) { "click".into() } else { event.r#type };
                    proto::Event { event_id, item_id, ts, r#type: kind, ..event }
                };
                let events: Vec<proto::Event> = next.by_ref().take(per_tick).map(live).collect();
                let count = events.len() as u64;
                match service.publish(events).await {
                    Ok(()) => sent.fetch_add(count, Ordering::Relaxed),
                    // Told by the service itself; these events are missed, the next ones may not be.
                    Err(_) => 0,
                };
            }
        }))
    }

    fn message(&self, event: &GeneratedEvent<'_>) -> proto::Event {
        let event_id = format!("{}-{}", self.run, event.event_id());
        proto::Event { event_id, ..from_event_draft(&event.draft()) }
    }
}

/// A task that ends when this is dropped.
pub(super) struct Background(JoinHandle<()>);

impl Drop for Background {
    fn drop(&mut self) {
        self.0.abort();
    }
}
