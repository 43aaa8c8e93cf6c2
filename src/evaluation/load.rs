//! Files of events and items, read into a stream.

use std::path::Path;

use super::sessions_file::{each_line, is_of_sessions};
use super::stream::Builder;
use crate::codec::{DecodeError, Encoding, decode_event, decode_item};
use crate::engine::config::StreamConfig;
use crate::engine::events::event::{Event, Timestamp};
use crate::files::{EventContent, EventFile, FileError, ItemContent, ItemFile, Progress, Reading};

/// How many rows that can't be used are kept in words.
const TOLD: usize = 5;

/// Begins to watch how far a file is read; what it gives is called at each row.
pub type Watch<'a> = &'a dyn Fn(Progress, &Path) -> Box<dyn Fn()>;

/// How files are read.
pub struct Loader<'a> {
    /// Their form.
    pub reading: Reading,
    /// From what the times of events count to ms.
    pub millis: &'a dyn Fn(i64) -> i64,
    /// See [`Watch`].
    pub watch: Watch<'a>,
    /// The rows that can't be used.
    pub left_out: LeftOut,
    /// What is odd about files that could be read.
    pub warnings: Vec<String>,
}

impl<'a> Loader<'a> {
    /// One that has not read anything.
    pub fn new(reading: Reading, millis: &'a dyn Fn(i64) -> i64, watch: Watch<'a>) -> Self {
        Self { reading, millis, watch, left_out: LeftOut::default(), warnings: Vec::new() }
    }

    /// Reads a file of events. Rows that are none are left out and counted. A file of sessions as the literature exchanges
    /// them is one of events of the type of context items, whose users are the sessions.
    ///
    /// # Errors
    /// It can't be opened, or not be read on.
    pub fn events(&mut self, path: &Path, builder: &mut Builder) -> Result<(), FileError> {
        // What is no file can't be opened twice.
        if self.reading.format.is_none() && path.is_file() && is_of_sessions(path) {
            let config = builder.config().clone();
            return each_line(path, |session, item, ts| {
                builder.event(&of_session(&config, session, item, ts))
            });
        }
        let file = EventFile::open(path, self.reading.clone())?;
        self.warnings.extend_from_slice(file.warnings());
        let update = (self.watch)(file.progress(), path);
        let config = builder.config().clone();
        for row in file {
            update();
            let row = match row {
                Err(error) if error.is_final() => return Err(error),
                Err(error) => {
                    self.left_out.add(|| error.to_string());
                    continue;
                }
                Ok(row) => row,
            };
            let draft = match &row.content {
                EventContent::Event(draft) => Ok(draft.clone()),
                EventContent::Json(line) => decode_event(line, Encoding::Json),
            };
            let added = draft.and_then(|mut draft| {
                draft.ts = draft.ts.map(self.millis);
                builder.event(&draft.check(&config.event_types)?);
                Ok(())
            });
            if let Err(error) = added {
                self.left_out.add(|| format!("{}:{}: {error}", path.display(), row.line));
            }
        }
        Ok(())
    }

    /// Reads a file of items. Rows that are none are left out and counted.
    ///
    /// # Errors
    /// It can't be opened, or not be read on, or it is one of events.
    pub fn items(&mut self, path: &Path, builder: &mut Builder) -> Result<(), FileError> {
        let file = ItemFile::open(path, self.reading.clone())?;
        self.warnings.extend_from_slice(file.warnings());
        let update = (self.watch)(file.progress(), path);
        for row in file {
            update();
            let row = match row {
                Err(error) if error.is_final() => return Err(error),
                Err(error) => {
                    self.left_out.add(|| error.to_string());
                    continue;
                }
                Ok(row) => row,
            };
            let item = match row.content {
                ItemContent::Item(item) => item.check().map_err(DecodeError::from),
                ItemContent::Json(json) => decode_item(&json, Encoding::Json),
            };
            match item {
                Ok(item) => builder.item(item),
                Err(DecodeError::EventAmongItems(field)) => {
                    let file = path.display().to_string();
                    return Err(FileError::EventsAsItems { file, line: row.line, field });
                }
                Err(error) => self.left_out.add(|| format!("{}:{}: {error}", path.display(), row.line)),
            }
        }
        Ok(())
    }
}

fn of_session<'a>(config: &StreamConfig, session: &'a str, item: &'a str, ts: i64) -> Event<'a> {
    Event {
        event_id: None,
        user_id: session,
        item_id: item,
        kind: config.context_event_type,
        ts: Timestamp(ts),
        value: None,
        session_id: Some(session),
        surface: None,
        recommendation_id: None,
        categories: &[],
    }
}

/// What was left out as it can't be used.
#[derive(Clone, Debug, Default)]
pub struct LeftOut {
    /// How many rows or records.
    pub count: u64,
    /// The first of them, in words.
    pub first: Vec<String>,
}

impl LeftOut {
    /// One more, and why.
    pub fn add(&mut self, why: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < TOLD {
            self.first.push(why());
        }
    }
}
