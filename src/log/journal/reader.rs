//! Reads partitions of a topic, segment by segment, up to what is durable.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::position::Arrival;
use crate::log::journal::record;
use crate::log::journal::storage::Disk;
use crate::log::journal::store::{Segment, Store};
use crate::log::{LogError, LogReader, Offset, Partition, Positions, Record, Topic};

pub struct JournalReader<D: Disk> {
    store: Arc<Store<D>>,
    topic: Topic,
    /// Those of paused partitions too.
    positions: Positions,
    /// The partitions that are read; they take turns.
    reading: Vec<Partition>,
    /// The partition that comes first in the next poll.
    turn: usize,
}

impl<D: Disk> JournalReader<D> {
    pub fn open(store: Arc<Store<D>>, topic: Topic, from: &Positions) -> Result<Self, LogError> {
        for (partition, asked) in from.iter() {
            if !store.topic(topic).bounds(partition)?.allows(asked) {
                return Err(out_of_range(&store, topic, partition, asked)?);
            }
        }
        Ok(Self { store, topic, positions: from.clone(), reading: from.partitions().collect(), turn: 0 })
    }

    /// Hands over up to `max` records of each partition, none beyond `room`, and counts them.
    fn round(
        &mut self,
        max: usize,
        room: usize,
        count: &mut usize,
        sink: &mut dyn FnMut(Record<'_>),
    ) -> Result<(), LogError> {
        for _ in 0..self.reading.len() {
            let turn = self.turn % self.reading.len();
            self.turn = turn + 1;
            let Some(partition) = self.reading.get(turn) else { return Ok(()) };
            self.read(*partition, (*count + max).min(room), count, sink)?;
        }
        Ok(())
    }

    /// Hands over records of one partition from its position on, until there are `limit` in all.
    fn read(
        &mut self,
        partition: Partition,
        limit: usize,
        count: &mut usize,
        sink: &mut dyn FnMut(Record<'_>),
    ) -> Result<(), LogError> {
        let topic = self.store.topic(self.topic);
        let Some(position) = self.positions.get_mut(partition) else { return Ok(()) };
        // The end before the segments: records that this end covers are in segments that were listed before
        // it was published. The other way round one could have been begun in between.
        let high = topic.high(partition);
        while *position < high && *count < limit {
            // Each time anew: retention may have dropped one while records were handed over.
            let segments = topic.segments();
            let base = |segment: &Segment<D>| segment.base.get(partition);
            let after =
                segments.partition_point(|segment| base(segment).is_some_and(|base| base <= *position));
            let Some(segment) = after.checked_sub(1).and_then(|index| segments.get(index)) else {
                return Err(out_of_range(&self.store, self.topic, partition, *position)?);
            };
            let end = segments.get(after).and_then(|next| base(next)).map_or(high, |next| next.min(high));
            let lost = |at: Offset| {
                LogError::Fatal(format!(
                    "offset {at} of partition {partition} of `{}` can't be read from {}: the file is damaged",
                    topic.name,
                    self.store.dir.display()
                ))
            };
            // Only compaction takes single records: elsewhere a hole is damage, and is never passed over.
            let whole = topic.index.is_none();
            let range = record::place(partition, *position)..record::place(partition, end);
            let mut damaged = None;
            let scanned = self.store.disk.scan(&segment.records, range, |key, value| {
                let offset =
                    record::offset(key).filter(|offset| !whole || position.arrival(*offset) == Arrival::Next);
                let record = offset.and_then(|offset| record::decode(partition, offset, value));
                let Some(record) = record else {
                    damaged = Some(offset.unwrap_or(*position));
                    return ControlFlow::Break(());
                };
                position.advance(record.offset);
                *count += 1;
                sink(record);
                if *count < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            scanned.map_err(|error| {
                LogError::Fatal(format!("reading the journal in {}: {error}", self.store.dir.display()))
            })?;
            if let Some(offset) = damaged {
                return Err(lost(offset));
            }
            if *count >= limit {
                return Ok(());
            }
            if whole && *position < end {
                return Err(lost(*position));
            }
            *position = end;
        }
        Ok(())
    }
}

impl<D: Disk> LogReader for JournalReader<D> {
    fn poll(
        &mut self,
        timeout: Duration,
        max: usize,
        sink: &mut dyn FnMut(Record<'_>),
    ) -> Result<usize, LogError> {
        let topic = self.store.topic(self.topic);
        self.store.wait(timeout, || {
            self.reading
                .iter()
                .any(|partition| self.positions.get(*partition).is_some_and(|at| topic.high(*partition) > at))
        });
        // Shares for all, so that a long backlog in one partition does not hold up the others.
        let share = max.div_ceil(self.reading.len().max(1)).max(1);
        let mut count = 0;
        loop {
            let before = count;
            match self.round(share, max, &mut count, sink) {
                Ok(()) if count == 0 => {
                    return self.store.ended().map_or(Ok(0), |why| Err(LogError::Fatal(why.to_owned())));
                }
                Ok(()) if count == before || count >= max => return Ok(count),
                Ok(()) => {}
                Err(error) if count == 0 => return Err(error),
                // What was handed over counts; the error comes again with the next poll.
                Err(_) => return Ok(count),
            }
        }
    }

    fn pause(&mut self, partition: Partition) -> Result<(), LogError> {
        self.reading.retain(|ours| *ours != partition);
        Ok(())
    }

    fn position(&self, partition: Partition) -> Option<Offset> {
        self.positions.get(partition)
    }
}

fn out_of_range<D: Disk>(
    store: &Store<D>,
    topic: Topic,
    partition: Partition,
    asked: Offset,
) -> Result<LogError, LogError> {
    let topic = store.topic(topic);
    let bounds = topic.bounds(partition)?;
    Ok(LogError::OutOfRange { topic: topic.name.to_owned(), partition, asked, bounds })
}
