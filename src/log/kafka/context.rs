//! What our consumers do with what librdkafka says on its own account, and how its clients end.

use std::ops::Deref;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::telemetry::LogTrouble;

/// How long one poll of a consumer that is being closed waits.
const POLL: Duration = Duration::from_millis(100);

/// A consumer of ours.
pub type KafkaConsumer = Aside<BaseConsumer<Context>>;

/// A client whose end holds up nobody: its destructor runs on a thread of its own. That of a consumer
/// (`BaseConsumer::drop` of rdkafka 0.39) polls until librdkafka says that it is closed, which is
/// never if a commit is under way to a coordinator that is gone.
pub struct Aside<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> From<T> for Aside<T> {
    fn from(client: T) -> Self {
        Self(Some(client))
    }
}

impl<T: Send + 'static> Deref for Aside<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.0 {
            Some(client) => client,
            None => unreachable!("only the destructor takes it"),
        }
    }
}

impl<T: Send + 'static> Drop for Aside<T> {
    fn drop(&mut self) {
        let client = self.0.take();
        // Without a thread it is dropped here, and may hold up whoever drops it after all.
        let _ = thread::Builder::new().name("kafka-end".to_owned()).spawn(move || drop(client));
    }
}

/// Closes a consumer, for as long as it may take at most; whether it is closed then. To be called
/// once: what is left to its destructor is to let go of it.
pub fn close<C: ConsumerContext>(consumer: &BaseConsumer<C>, patience: Duration) -> bool {
    if let Err(error) = consumer.close_queue() {
        tracing::warn!(%error, "a consumer can't be closed");
        return false;
    }
    let deadline = Instant::now() + patience;
    while !consumer.closed() && Instant::now() < deadline {
        let _ = consumer.poll(POLL);
    }
    consumer.closed()
}

/// Tells what librdkafka says on its own account.
pub fn tell(trouble: &LogTrouble, error: &KafkaError, reason: &str) {
    match error.rdkafka_error_code() {
        // The end of a partition comes as an error too, and is none.
        Some(RDKafkaErrorCode::PartitionEOF) => {}
        // Nobody's waiting mends these.
        Some(
            RDKafkaErrorCode::Authentication
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::SSL,
        ) => {
            trouble.turned_away(reason);
        }
        _ => trouble.client_says(&format!("{error}: {reason}")),
    }
}

/// Tells a log line of librdkafka's. What it warns of it says again and again, and each connection that ends is news
/// to it.
pub fn tell_line(trouble: &LogTrouble, level: RDKafkaLogLevel, facility: &str, line: &str) {
    match level {
        RDKafkaLogLevel::Debug | RDKafkaLogLevel::Info | RDKafkaLogLevel::Notice => {
            tracing::debug!(target: "librdkafka", facility, "{line}");
        }
        _ => trouble.client_says(&format!("{facility}: {line}")),
    }
}

/// Tells what `statistics.interval.ms` of `kafka.properties` asks for, as librdkafka writes it: it is JSON. (Each
/// context says so, as rdkafka's default decodes it first, by a fiftieth of all code of this crate.)
pub fn tell_statistics(statistics: &[u8]) {
    tracing::info!(statistics = %String::from_utf8_lossy(statistics), "librdkafka");
}

/// Passes errors to the log.
pub struct Context {
    pub trouble: Arc<LogTrouble>,
}

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        tell(&self.trouble, &error, reason);
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        tell_line(&self.trouble, level, facility, line);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        tell_statistics(statistics);
    }
}

impl ConsumerContext for Context {}
