//! The metrics, all in one registry, with the prefix `headwater_` but for what is told of any process. Labels
//! come from closed sets; users and items never appear in one.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::exposition::{Exposition, text_of};
use super::process::ProcessMetrics;
use super::seldom::{Seldom, Spell};
use super::trouble::LogTrouble;
use crate::engine::position::Partition;

/// Requests that were refused, by reason.
pub type ShedRequests = Family<Shed, Counter>;
/// A gauge of a number that is not whole.
pub type FloatGauge = Gauge<f64, AtomicU64>;

macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type),* }
    };
}

labels! {
    /// What became of something.
    Outcome {
        /// The outcome's name.
        outcome: &'static str
    }
}
labels! {
    /// The kind of an error.
    Class {
        /// The class's name.
        class: &'static str
    }
}
labels! {
    /// Why a request was refused.
    Shed {
        /// The reason's name.
        reason: &'static str
    }
}
labels! {
    /// A request and how it ended.
    Request {
        /// The RPC.
        method: &'static str,
        /// The gRPC status code.
        code: &'static str
    }
}
labels! {
    /// An RPC.
    Method {
        /// The RPC.
        method: &'static str
    }
}
labels! {
    /// A candidate source.
    SourceName {
        /// The source.
        source: &'static str
    }
}
labels! {
    /// A partition of a topic.
    TopicPartition {
        /// `clicks` or `items`.
        topic: &'static str,
        /// The partition.
        partition: u32
    }
}

labels! {
    /// A partition of the topic of events.
    PartitionName {
        /// The partition.
        partition: u32
    }
}

labels! {
    /// What a program was built from.
    Build {
        /// Its version.
        version: &'static str,
        /// The commit.
        commit: &'static str
    }
}

