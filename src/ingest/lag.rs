//! How far each partition is behind its log.

use super::apply::Progress;
use crate::health::Lag;
use crate::log::{Log, LogError, Offset, Partition, Topic};
use crate::state::{NotHeld, State};

/// Asks the log, which may wait for as long as a broker does not answer.
///
/// # Errors
/// The log can't tell.
pub fn lags(log: &dyn Log, state: &State, progress: &Progress) -> Result<Vec<Lag>, LogError> {
    let mut lags = Vec::new();
    for topic in [Topic::Items, Topic::Clicks] {
        let first = lags.len();
        for partition in Partition::all(log.partitions(topic)?) {
            let reached = match (topic, state.held(partition)) {
                (Topic::Items, _) => progress.position(partition),
                (_, Ok(())) => state.position(partition),
                // One that the topic has got since the start: nobody reads it.
                (_, Err(_)) if partition.0 >= state.partitions() => Offset::ZERO,
                // None of our business.
                (_, Err(NotHeld { restoring: false, .. })) => continue,
                (_, Err(NotHeld { restoring: true, .. })) => Offset::ZERO,
            };
            let bounds = log.bounds(topic, partition)?;
            let records = if bounds.is_empty() { 0 } else { reached.until(bounds.high) };
            lags.push(Lag { topic, partition, records, end: bounds.high, written: bounds.high });
        }
        let mine = &mut lags[first..];
        let partitions: Vec<Partition> = mine.iter().map(|lag| lag.partition).collect();
        // Asked after what may be read, so that it is no less.
        let written = log.written(topic, &partitions)?;
        for lag in mine {
            lag.written = written.get(lag.partition).unwrap_or(lag.end);
        }
    }
    Ok(lags)
}

/// Partitions that the topic of events has got since the start, in words.
pub fn unread(lags: &[Lag], log: &dyn Log, state: &State) -> Option<String> {
    let known = state.partitions();
    let clicks = lags.iter().filter(|lag| lag.topic == Topic::Clicks);
    let has = clicks.map(|lag| lag.partition.0 + 1).max().filter(|has| *has > known)?;
    Some(format!(
        "`{}` had {known} partitions at the start and has {has} now: the new ones are not read, and users would live \
         in other ones; see \"the number of partitions\" in docs/operations.md",
        log.name(Topic::Clicks)
    ))
}
