//! Transactions that producers leave open: what was written to a partition behind the beginning of one is given
//! to no reader until it ends, and to readers the partition looks as if it ended there.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Lag;
use crate::engine::events::event::Timestamp;
use crate::log::{Offset, Partition, Topic};

/// How many of them are told one by one.
const NAMED: usize = 3;

/// A transaction that holds back what was written behind its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenTransaction {
    /// Where it begins, and readers end.
    pub begins: Offset,
    /// How many offsets are held back.
    pub records: u64,
    /// When it was seen first.
    seen: Instant,
    /// The same by the wall clock.
    since: Timestamp,
}

impl OpenTransaction {
    /// For how long it has been open, as far as was seen.
    pub fn lasted(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.seen)
    }
}

/// The transactions that are open, by where they are.
#[derive(Debug, Default)]
pub struct OpenTransactions(BTreeMap<(Topic, Partition), OpenTransaction>);

impl OpenTransactions {
    /// Takes in what the log has told now. A partition to which somebody writes may well have more than it could be
    /// read up to a moment before: a transaction is open where its end for readers stands still as well.
    pub fn observe(&mut self, lags: &[Lag], now: Instant, at: Timestamp) {
        let before = std::mem::take(&mut self.0);
        for lag in lags.iter().filter(|lag| lag.written > lag.end) {
            let place = (lag.topic, lag.partition);
            let same = before.get(&place).filter(|open| open.begins == lag.end);
            let (seen, since) = same.map_or((now, at), |open| (open.seen, open.since));
            let records = lag.end.until(lag.written);
            self.0.insert(place, OpenTransaction { begins: lag.end, records, seen, since });
        }
    }

    /// For how long a transaction of a partition has been open; no time at all if none is.
    pub fn lasted(&self, topic: Topic, partition: Partition, now: Instant) -> Duration {
        self.0.get(&(topic, partition)).map_or(Duration::ZERO, |open| open.lasted(now))
    }

    /// Those that have been open for longer than they may be, in words.
    pub fn reason<'a>(&self, now: Instant, max: Duration, name: impl Fn(Topic) -> &'a str) -> Option<String> {
        let mut long: Vec<_> = self.0.iter().filter(|(_, open)| open.lasted(now) > max).collect();
        long.sort_by_key(|(_, open)| open.seen);
        let told = long.iter().take(NAMED).map(|((topic, partition), open)| {
            let (records, begins, since) = (open.records, open.begins, open.since);
            format!(
                "partition {partition} of `{}` from offset {begins} on ({records} records), since {since}",
                name(*topic)
            )
        });
        let told: Vec<String> = told.collect();
        let more = long.len().checked_sub(NAMED).filter(|more| *more > 0);
        let more = more.map_or(String::new(), |more| format!(" and {more} more"));
        (!told.is_empty()).then(|| {
            format!(
                "a producer has left a transaction open, which holds back {}{more}: see \"An open transaction\" in \
                 docs/operations.md",
                told.join(", ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const PLACE: (Topic, Partition) = (Topic::Clicks, Partition(0));

    fn lag(partition: u32, end: u64, written: u64) -> Lag {
        let (topic, partition) = (Topic::Clicks, Partition(partition));
        Lag { topic, partition, records: 0, end: Offset(end), written: Offset(written) }
    }

    /// Tells one each second and gives for how long a transaction is open then.
    fn lasted(told: &[(u64, u64)]) -> Vec<u64> {
        let (mut open, start) = (OpenTransactions::default(), Instant::now());
        let mut seconds = Vec::new();
        for (second, (end, written)) in (0_u32..).zip(told) {
            let now = start + SECOND * second;
            open.observe(&[lag(0, *end, *written)], now, Timestamp(0));
            seconds.push(open.lasted(PLACE.0, PLACE.1, now).as_secs());
        }
        seconds
    }

    #[test]
    fn one_is_open_for_as_long_as_readers_end_at_its_beginning_and_more_is_written() {
        assert_eq!(lasted(&[(5, 5), (5, 7), (5, 7), (5, 90), (91, 91), (91, 91)]), [0, 0, 1, 2, 0, 0]);
    }

    #[test]
    fn a_partition_that_is_written_to_and_read_holds_back_nothing() {
        assert_eq!(lasted(&[(5, 6), (8, 9), (12, 20), (20, 20)]), [0, 0, 0, 0]);
        // One transaction after another, each short.
        assert_eq!(lasted(&[(5, 9), (10, 14), (15, 19), (20, 24)]), [0, 0, 0, 0]);
    }

    #[test]
    fn those_that_last_for_too_long_are_named_with_where_they_begin() {
        let (mut open, start) = (OpenTransactions::default(), Instant::now());
        let all: Vec<Lag> = (0..5).map(|partition| lag(partition, 3, 53)).collect();
        open.observe(&all[..1], start, Timestamp(1_700_000_000_000));
        open.observe(&all, start + 2 * SECOND, Timestamp(1_700_000_002_000));
        let reason = |after: u32, max| open.reason(start + after * SECOND, max * SECOND, |_| "clicks");
        assert_eq!(reason(2, 2), None);
        let text = reason(3, 2).expect("one is too long");
        assert_eq!(
            text,
            "a producer has left a transaction open, which holds back partition 0 of `clicks` from offset 3 on (50 \
             records), since 2023-11-14T22:13:20.000Z: see \"An open transaction\" in docs/operations.md"
        );
        let text = reason(9, 2).expect("all are too long");
        assert!(text.contains("partition 2 of `clicks`") && text.contains(" and 2 more: see"), "{text}");
    }
}
