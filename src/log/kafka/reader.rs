//! Reads partitions of a topic with a consumer that belongs to nobody's group: it is assigned
//! exactly the partitions and offsets that it was asked for.
//!
//! It is assigned once in its life. When a partition is taken from a consumer while an earlier
//! change is still under way, librdkafka (up to 2.15.0, its issue 5573) may end the process.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_void};
use std::ptr;
use std::slice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::bindings::{rd_kafka_header_get_all, rd_kafka_headers_t, rd_kafka_message_headers};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::Offset as KafkaOffset;
use rdkafka::types::RDKafkaRespErr;

use crate::log::kafka::admin;
use crate::log::kafka::context::{Context, KafkaConsumer};
use crate::log::kafka::numbers;
use crate::log::kafka::settings;
use crate::log::kafka::settings::KafkaSettings;
use crate::log::{Header, LogError, LogReader, Offset, Partition, Positions, Record, Topic};
use crate::telemetry::LogTrouble;

/// Stands for a header's name that is not UTF-8.
const NOT_UTF8: &str = "\u{fffd}";

pub struct KafkaReader {
    settings: Arc<KafkaSettings>,
    trouble: Arc<LogTrouble>,
    topic: Topic,
    consumer: KafkaConsumer,
    /// Where partitions stand that are read.
    positions: RefCell<Positions>,
    /// Where partitions stand that are not read any more.
    paused: Positions,
    /// Set when a partition's end was met, where offsets that hold no record may be behind us.
    at_end: Cell<bool>,
    /// An error that is still to be told, as records of the same poll came before it.
    pending: Option<KafkaError>,
    /// Set when the consumer does not read a partition any more.
    stalled: bool,
}

impl KafkaReader {
    pub fn open(
        settings: Arc<KafkaSettings>,
        topic: Topic,
        from: &Positions,
        trouble: Arc<LogTrouble>,
    ) -> Result<Self, LogError> {
        let consumer = assigned(&settings, topic, from, &trouble)?;
        let positions = RefCell::new(from.clone());
        let (paused, at_end, pending) = (Positions::default(), Cell::new(false), None);
        Ok(Self { settings, trouble, topic, consumer, positions, paused, at_end, pending, stalled: false })
    }

    fn name(&self) -> &str {
        self.settings.name(self.topic)
    }

    /// Goes on with a new consumer from where it stands, or tells which partition does not hold that
    /// place any more.
    fn renew(&mut self) -> Result<(), LogError> {
        self.consumer = assigned(&self.settings, self.topic, self.positions.get_mut(), &self.trouble)?;
        self.stalled = false;
        Ok(())
    }

    fn error(&mut self, error: KafkaError) -> LogError {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AutoOffsetReset) => {
                self.stalled = true;
                let passed = format!("offsets of `{}` were not valid for a moment", self.name());
                self.renew().err().unwrap_or(LogError::Unavailable(passed))
            }
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                admin::no_topic(&self.settings, self.topic)
            }
            _ => admin::classify(error, &format!("reading `{}`", self.name())),
        }
    }

    /// Moves positions over offsets that hold no record: librdkafka counts the transaction markers
    /// that it kept from us.
    fn skip_holes(&self) {
        if !self.at_end.replace(false) {
            return;
        }
        let Ok(list) = self.consumer.position() else { return };
        let mut positions = self.positions.borrow_mut();
        for element in list.elements() {
            let (Some(partition), KafkaOffset::Offset(offset)) =
                (numbers::partition(element.partition()), element.offset())
            else {
                continue;
            };
            if let (Some(position), Some(offset)) = (positions.get_mut(partition), numbers::offset(offset)) {
                *position = offset.max(*position);
            }
        }
    }
}

