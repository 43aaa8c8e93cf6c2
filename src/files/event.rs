//! Event files.

use std::borrow::Cow;
use std::path::Path;

use super::Rows;
use super::error::FileError;
use super::reading::{FileFormat, Reading};
use super::source::{Progress, Source};
use super::table::Row;
use crate::engine::events::event::EventDraft;

const COLUMNS: [&str; 10] = [
    "event_id",
    "user_id",
    "item_id",
    "type",
    "ts",
    "value",
    "session_id",
    "surface",
    "recommendation_id",
    "categories",
];
const REQUIRED: [&str; 4] = ["user_id", "item_id", "type", "ts"];

/// The events of a file, one at a time. After an error on one row the next can still be read.
pub struct EventFile {
    rows: Rows,
    progress: Progress,
}

/// An event of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnedEvent {
    /// The line on which it is, from 1.
    pub line: u64,
    /// What is there.
    pub content: EventContent,
}

/// An event as the file has it.
#[derive(Clone, Debug, PartialEq)]
pub enum EventContent {
    /// An object of JSON, not looked into: publish it as it is.
    Json(Vec<u8>),
    /// A row of CSV; [`EventDraft::check`] says whether it is valid.
    Event(EventDraft<'static>),
}

impl EventFile {
    /// Opens a file; `-` is standard input.
    ///
    /// # Errors
    /// It cannot be opened, its name does not tell the format, or its header row lacks a column.
    pub fn open(path: &Path, reading: impl Into<Reading>) -> Result<Self, FileError> {
        let reading = reading.into();
        let format = FileFormat::of(path, reading.format)?;
        Self::read(Source::open(path)?, format, &reading)
    }

    /// What is odd about the file, though it can be read: for people.
    pub fn warnings(&self) -> &[String] {
        self.rows.warnings()
    }

    /// How far the file has been read.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    pub(super) fn read(source: Source, format: FileFormat, reading: &Reading) -> Result<Self, FileError> {
        let progress = source.progress.clone();
        let rows = Rows::new(source, format, reading, &COLUMNS, &REQUIRED)?;
        Ok(Self { rows, progress })
    }
}

impl Iterator for EventFile {
    type Item = Result<OwnedEvent, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(match &mut self.rows {
            Rows::Json(rows, renames) => rows
                .next(renames)?
                .map(|(line, bytes)| OwnedEvent { line, content: EventContent::Json(bytes) }),
            Rows::Table(table) => table.next()?.and_then(|row| {
                Ok(OwnedEvent { line: row.line, content: EventContent::Event(draft(&row)?) })
            }),
        })
    }
}

fn draft(row: &Row<'_>) -> Result<EventDraft<'static>, FileError> {
    let optional = |column| Ok(row.owned(column)?.map(Cow::Owned));
    let required = |column| row.required(column).map(|text| Some(Cow::Owned(text)));
    Ok(EventDraft {
        event_id: optional("event_id")?,
        user_id: required("user_id")?,
        item_id: required("item_id")?,
        kind: required("type")?,
        ts: Some(row.required_time("ts")?.0),
        value: row.number("value")?,
        session_id: optional("session_id")?,
        surface: optional("surface")?,
        recommendation_id: optional("recommendation_id")?,
        categories: row.list("categories")?.into_iter().map(|category| category.to_owned().into()).collect(),
    })
}
