//! The way of requests into the log.

use std::sync::Arc;

use tonic::Status;

use super::convert;
use crate::log::{Log, LogError, NewRecord, Topic};
use crate::telemetry::{Class, Metrics};

/// Appends what requests bring.
#[derive(Clone)]
pub struct Appender {
    log: Arc<dyn Log>,
    metrics: Arc<Metrics>,
}

impl Appender {
    /// Appends to a log.
    pub fn new(log: Arc<dyn Log>, metrics: Arc<Metrics>) -> Self {
        Self { log, metrics }
    }

    /// Appends to a topic, and tells how many records were taken once they are durable; a failure that is
    /// not the caller's is counted.
    pub async fn append(&self, topic: Topic, records: Vec<NewRecord>) -> Result<u32, Status> {
        let accepted = records.len() as u32;
        if accepted == 0 {
            return Ok(0);
        }
        let appended = self.log.append(topic, records).await;
        appended.map(|_| accepted).map_err(|error| {
            if !matches!(error, LogError::Refused(_)) {
                self.metrics.log_errors.get_or_create(&Class { class: "append" }).inc();
            }
            convert::log_error(error)
        })
    }
}
