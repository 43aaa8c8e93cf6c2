//! What the service tells of itself: metrics and logs, through one struct an event, so that a log
//! line and its counter can't drift apart.

mod calls;
pub mod disk_space;
pub mod events;
mod exposition;
mod filter;
mod metrics;
mod process;
mod rpc;
pub mod seldom;
mod setup;
mod trouble;

pub use prometheus_client::metrics::counter::Counter;

pub use calls::{AppliedBatch, Call, CallLog};
pub use exposition::Exposition;
pub use filter::log_filter;
pub use metrics::{
    Class, Method, Metrics, Outcome as OutcomeLabel, PartitionName, Request, Shed, ShedRequests, SourceName,
    TopicPartition,
};
pub use rpc::Rpc;
pub use setup::{LogFormat, LogLevels, TelemetrySettings, init};
pub use trouble::LogTrouble;
