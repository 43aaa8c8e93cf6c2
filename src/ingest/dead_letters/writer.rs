//! Dead letters: records that could not be applied, kept as they came, with the reason.

use crate::log::{NewRecord, Record};

/// The longest message that is kept, in bytes.
const MAX_MESSAGE_BYTES: usize = 1024;
/// What all of our headers begin with.
pub(super) const PREFIX: &str = "dlq.";
pub(super) const ATTEMPT: &str = "dlq.attempt";

/// The dead letter of a record: its key, value and headers, and why and where it failed. Headers of
/// an earlier failure are replaced, except that `dlq.attempt` counts on.
pub fn dead_letter(record: &Record<'_>, topic: &str, class: &str, message: &str) -> NewRecord {
    let attempt = record
        .headers
        .iter()
        .rfind(|(name, _)| *name == ATTEMPT)
        .and_then(|(_, value)| std::str::from_utf8((*value)?).ok()?.parse::<u32>().ok())
        .map_or(1, |earlier| earlier.saturating_add(1));
    let mut headers: Vec<(String, Option<Vec<u8>>)> = record
        .headers
        .iter()
        .filter(|(name, _)| !name.starts_with(PREFIX))
        .map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec)))
        .collect();
    let mut add = |name: &str, value: String| headers.push((name.to_owned(), Some(value.into_bytes())));
    add("dlq.error.class", class.to_owned());
    add("dlq.error.message", clip(message).to_owned());
    add("dlq.topic", topic.to_owned());
    add("dlq.partition", record.partition.to_string());
    add("dlq.offset", record.offset.to_string());
    if let Some(timestamp) = record.timestamp {
        add("dlq.timestamp", timestamp.to_string());
    }
    add(ATTEMPT, attempt.to_string());
    NewRecord {
        key: record.key.unwrap_or_default().to_vec(),
        value: record.value.map(<[u8]>::to_vec),
        headers,
    }
}

/// As much of the message as is kept, cut between characters.
fn clip(message: &str) -> &str {
    &message[..message.floor_char_boundary(MAX_MESSAGE_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Offset, Partition};

    fn record() -> Record<'static> {
        Record {
            partition: Partition(3),
            offset: Offset(42),
            timestamp: Some(1_700_000_000_000),
            key: Some(b"u1"),
            value: Some(b"{\xff"),
            headers: vec![("trace", Some(b"\x00\xff")), ("empty", None)],
        }
    }

    fn header<'a>(letter: &'a NewRecord, name: &str) -> Vec<&'a str> {
        let all = letter.headers.iter().filter(|(found, _)| found == name);
        all.map(|(_, value)| std::str::from_utf8(value.as_deref().unwrap_or_default()).expect("text"))
            .collect()
    }

    #[test]
    fn key_bytes_and_headers_stay_and_the_reason_is_added() {
        let letter = dead_letter(&record(), "clicks", "decode", "not valid JSON");
        assert_eq!(letter.key, b"u1");
        assert_eq!(letter.value.as_deref(), Some(b"{\xff".as_slice()));
        assert_eq!(letter.headers[0], ("trace".to_owned(), Some(b"\x00\xff".to_vec())));
        assert_eq!(letter.headers[1], ("empty".to_owned(), None));
        let ours = [
            ("dlq.error.class", "decode"),
            ("dlq.error.message", "not valid JSON"),
            ("dlq.topic", "clicks"),
            ("dlq.partition", "3"),
            ("dlq.offset", "42"),
            ("dlq.timestamp", "1700000000000"),
            ("dlq.attempt", "1"),
        ];
        for (name, value) in ours {
            assert_eq!(header(&letter, name), [value], "{name}");
        }
        assert_eq!(letter.headers.len(), 2 + ours.len());
    }

    #[test]
    fn a_second_failure_counts_on_and_replaces_the_first() {
        let mut record = record();
        record.headers.extend([
            ("dlq.attempt", Some(b"2".as_slice())),
            ("dlq.error.class", Some(b"old".as_slice())),
            ("dlq.failed.at", Some(b"then".as_slice())),
        ]);
        let letter = dead_letter(&record, "clicks", "schema", "m");
        assert_eq!(header(&letter, "dlq.attempt"), ["3"]);
        assert_eq!(header(&letter, "dlq.error.class"), ["schema"]);
        assert_eq!(header(&letter, "dlq.failed.at"), [""; 0]);
        record.headers.push(("dlq.attempt", Some(b"many")));
        assert_eq!(header(&dead_letter(&record, "clicks", "schema", "m"), "dlq.attempt"), ["1"]);
    }

    #[test]
    fn a_null_value_stays_null() {
        let record = Record { value: None, key: None, timestamp: None, ..record() };
        let letter = dead_letter(&record, "items", "validation", "m");
        assert_eq!((letter.value.as_ref(), letter.key.as_slice()), (None, b"".as_slice()));
        assert_eq!(header(&letter, "dlq.timestamp"), [""; 0]);
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let letter = dead_letter(&record(), "clicks", "decode", &"é".repeat(1000));
        assert_eq!(header(&letter, "dlq.error.message"), ["é".repeat(512)]);
        let letter = dead_letter(&record(), "clicks", "decode", &format!("a{}", "é".repeat(1000)));
        assert_eq!(header(&letter, "dlq.error.message"), [format!("a{}", "é".repeat(511))]);
    }
}
