//! Event files.

use std::path::Path;

use serde::Serialize;

use super::error::FileError;
use super::source::{Progress, Source};
use super::table::Row;
use super::{FileFormat, Rows};
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
    /// A line of JSON, not looked into: publish it as it is.
    Json(Vec<u8>),
    /// A row of CSV.
    Row(EventRow),
}

/// An event from a row of CSV. Serialises to the JSON that the `clicks` topic takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventRow {
    /// See [`crate::engine::events::event::Event::event_id`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// Who; not empty.
    pub user_id: String,
    /// What; not empty.
    pub item_id: String,
    /// The name of the event type; not empty.
    #[serde(rename = "type")]
    pub kind: String,
    /// Milliseconds since the epoch.
    pub ts: i64,
    /// Finite.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The visit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// Where in the product.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub surface: Option<String>,
    /// The answer that led to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recommendation_id: Option<String>,
    /// The item's categories according to the file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
}

impl EventRow {
    /// The event as if it had been decoded; [`EventDraft::check`] says whether it is valid.
    pub fn draft(&self) -> EventDraft<'_> {
        EventDraft {
            event_id: self.event_id.as_deref().map(Into::into),
            user_id: Some(self.user_id.as_str().into()),
            item_id: Some(self.item_id.as_str().into()),
            kind: Some(self.kind.as_str().into()),
            ts: Some(self.ts),
            value: self.value,
            session_id: self.session_id.as_deref().map(Into::into),
            surface: self.surface.as_deref().map(Into::into),
            recommendation_id: self.recommendation_id.as_deref().map(Into::into),
            categories: self.categories.iter().map(|category| category.as_str().into()).collect(),
        }
    }

    fn new(row: &Row<'_>) -> Result<Self, FileError> {
        Ok(Self {
            event_id: row.owned("event_id")?,
            user_id: row.required("user_id")?,
            item_id: row.required("item_id")?,
            kind: row.required("type")?,
            ts: row.required_time("ts")?.0,
            value: row.number("value")?,
            session_id: row.owned("session_id")?,
            surface: row.owned("surface")?,
            recommendation_id: row.owned("recommendation_id")?,
            categories: row.list("categories")?.into_iter().map(str::to_owned).collect(),
        })
    }
}

impl EventFile {
    /// Opens a file; `-` is standard input. Without a format the file's name tells it.
    ///
    /// # Errors
    /// It cannot be opened, its name does not tell the format, or its header row lacks a column.
    pub fn open(path: &Path, format: Option<FileFormat>) -> Result<Self, FileError> {
        let format = FileFormat::of(path, format)?;
        Self::new(Source::open(path)?, format)
    }

    /// How far the file has been read.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    pub(super) fn new(source: Source, format: FileFormat) -> Result<Self, FileError> {
        let progress = source.progress.clone();
        let rows = Rows::new(source, format, &COLUMNS, &REQUIRED)?;
        Ok(Self { rows, progress })
    }
}

impl Iterator for EventFile {
    type Item = Result<OwnedEvent, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(match &mut self.rows {
            Rows::Lines(lines) => {
                lines.next()?.map(|(line, bytes)| OwnedEvent { line, content: EventContent::Json(bytes) })
            }
            Rows::Table(table) => table.next()?.and_then(|row| {
                Ok(OwnedEvent { line: row.line, content: EventContent::Row(EventRow::new(&row)?) })
            }),
        })
    }
}