/// Every metric of a service.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    build_info: Family<Build, Gauge>,
    /// Events taken from the log, by what became of them.
    pub events: Family<Outcome, Counter>,
    /// Events that lay in another partition than their user's.
    pub strays: Counter,
    /// Events that count, of whose item nothing is known.
    pub unknown_item_events: Counter,
    /// Changes to the catalog, by what became of them.
    pub items: Family<Outcome, Counter>,
    /// Records that an operator has told to leave out.
    pub skipped: Counter,
    /// Records that were sent to the dead letter topic.
    pub dead_letters: Family<Class, Counter>,
    /// Partitions that were stopped, as too many of their records are bad.
    pub stopped_partitions: Gauge,
    /// Partitions whose state is here.
    pub partitions_held: Gauge,
    /// Partitions that a group has given to this process or taken from it.
    pub partition_moves: Family<Outcome, Counter>,
    /// Failures of the log that passed or may pass.
    pub log_errors: Family<Class, Counter>,
    /// For how long the log has not told how far it goes.
    pub log_silence: FloatGauge,
    /// What is said of them.
    pub log_trouble: Arc<LogTrouble>,
    /// From the log's timestamp to readable state.
    pub event_to_visible: Histogram,
    /// Requests by how they ended.
    pub requests: Family<Request, Counter>,
    /// Requests that are being received, worked on or waited for.
    pub in_flight: Gauge,
    /// gRPC requests whose body has not come as a whole.
    pub incoming_bodies: Gauge,
    /// gRPC connections that are open.
    pub connections: Gauge,
    /// Answers that wait to be read.
    pub unsent: Gauge,
    /// Requests that were refused, or ended at their deadline.
    pub shed: ShedRequests,
    /// How long requests took.
    pub request_seconds: Family<Method, Histogram>,
    /// Candidates, by source; one that several gave counts for each.
    pub candidates: Family<SourceName, Counter>,
    /// Lists that the shadow was asked for, by what came of it.
    pub shadow_lists: Family<Outcome, Counter>,
    /// The part of a list that the shadow lists, too.
    pub shadow_overlap: Histogram,
    /// Answers that were less than they should have been.
    pub degraded: Counter,
    /// Records between the reader and the end of the log.
    pub lag: Family<TopicPartition, Gauge>,
    /// For how long a transaction of a producer has held back what comes behind its beginning.
    pub open_transaction: Family<TopicPartition, FloatGauge>,
    /// Users in state.
    pub users: Gauge,
    /// Items in the catalog.
    pub catalog_items: Gauge,
    /// Rows of the index.
    pub index_rows: Gauge,
    /// Past instants whose pools are kept.
    pub instants: Gauge,
    /// What the system tells of the process.
    pub process: ProcessMetrics,
    /// Items that users have acted on, of the events that are not kept one by one.
    pub acted_items: Gauge,
    /// Event ids remembered.
    pub event_ids: Gauge,
    /// Events that are found by their items.
    pub postings: Gauge,
    /// Users of whom no window holds an event any more.
    pub users_expired: Gauge,
    /// Users that were forgotten to make room.
    pub users_evicted: Gauge,
    /// Items that were given back as nothing referred to them any more.
    pub items_given_back: Gauge,
    /// Coarse counts of users that were forgotten to make room.
    pub counts_dropped: Gauge,
    /// Events from the future that were set to the log's time.
    pub events_clamped: Gauge,
    /// How far the greatest watermark is ahead of the wall clock, in seconds.
    pub watermark_ahead: FloatGauge,
    /// How long the last refresh of the pools took.
    pub pool_refresh: FloatGauge,
    /// Snapshots by what became of them.
    pub snapshots: Family<Outcome, Counter>,
    /// What is said of those that fail.
    pub snapshot_trouble: Mutex<Seldom>,
    /// What is said of partitions that can't be restored.
    pub restore_trouble: Mutex<Spell>,
    /// Until when all that a partition holds is in a snapshot.
    pub snapshot_time: Family<PartitionName, FloatGauge>,
    /// Free bytes of the disk of the data folder.
    pub disk_free: Gauge,
    /// Free bytes below which the embedded journal refuses appends.
    pub journal_keep_free: Gauge,
    /// Changes to models by what became of them.
    pub models: Family<Outcome, Counter>,
    /// Model files that are not what serves.
    pub model_files_not_served: Gauge,
    /// Whether the service is ready.
    pub ready: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// A registry of its own, with everything at zero.
    pub fn new() -> Self {
        let seconds = || Histogram::new(exponential_buckets(0.000_05, 2.0, 20));
        let metrics = Self {
            registry: Registry::default(),
            events: Family::default(),
            unknown_item_events: Counter::default(),
            items: Family::default(),
            skipped: Counter::default(),
            dead_letters: Family::default(),
            stopped_partitions: Gauge::default(),
            partitions_held: Gauge::default(),
            partition_moves: Family::default(),
            log_errors: Family::default(),
            log_silence: Gauge::default(),
            log_trouble: Arc::default(),
            event_to_visible: seconds(),
            requests: Family::default(),
            strays: Counter::default(),
            in_flight: Gauge::default(),
            incoming_bodies: Gauge::default(),
            connections: Gauge::default(),
            unsent: Gauge::default(),
            shed: Family::default(),
            request_seconds: Family::new_with_constructor(seconds),
            candidates: Family::default(),
            shadow_lists: Family::default(),
            shadow_overlap: Histogram::new((0..=10).map(|tenths| f64::from(tenths) / 10.0)),
            degraded: Counter::default(),
            lag: Family::default(),
            open_transaction: Family::default(),
            users: Gauge::default(),
            catalog_items: Gauge::default(),
            index_rows: Gauge::default(),
            instants: Gauge::default(),
            process: ProcessMetrics::default(),
            build_info: Family::default(),
            acted_items: Gauge::default(),
            event_ids: Gauge::default(),
            postings: Gauge::default(),
            users_expired: Gauge::default(),
            users_evicted: Gauge::default(),
            items_given_back: Gauge::default(),
            counts_dropped: Gauge::default(),
            events_clamped: Gauge::default(),
            watermark_ahead: FloatGauge::default(),
            pool_refresh: Gauge::default(),
            snapshots: Family::default(),
            snapshot_trouble: Mutex::default(),
            restore_trouble: Mutex::default(),
            snapshot_time: Family::default(),
            disk_free: Gauge::default(),
            journal_keep_free: Gauge::default(),
            models: Family::default(),
            model_files_not_served: Gauge::default(),
            ready: Gauge::default(),
        };
        metrics.start_at_zero();
        metrics.register()
    }

    /// Makes every series whose labels are known. One that appeared only with its first event would
    /// hide that event from whoever watches for an increase.
    fn start_at_zero(&self) {
        for outcome in ["applied", "duplicate", "late", "item_limit"] {
            self.events.get_or_create(&Outcome { outcome }).inc_by(0);
        }
        for outcome in ["applied", "lost_categories", "unchanged", "item_limit"] {
            self.items.get_or_create(&Outcome { outcome }).inc_by(0);
        }
        for class in ["decode", "oversize", "schema", "validation", "unknown_event_type"] {
            self.dead_letters.get_or_create(&Class { class }).inc_by(0);
        }
        for class in ["append", "read", "dead_letter", "dead_letter_refused", "lag", "gap"] {
            self.log_errors.get_or_create(&Class { class }).inc_by(0);
        }
        for outcome in ["assigned", "revoked", "lost"] {
            self.partition_moves.get_or_create(&Outcome { outcome }).inc_by(0);
        }
        for outcome in ["written", "failed", "rejected", "unfit", "rebuilt"] {
            self.snapshots.get_or_create(&Outcome { outcome }).inc_by(0);
        }
        for reason in ["queue_delay", "in_flight", "upload_bytes", "deadline", "slow_body"] {
            self.shed.get_or_create(&Shed { reason }).inc_by(0);
        }
        for outcome in ["loaded", "refused", "removed", "unreadable"] {
            self.models.get_or_create(&Outcome { outcome }).inc_by(0);
        }
    }

    /// Tells what the program was built from.
    pub fn built_from(&self, version: &'static str, commit: &'static str) {
        self.build_info.get_or_create(&Build { version, commit }).set(1);
    }

    /// Tells until when all that a partition holds is in a snapshot, in ms since the epoch; 0 for
    /// never.
    pub fn in_snapshot(&self, partition: Partition, until: i64) {
        self.snapshot_time.get_or_create(&PartitionName { partition: partition.0 }).set(until as f64 / 1e3);
    }

    /// Everything.
    pub fn encode(&self, exposition: Exposition) -> String {
        let mut text = String::new();
        // Writing to a string can't fail.
        let _ = encode(&mut text, &self.registry);
        match exposition {
            Exposition::Text => text_of(&text),
            Exposition::OpenMetrics => text,
        }
    }

    fn register(mut self) -> Self {
        self.process.register(&mut self.registry);
        let registry = self.registry.sub_registry_with_prefix("headwater");
        registry.register("build_info", "What the program was built from", self.build_info.clone());
        registry.register("events", "Events taken from the log, by outcome", self.events.clone());
        let help = "Events that lay in another partition than their user's key leads to";
        registry.register("stray_events", help, self.strays.clone());
        let help = "Events applied that name no categories and an item that the catalog does not have";
        registry.register("unknown_item_events", help, self.unknown_item_events.clone());
        registry.register("item_changes", "Changes to the catalog, by outcome", self.items.clone());
        registry.register("dead_letters", "Records sent to the dead letter topic", self.dead_letters.clone());
        let help = "Partitions stopped by too many bad records";
        registry.register("stopped_partitions", help, self.stopped_partitions.clone());
        let help = "Partitions whose state is here";
        registry.register("partitions_held", help, self.partitions_held.clone());
        let help = "Partitions given to this process or taken from it, by outcome";
        registry.register("partition_moves", help, self.partition_moves.clone());
        registry.register("log_errors", "Failures of the log", self.log_errors.clone());
        let help = "For how long the log has not told how far it goes";
        registry.register_with_unit("log_silence", help, Unit::Seconds, self.log_silence.clone());
        let help = "From the log's timestamp of an event to readable state";
        registry.register_with_unit("event_to_visible", help, Unit::Seconds, self.event_to_visible.clone());
        registry.register("requests", "gRPC requests, by method and status", self.requests.clone());
        registry.register("requests_in_flight", "gRPC requests in flight", self.in_flight.clone());
        let help = "gRPC requests whose body has not come as a whole";
        registry.register("incoming_bodies", help, self.incoming_bodies.clone());
        registry.register("connections", "gRPC connections that are open", self.connections.clone());
        let help = "Answers that wait for their callers to read them";
        registry.register_with_unit("unsent_answers", help, Unit::Bytes, self.unsent.clone());
        let help = "gRPC requests refused, or ended at their deadline, by reason";
        registry.register("shed_requests", help, self.shed.clone());
        let help = "How long gRPC requests took";
        registry.register_with_unit("request", help, Unit::Seconds, self.request_seconds.clone());
        registry.register("candidates", "Candidates, by source", self.candidates.clone());
        let help = "Lists that the shadow model was asked for beside the one that serves, by what came of it";
        registry.register("shadow_lists", help, self.shadow_lists.clone());
        let help = "The part of a list that the shadow model lists, too";
        registry.register("shadow_overlap", help, self.shadow_overlap.clone());
        registry.register(
            "degraded_answers",
            "Answers that were less than they should be",
            self.degraded.clone(),
        );
        registry.register("skipped_records", "Records left out by ingest.skip", self.skipped.clone());
        registry.register("lag_records", "Records not yet read from the log", self.lag.clone());
        let help = "For how long a transaction has held back what comes behind its beginning";
        registry.register_with_unit("open_transaction", help, Unit::Seconds, self.open_transaction.clone());
        registry.register("users", "Users in state", self.users.clone());
        registry.register("catalog_items", "Items in the catalog", self.catalog_items.clone());
        registry.register("index_rows", "Rows of the index", self.index_rows.clone());
        let help = "Past instants whose candidate pools are kept";
        registry.register("instants", help, self.instants.clone());
        let help = "Items remembered that users have acted on, besides those of their newest events";
        registry.register("acted_items", help, self.acted_items.clone());
        registry.register("event_ids", "Event ids remembered", self.event_ids.clone());
        registry.register("postings", "Events that are found by their items", self.postings.clone());
        let help = "Users of whom no window holds an event any more";
        registry.register("users_expired", help, self.users_expired.clone());
        registry.register("users_evicted", "Users forgotten to make room", self.users_evicted.clone());
        let help = "Items forgotten as no window and nobody refers to them any more";
        registry.register("items_given_back", help, self.items_given_back.clone());
        let help = "Coarse counts of users forgotten to make room";
        registry.register("counts_dropped", help, self.counts_dropped.clone());
        let help = "Events from the future that were set to the log's time";
        let ahead = "How far event time is ahead of the wall clock; negative if it is behind";
        registry.register_with_unit("watermark_ahead", ahead, Unit::Seconds, self.watermark_ahead.clone());
        registry.register("events_clamped", help, self.events_clamped.clone());
        let help = "How long the last refresh of the candidate pools took";
        registry.register_with_unit("pool_refresh", help, Unit::Seconds, self.pool_refresh.clone());
        registry.register("snapshots", "Snapshots, by outcome", self.snapshots.clone());
        let help = "Until when all that a partition holds is in a snapshot";
        registry.register_with_unit("snapshot_timestamp", help, Unit::Seconds, self.snapshot_time.clone());
        let help = "Free bytes of the disk of the data folder";
        registry.register_with_unit("disk_free", help, Unit::Bytes, self.disk_free.clone());
        let help = "Free bytes below which the embedded journal refuses appends";
        registry.register_with_unit("journal_keep_free", help, Unit::Bytes, self.journal_keep_free.clone());
        registry.register("model_changes", "Changes to model files, by outcome", self.models.clone());
        let help = "Model files that are not what serves";
        registry.register("model_files_not_served", help, self.model_files_not_served.clone());
        registry.register("ready", "Whether the service is ready", self.ready.clone());
        self
    }
}
