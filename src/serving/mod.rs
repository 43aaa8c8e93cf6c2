//! Serving: the services of gRPC, what they are made of, and other ways to call them.
//!
//! A request reads state behind a short lock and pools that are swapped in whole; it does no I/O
//! unless it appends to a log.

pub mod admission;
mod answer_room;
mod appender;
mod calls;
mod connections;
mod convert;
mod grpc;
mod health;
mod http1;
mod instants;
mod limits;
mod reader;
pub mod server;
mod settings;
mod web;

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::health::{About, Health};
use crate::log::Log;
use crate::state::ranker::Ranker;
use crate::telemetry::Metrics;

pub use grpc::{Shadow, Shadowing};
pub use health::GrpcHealth;
pub use settings::ServerSettings;
pub use web::WebService;

/// The trailer that names the process to ask instead.
pub const OWNER: &str = "headwater-owner";

/// What the services read from, append to and tell.
pub struct ServingParts {
    /// State, and what ranks it.
    pub ranker: Arc<Ranker>,
    /// Where events and items are appended.
    pub log: Arc<dyn Log>,
    /// How the service is.
    pub health: Arc<Health>,
    /// What the process is.
    pub about: Arc<About>,
    /// Where metrics go.
    pub metrics: Arc<Metrics>,
    /// The wall clock.
    pub clock: Clock,
    /// From how long on a request is slow.
    pub slow_request: Duration,
    /// What a second model is asked by.
    pub shadow: Option<Shadow>,
}
