//! Serving: the gRPC services, and what they share.
//!
//! A request reads state behind a short lock and pools that are swapped in whole; it does no I/O
//! unless it appends to a log.

pub mod admission;
mod connections;
mod convert;
mod grpc;
pub mod server;
mod settings;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use tracing::Instrument;

use crate::clock::Clock;
use crate::engine::events::event::Timestamp;
use crate::engine::index::pools::Pools;
use crate::health::Stopped;
use crate::log::{Log, LogError, NewRecord, Topic};
use crate::state::ranker::{Ranker, Unanswerable};
use crate::state::{NotHeld, Store};
use crate::telemetry::{Call, CallLog, Class, Method, Metrics, Request, Shed};

pub use crate::health::Condition;
use admission::Admission;
pub use settings::ServerSettings;

/// The trailer that names the process to ask instead.
pub const OWNER: &str = "headwater-owner";

/// How many questions for a named instant may be worked on at once whose pools have to be made first.
pub const INSTANTS_AT_ONCE: usize = 4;

/// What every service shares.
pub struct Shared {
    /// State.
    pub store: Arc<Store>,
    /// What ranks it.
    pub ranker: Arc<Ranker>,
    /// How many questions for a named instant may be worked on whose pools have to be made first.
    pub instants: Semaphore,
    /// Where events and items are appended.
    pub log: Arc<dyn Log>,
    /// Where metrics go.
    pub metrics: Arc<Metrics>,
    /// Where calls are told that are slow or fail.
    pub calls: CallLog,
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
    /// The model that a request names, or the default one, with its pools of now.
    fn pools(&self, name: &str) -> Result<Arc<Pools>, Status> {
        self.ranker.pools(name).ok_or_else(|| {
            let models = self.ranker.models();
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

    /// The status of a request for a named instant while as many as may be are worked on.
    fn busy_with_instants(&self) -> Status {
        self.metrics.shed.get_or_create(&Shed { reason: "as_of" }).inc();
        let details = ErrorDetails::with_retry_info(Some(Duration::from_millis(100)));
        let message = format!(
            "{INSTANTS_AT_ONCE} requests with an `as_of` that nobody has asked for lately are being worked on: try \
             again in 100 ms, or ask for the same instant again rather than for one after the other"
        );
        Status::with_error_details(Code::ResourceExhausted, message, details)
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

    /// Does a request's work in a span of its own, and counts how it ended.
    async fn counted<T>(
        &self,
        call: &Call<'_>,
        work: impl Future<Output = Result<T, Status>>,
    ) -> Result<tonic::Response<T>, Status> {
        let (method, span, started) = (call.method, call.span(), Instant::now());
        let result = work.instrument(span.clone()).await;
        let code = result.as_ref().err().map_or("OK", |status| code_name(status.code()));
        self.calls.end(call, &span, code, result.as_ref().err().map(Status::message), started.elapsed());
        self.metrics.requests.get_or_create(&Request { method, code }).inc();
        let seconds = started.elapsed().as_secs_f64();
        self.metrics.request_seconds.get_or_create(&Method { method }).observe(seconds);
        result.map(tonic::Response::new)
    }
}

fn code_name(code: tonic::Code) -> &'static str {
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
