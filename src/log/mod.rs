//! Logs: where events and items come from, and the contract that every log keeps.
//!
//! A log has some topics ([`Topic`]), each split into partitions; a partition is an ordered sequence of
//! records, each named by its offset. The contract, which `tests/log_conformance.rs` runs against
//! every implementation:
//!
//! * Records of one partition arrive in the order of their offsets, each once for each reader.
//!   Offsets only rise; there may be holes (compaction, transaction markers).
//! * A reader starts at exactly the offset it is told to, never somewhere near. If the offset is
//!   not there any more, or not there yet, [`LogError::OutOfRange`] says so: nothing is skipped.
//! * An append is acknowledged only when it is durable: synced to disk, or acknowledged by the
//!   broker with `acks=all`. Records of one call with the same partition keep their order.
//! * The partition of a record is [`partition_of`] its key.
//! * Nothing is buffered without bound: a reader that is not polled stops fetching, an append that
//!   can't be queued waits.
//! * What is committed is telemetry. Where to start is always told by the caller.

mod error;
pub mod journal;
pub mod kafka;
pub mod membership;
pub mod open;
mod partitioner;
mod record;
mod topics;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::mpsc;

pub use crate::engine::position::{Offset, Partition, Positions};
pub use error::LogError;
use membership::Notice;
pub use partitioner::partition_of;
pub use record::{Bounds, Header, NewRecord, Record};
pub use topics::{PerTopic, Topic};

/// The future of an append: where each record went, in the order of the call.
pub type Appended = Pin<Box<dyn Future<Output = Result<Vec<(Partition, Offset)>, LogError>> + Send>>;

/// A log. Cheap to share.
///
/// What returns a result, and [`Log::leave`] and [`Log::close`], may wait for as long as a broker does
/// not answer, so none of it is for a thread that runs other tasks. The rest does not wait.
pub trait Log: Send + Sync {
    /// What the topic is called, for messages and dead letters.
    fn name(&self, topic: Topic) -> &str;

    /// How many partitions the topic has.
    ///
    /// # Errors
    /// The topic is not there, or the log can't be reached.
    fn partitions(&self, topic: Topic) -> Result<u32, LogError>;

    /// What a partition holds now.
    ///
    /// # Errors
    /// The partition is not there, or the log can't be reached.
    fn bounds(&self, topic: Topic, partition: Partition) -> Result<Bounds, LogError>;

    /// From which offset on the records of a partition were written at an instant, in ms since the epoch, or later; its
    /// end if none was. None where the log can't tell without reading them.
    ///
    /// # Errors
    /// The partition is not there, or the log can't be reached.
    fn written_since(
        &self,
        _topic: Topic,
        _partition: Partition,
        _instant: i64,
    ) -> Result<Option<Offset>, LogError> {
        Ok(None)
    }

    /// Where what was written to these partitions ends: further than their bounds where a transaction that is still open
    /// keeps readers from what comes behind its beginning. None of a partition whose readers are given all.
    ///
    /// # Errors
    /// The log can't be reached.
    fn written(&self, _topic: Topic, _partitions: &[Partition]) -> Result<Positions, LogError> {
        Ok(Positions::default())
    }

    /// A reader of some partitions, each from exactly the offset given.
    ///
    /// # Errors
    /// An offset is out of range, or the log can't be reached.
    fn reader(&self, topic: Topic, from: &Positions) -> Result<Box<dyn LogReader>, LogError>;

    /// Appends records and tells when they are durable. Starts when the future is first polled, on
    /// any runtime. On an error some of them may be durable all the same, as with any log: a retry
    /// is recognised by its `event_id`.
    fn append(&self, topic: Topic, records: Vec<NewRecord>) -> Appended;

    /// Tells whoever watches the log how far its records are covered by snapshots. Best effort.
    fn committed(&self, topic: Topic, positions: &Positions);

    /// Before which offset all records of a partition of `Clicks` were dealt with by whoever had it, as far as the
    /// processes that share its partitions have said; none where nothing was, or nothing is shared. May block.
    ///
    /// # Errors
    /// The log can't be asked.
    fn dealt_with(&self, _partition: Partition) -> Result<Option<Offset>, LogError> {
        Ok(None)
    }

    /// Joins the processes that share the partitions of `Clicks`, if the log is set up to be shared:
    /// what is decided is sent to `notices`. False where every partition is for every process.
    /// `address` is where this process answers.
    ///
    /// # Errors
    /// The group can't be joined.
    fn join(&self, _address: &str, _notices: mpsc::Sender<Notice>) -> Result<bool, LogError> {
        Ok(false)
    }

    /// Leaves them, so that they need not wait until this process is missed. Its receiver of notices
    /// must be gone. May take seconds.
    fn leave(&self) {}

    /// Ends in order what is under way, such as appends that are queued and commits that are not
    /// answered; nothing is appended afterwards. May take seconds, but ends where a broker does not
    /// answer.
    fn close(&self) {}

    /// Where the process that has a partition of `Clicks` answers, if the log knows.
    fn owner(&self, _partition: Partition) -> Option<String> {
        None
    }
}

/// Reads partitions of one topic. One thread owns it.
pub trait LogReader: Send {
    /// Hands over up to `max` records that are there, waiting up to `timeout` for the first.
    /// Returns how many there were. An [`LogError::Unavailable`] is passing: poll again.
    ///
    /// # Errors
    /// The log can't be read.
    fn poll(
        &mut self,
        timeout: Duration,
        max: usize,
        sink: &mut dyn FnMut(Record<'_>),
    ) -> Result<usize, LogError>;

    /// Hands over no more records of a partition, and fetches none. Its position stays where it is;
    /// the other partitions go on. For good: to go on there takes another reader.
    ///
    /// # Errors
    /// The log can't be read any more.
    fn pause(&mut self, partition: Partition) -> Result<(), LogError>;

    /// The offset after the last record handed over, or that could have been (holes at the end
    /// of a partition are behind it), of one partition.
    fn position(&self, partition: Partition) -> Option<Offset>;
}
