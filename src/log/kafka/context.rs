//! What our consumers do with what librdkafka says on its own account.

use rdkafka::ClientContext;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// A consumer of ours.
pub type KafkaConsumer = BaseConsumer<Context>;

/// Passes errors to the log.
pub struct Context;

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        // The end of a partition comes as an error too, and is none.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::PartitionEOF) {
            tracing::warn!(%error, reason, "librdkafka");
        }
    }
}

impl ConsumerContext for Context {}