impl LogReader for KafkaReader {
    fn poll(
        &mut self,
        timeout: Duration,
        max: usize,
        sink: &mut dyn FnMut(Record<'_>),
    ) -> Result<usize, LogError> {
        if self.stalled {
            self.renew()?;
        }
        let deadline = Instant::now() + timeout;
        let mut count = 0;
        while count < max && self.pending.is_none() {
            let wait =
                if count == 0 { deadline.saturating_duration_since(Instant::now()) } else { Duration::ZERO };
            match self.consumer.poll(wait) {
                Some(Ok(message)) => {
                    count += usize::from(hand_over(&message, self.positions.get_mut(), sink));
                }
                Some(Err(KafkaError::PartitionEOF(_))) => self.at_end.set(true),
                Some(Err(error)) => self.pending = Some(error),
                // Also after events that are not records.
                None if count > 0 || wait.is_zero() => break,
                None => {}
            }
        }
        match self.pending.take_if(|_| count == 0) {
            Some(error) => Err(self.error(error)),
            None => Ok(count),
        }
    }

    fn pause(&mut self, partition: Partition) -> Result<(), LogError> {
        let Some(position) = self.positions.get_mut().remove(partition) else { return Ok(()) };
        self.paused.set(partition, position);
        let mut list = TopicPartitionList::new();
        list.add_partition(self.name(), numbers::to_kafka(partition)?);
        self.consumer.pause(&list).map_err(|error| self.error(error))
    }

    fn position(&self, partition: Partition) -> Option<Offset> {
        self.skip_holes();
        self.positions.borrow().get(partition).or_else(|| self.paused.get(partition))
    }
}

/// A consumer that reads from these positions.
fn assigned(
    settings: &KafkaSettings,
    topic: Topic,
    positions: &Positions,
    trouble: &Arc<LogTrouble>,
) -> Result<KafkaConsumer, LogError> {
    let name = settings.name(topic);
    let failed = |error| admin::classify(error, &format!("reading `{name}`"));
    let consumer: BaseConsumer<Context> = settings::consumer(settings)?
        .create_with_context(Context { trouble: Arc::clone(trouble) })
        .map_err(failed)?;
    let consumer = KafkaConsumer::from(consumer);
    if admin::partitions(&consumer, settings, name)?.is_none() {
        return Err(admin::no_topic(settings, topic));
    }
    for (partition, asked) in positions.iter() {
        let bounds = admin::bounds(&consumer, name, partition)?;
        if !bounds.allows(asked) {
            return Err(LogError::OutOfRange { topic: name.to_owned(), partition, asked, bounds });
        }
    }
    consumer.assign(&numbers::list(name, positions)?).map_err(failed)?;
    Ok(consumer)
}

/// False for a record of a partition that is not read any more.
fn hand_over(
    message: &BorrowedMessage<'_>,
    positions: &mut Positions,
    sink: &mut dyn FnMut(Record<'_>),
) -> bool {
    let (Some(partition), Some(offset)) =
        (numbers::partition(message.partition()), numbers::offset(message.offset()))
    else {
        return false;
    };
    let Some(position) = positions.get_mut(partition) else { return false };
    sink(Record {
        partition,
        offset,
        timestamp: message.timestamp().to_millis(),
        key: message.key(),
        value: message.payload(),
        headers: headers(message),
    });
    position.advance(offset);
    true
}

/// The headers of a message. The crate's own accessor panics on a name that is not UTF-8, which
/// anybody who may write to the topic could send.
#[expect(unsafe_code, reason = "the safe accessor panics on what comes from outside")]
fn headers<'m>(message: &'m BorrowedMessage<'_>) -> Vec<Header<'m>> {
    let mut list: *mut rd_kafka_headers_t = ptr::null_mut();
    // SAFETY: the message is alive; on success the list lives as long as the message.
    let code = unsafe { rd_kafka_message_headers(message.ptr(), &raw mut list) };
    let mut headers = Vec::new();
    if code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        return headers;
    }
    loop {
        let mut name = ptr::null();
        let mut value: *const c_void = ptr::null();
        let mut size = 0;
        // SAFETY: the list is alive; past its end the call says so and sets nothing.
        let code = unsafe {
            rd_kafka_header_get_all(list, headers.len(), &raw mut name, &raw mut value, &raw mut size)
        };
        if code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return headers;
        }
        // SAFETY: on success `name` ends with a zero, `value` is null or has `size` bytes, and both
        // live as long as the message.
        let (name, value) = unsafe {
            (
                CStr::from_ptr(name),
                (!value.is_null()).then(|| slice::from_raw_parts(value.cast::<u8>(), size)),
            )
        };
        headers.push((name.to_str().unwrap_or(NOT_UTF8), value));
    }
}
