//! Serving: the gRPC services, the pools that they rank from, and the HTTP side port.
//!
//! A request reads state behind a short lock and pools that are swapped in whole; it does no I/O
//! unless it appends to a log.

pub mod admission;
mod condition;
mod connections;
mod convert;
pub mod http;
mod pools;
pub mod server;
mod services;

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use tonic::Status;

use crate::engine::event::Timestamp;
use crate::engine::model::Model;
use crate::engine::models::ModelSet;
use crate::ingest::breaker::Stopped;
use crate::ingest::{Log, LogError, NewRecord, Topic};
use crate::store::{NotHeld, Store};
use crate::telemetry::{Class, Method, Metrics, Request};

use admission::Admission;
pub use condition::Condition;
use convert::Unanswerable;
pub use pools::PoolCache;

/// The trailer that names the process to ask instead.
pub const OWNER: &str = "headwater-owner";

/// The wall clock, in ms since the epoch.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// What every service shares.
pub struct Shared {
    /// State.
    pub store: Arc<Store>,
    /// The models in force.
    pub models: Arc<ArcSwap<ModelSet>>,
    /// The pools of the last refresh, and those of instants that were asked for.
    pub pools: PoolCache,
    /// Where events and items are appended.
    pub log: Arc<dyn Log>,
    /// Where metrics go.
    pub metrics: Arc<Metrics>,
    /// The wall clock.
    pub clock: Clock,
    /// How the service is.
    pub condition: ArcSwap<Condition>,
    /// Partitions that a flood of bad records has stopped.
    pub stopped: Arc<Stopped>,
    /// What is in flight.
    pub admission: Arc<Admission>,
}

impl Shared {
    /// The model that a request names, or the default one.
    fn model(&self, name: &str) -> Result<Arc<Model>, Status> {
        let models = self.models.load();
        models.get(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
            Status::not_found(format!("`model` is `{name}`, loaded are: {}", known.join(", ")))
        })
    }

    /// The instant that a request which names none is answered for.
    fn now(&self) -> Timestamp {
        self.store.now(Timestamp((self.clock)()))
    }

    /// Why answers are less than they should be, if they are.
    fn degraded(&self) -> Option<String> {
        let missing = || self.store.missing().map(|missing| String::clone(&missing));
        self.condition.load().degraded().or_else(missing)
    }

    /// The status of a request about a user that can't be answered.
    fn refusal(&self, error: Unanswerable) -> Status {
        let NotHeld { partition, restoring } = match error {
            Unanswerable::TooOld(error) => return convert::too_old(error),
            Unanswerable::NotHeld(error) => error,
        };
        let topic = self.log.name(Topic::Clicks);
        if restoring {
            return Status::unavailable(format!(
                "partition {partition} of `{topic}`, where `user_id` lives, is being restored here: try again"
            ));
        }
        let lives = format!("`user_id` lives in partition {partition} of `{topic}`, which is not held here");
        match self.log.owner(partition) {
            None => Status::failed_precondition(format!("{lives}: ask the other processes of the group")),
            Some(owner) => {
                let mut status = Status::failed_precondition(format!("{lives}: ask {owner}"));
                if let Ok(owner) = owner.parse() {
                    status.metadata_mut().insert(OWNER, owner);
                }
                status
            }
        }
    }

    /// Appends to a topic; a failure that is not the caller's is counted.
    async fn append(&self, topic: Topic, records: Vec<NewRecord>) -> Result<(), Status> {
        let appended = self.log.append(topic, records).await;
        appended.map(drop).map_err(|error| {
            if !matches!(error, LogError::Refused(_)) {
                self.metrics.log_errors.get_or_create(&Class { class: "append" }).inc();
            }
            convert::log_error(error)
        })
    }

    /// Does a request's work, and counts how it ended.
    async fn counted<T>(
        &self,
        method: &'static str,
        work: impl Future<Output = Result<T, Status>>,
    ) -> Result<tonic::Response<T>, Status> {
        let started = Instant::now();
        let result = work.await;
        let code = result.as_ref().err().map_or("OK", |status| code_name(status.code()));
        self.metrics.requests.get_or_create(&Request { method, code }).inc();
        let seconds = started.elapsed().as_secs_f64();
        self.metrics.request_seconds.get_or_create(&Method { method }).observe(seconds);
        result.map(tonic::Response::new)
    }
}

fn code_name(code: tonic::Code) -> &'static str {
    use tonic::Code;
    match code {
        Code::Ok => "OK",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::NotFound => "NOT_FOUND",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unavailable => "UNAVAILABLE",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::Internal => "INTERNAL",
        _ => "OTHER",
    }
}
