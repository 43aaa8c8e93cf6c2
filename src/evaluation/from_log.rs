//! The log of a service, read into a stream: its journal, or its topics in Kafka.
//!
//! What is read is what the log held when it was opened, partition by partition, each record once and none of them
//! kept. Records that a service would put with the dead letters are left out and counted, as rows of files are.

use std::thread;
use std::time::Duration;

use super::load::LeftOut;
use super::stream::Builder;
use crate::codec::{DecodeError, Encoding, decode_event_record, decode_item_record};
use crate::engine::events::event::Timestamp;
use crate::engine::events::item::ItemChange;
use crate::log::{Bounds, Log, LogError, Offset, Partition, Positions, Record, Topic};

/// How long a poll waits for records that must be there.
const POLL: Duration = Duration::from_millis(500);
/// The most records of one poll.
const BATCH: usize = 1024;
/// How many polls in a row may give nothing before the log is taken for gone.
const PATIENCE: u32 = 60;
/// The header of a copy of an event that had come by another partition than its user's.
const COPY: &str = "headwater.forwarded_from";

/// How a log is read.
#[derive(Clone, Copy, Debug)]
pub struct FromLog {
    /// The encoding of events that do not say theirs.
    pub events: Encoding,
    /// That of items.
    pub items: Encoding,
    /// Events that were written before this instant, in ms since the epoch, are not read.
    pub since: Option<i64>,
}

/// Partitions and what they hold.
type Held = [(Partition, Bounds)];

impl FromLog {
    /// Reads the items that a log has at its end, and its events. `begin` is told how many records there may be, and
    /// gives what is called with how many more were read.
    ///
    /// # Errors
    /// The log can't be read.
    pub fn read<W: Fn(u64)>(
        &self,
        log: &dyn Log,
        builder: &mut Builder,
        left_out: &mut LeftOut,
        begin: impl FnOnce(u64) -> W,
    ) -> Result<(), LogError> {
        let items = held(log, Topic::Items, None)?;
        let events = held(log, Topic::Clicks, self.since)?;
        let all = items.iter().chain(&events).map(|(_, held)| held.high.0.saturating_sub(held.low.0));
        let watch = begin(all.sum());
        let name = log.name(Topic::Items);
        for held in &items {
            each(log, Topic::Items, *held, &watch, |record| match decode_item_record(record, self.items) {
                Ok(ItemChange::Put(item)) => builder.item(item),
                Ok(ItemChange::Delete(item_id)) => builder.without_item(&item_id),
                Err(error) => left_out.add(|| told(name, record, &error)),
            })?;
        }
        let name = log.name(Topic::Clicks);
        let is_too_old = |record: &Record<'_>| match (self.since, record.timestamp) {
            (Some(since), Some(written)) => written < since,
            _ => false,
        };
        for held in &events {
            each(log, Topic::Clicks, *held, &watch, |record| {
                if !is_too_old(record)
                    && !is_copy(record, &events)
                    && let Err(error) = self.event(record, builder)
                {
                    left_out.add(|| told(name, record, &error));
                }
            })?;
        }
        Ok(())
    }

    fn event(&self, record: &Record<'_>, builder: &mut Builder) -> Result<(), DecodeError> {
        let draft = decode_event_record(record, self.events)?;
        let mut event = draft.check(&builder.config().clone().event_types)?;
        // As a service counts it: nothing is logged before it happens.
        if let Some(written) = record.timestamp.filter(|written| *written >= 0) {
            event.ts = event.ts.min(Timestamp(written));
        }
        builder.event(&event);
        Ok(())
    }
}

fn told(topic: &str, record: &Record<'_>, error: &DecodeError) -> String {
    format!("{topic}, partition {}, offset {}: {error}", record.partition, record.offset)
}

/// Whether a record is a copy of one that is read too.
fn is_copy(record: &Record<'_>, read: &Held) -> bool {
    let from = record.headers.iter().find(|(name, _)| *name == COPY).and_then(|(_, from)| *from);
    let from = from.and_then(|from| std::str::from_utf8(from).ok()?.split_once('/'));
    let Some((partition, offset)) = from else { return false };
    let (Ok(partition), Ok(offset)) = (partition.parse(), offset.parse()) else { return false };
    let (partition, offset) = (Partition(partition), Offset(offset));
    read.iter().any(|(known, held)| *known == partition && (held.low..held.high).contains(&offset))
}

/// What the partitions of a topic hold of records that were written at an instant or later.
fn held(log: &dyn Log, topic: Topic, since: Option<i64>) -> Result<Vec<(Partition, Bounds)>, LogError> {
    let of = |partition| {
        let mut bounds = log.bounds(topic, partition)?;
        if let Some(since) = since
            && let Some(offset) = log.written_since(topic, partition, since)?
        {
            bounds.low = bounds.low.max(offset);
        }
        Ok((partition, bounds))
    };
    Partition::all(log.partitions(topic)?).map(of).collect()
}

/// Hands over the records of a partition within its bounds, in order.
fn each(
    log: &dyn Log,
    topic: Topic,
    (partition, Bounds { low, high }): (Partition, Bounds),
    watch: &impl Fn(u64),
    mut take: impl FnMut(&Record<'_>),
) -> Result<(), LogError> {
    if low >= high {
        return Ok(());
    }
    let mut reader = log.reader(topic, &Positions::from([(partition, low)]))?;
    let (mut nothing, mut at) = (0, low);
    while at < high {
        // What comes meanwhile is for the next time.
        let mut taken = |record: Record<'_>| {
            if record.offset < high {
                take(&record);
            }
        };
        match reader.poll(POLL, BATCH, &mut taken) {
            Ok(0) => nothing += 1,
            Ok(_) => nothing = 0,
            Err(LogError::Unavailable(_)) if nothing < PATIENCE => {
                nothing += 1;
                thread::sleep(POLL);
            }
            Err(error) => return Err(error),
        }
        if nothing > PATIENCE {
            let name = log.name(topic);
            return Err(LogError::Unavailable(format!("partition {partition} of `{name}` gives no records")));
        }
        let position = reader.position(partition).unwrap_or(at).clamp(at, high);
        watch(position.0 - at.0);
        at = position;
    }
    Ok(())
}
