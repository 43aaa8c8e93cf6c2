//! Dead letters, read back from their topic and turned into the records that they were.

use std::time::Duration;

use crate::ingest::dead_letters::writer::{ATTEMPT, PREFIX};
use crate::log::{Bounds, Log, LogError, NewRecord, Offset, Partition, Positions, Record, Topic};

/// How long a poll waits for records that must be there.
const POLL: Duration = Duration::from_millis(500);
/// The most records of one poll.
const BATCH: usize = 1024;
/// How many polls in a row may give nothing before we take the log for gone.
const PATIENCE: u32 = 60;

/// A dead letter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadLetter {
    /// When it was written, by the log's timestamp, in ms since the epoch.
    pub written_at: Option<i64>,
    /// The name of the topic that the record came from.
    pub topic: String,
    /// Where it stood there.
    pub partition: Option<Partition>,
    /// Where it stood there.
    pub offset: Option<Offset>,
    /// The kind of error.
    pub class: String,
    /// What was wrong.
    pub message: String,
    /// How often it has failed.
    pub attempt: u32,
    /// The record as it came, but for its key, which is empty where it had none. The header that
    /// counts attempts stays, so that a further failure counts on.
    pub record: NewRecord,
}

impl DeadLetter {
    /// Reads a record of the dead letter topic. What somebody else has put there has no topic.
    pub fn of(record: &Record<'_>) -> Self {
        let header = |name: &str| {
            let found = record.headers.iter().rfind(|(key, _)| *key == name);
            found.and_then(|(_, value)| *value).map(|value| String::from_utf8_lossy(value).into_owned())
        };
        let number = |name: &str| header(name).and_then(|text| text.parse::<u64>().ok());
        let kept = record.headers.iter().filter(|(name, _)| !name.starts_with(PREFIX) || *name == ATTEMPT);
        Self {
            written_at: record.timestamp,
            topic: header("dlq.topic").unwrap_or_default(),
            partition: number("dlq.partition").and_then(|number| number.try_into().ok()).map(Partition),
            offset: number("dlq.offset").map(Offset),
            class: header("dlq.error.class").unwrap_or_default(),
            message: header("dlq.error.message").unwrap_or_default(),
            attempt: number(ATTEMPT).and_then(|number| number.try_into().ok()).unwrap_or(0),
            record: NewRecord {
                key: record.key.unwrap_or_default().to_vec(),
                value: record.value.map(<[u8]>::to_vec),
                headers: kept.map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec))).collect(),
            },
        }
    }
}

/// Hands over the dead letters that the log holds now, partition by partition, each in order, until
/// `visit` returns false. Blocks.
///
/// # Errors
/// The log can't be read, or `visit` fails.
pub fn read_dead_letters(
    log: &dyn Log,
    mut visit: impl FnMut(DeadLetter) -> Result<bool, LogError>,
) -> Result<(), LogError> {
    for partition in Partition::all(log.partitions(Topic::DeadLetters)?) {
        let bounds = log.bounds(Topic::DeadLetters, partition)?;
        if bounds.is_empty() {
            continue;
        }
        let Bounds { low, high } = bounds;
        let mut reader = log.reader(Topic::DeadLetters, &Positions::from([(partition, low)]))?;
        let mut nothing = 0;
        while reader.position(partition).unwrap_or(low) < high {
            let mut letters = Vec::new();
            // What comes while we read is for the next time: a replay may write new ones itself.
            let mut take = |record: Record<'_>| {
                letters.extend((record.offset < high).then(|| DeadLetter::of(&record)));
            };
            match reader.poll(POLL, BATCH, &mut take) {
                Ok(0) => nothing += 1,
                Ok(_) => nothing = 0,
                Err(LogError::Unavailable(error)) if nothing >= PATIENCE => {
                    return Err(LogError::Unavailable(error));
                }
                Err(LogError::Unavailable(_)) => {
                    nothing += 1;
                    std::thread::sleep(POLL);
                }
                Err(error) => return Err(error),
            }
            if nothing > PATIENCE {
                let name = log.name(Topic::DeadLetters);
                return Err(LogError::Unavailable(format!(
                    "partition {partition} of `{name}` gives no records"
                )));
            }
            for letter in letters {
                if !visit(letter)? {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::dead_letters::writer::dead_letter;

    fn as_record(record: &NewRecord) -> Record<'_> {
        Record {
            partition: Partition(0),
            offset: Offset(0),
            timestamp: Some(5),
            key: Some(&record.key),
            value: record.value.as_deref(),
            headers: record.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect(),
        }
    }

    #[test]
    fn a_record_that_died_comes_back_as_it_was_and_counts_its_attempts() {
        let headers = vec![("trace".to_owned(), Some(b"\x00\xff".to_vec())), ("empty".to_owned(), None)];
        let original = NewRecord { key: b"u1".to_vec(), value: Some(b"{\xff".to_vec()), headers };
        let record = Record { partition: Partition(3), offset: Offset(42), ..as_record(&original) };
        let dead = dead_letter(&record, "clicks", "decode", "not valid JSON");
        let mut letter = DeadLetter::of(&as_record(&dead));
        assert_eq!(
            (letter.topic.as_str(), letter.partition, letter.offset),
            ("clicks", Some(Partition(3)), Some(Offset(42)))
        );
        assert_eq!((letter.class.as_str(), letter.message.as_str()), ("decode", "not valid JSON"));
        assert_eq!((letter.attempt, letter.written_at), (1, Some(5)));
        let again = dead_letter(&as_record(&letter.record), "clicks", "decode", "m");
        assert_eq!(DeadLetter::of(&as_record(&again)).attempt, 2);
        assert_eq!(letter.record.headers.pop(), Some((ATTEMPT.to_owned(), Some(b"1".to_vec()))));
        assert_eq!(letter.record, original);
    }

    #[test]
    fn what_somebody_else_has_put_there_has_no_topic() {
        let letter = DeadLetter::of(&as_record(&NewRecord { key: b"k".to_vec(), ..NewRecord::default() }));
        assert_eq!((letter.topic.as_str(), letter.partition, letter.attempt), ("", None, 0));
    }
}
