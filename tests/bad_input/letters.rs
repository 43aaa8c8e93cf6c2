//! Dead letters, read back from their topic.

use std::time::{Duration, Instant};

use headwater::log::{Log, Positions, Topic};

use super::sandbox::service::DEADLINE;

#[derive(Debug)]
pub struct Letter {
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
    headers: Vec<(String, Vec<u8>)>,
}

impl Letter {
    /// The one header of that name, as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(key, _)| key == name);
        let (_, value) = found.next()?;
        assert!(found.next().is_none(), "{name} comes twice: {self:?}");
        std::str::from_utf8(value).ok()
    }
}

/// Reads the topic from its start until there are so many.
pub fn read(log: &dyn Log, count: usize) -> Vec<Letter> {
    let partitions = log.partitions(Topic::DeadLetters).expect("the topic is there");
    let from = Positions::beginning(partitions);
    let mut reader = log.reader(Topic::DeadLetters, &from).expect("a reader");
    let mut letters = Vec::new();
    let deadline = Instant::now() + DEADLINE;
    while letters.len() < count && Instant::now() < deadline {
        let mut take = |record: headwater::log::Record<'_>| {
            letters.push(Letter {
                key: record.key.unwrap_or_default().to_vec(),
                value: record.value.map(<[u8]>::to_vec),
                headers: record
                    .headers
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), value.unwrap_or_default().to_vec()))
                    .collect(),
            });
        };
        reader.poll(Duration::from_millis(100), 1000, &mut take).expect("it can be read");
    }
    letters
}
