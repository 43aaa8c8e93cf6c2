//! Item files.

use std::path::Path;

use super::Rows;
use super::error::FileError;
use super::reading::{FileFormat, Reading};
use super::source::{Progress, Source};
use super::table::Row;
use crate::engine::events::item::Item;

const COLUMNS: [&str; 7] =
    ["item_id", "categories", "created_at", "expires_at", "available", "attributes", "title"];
const REQUIRED: [&str; 1] = ["item_id"];
/// What tells that rows are events.
const OF_EVENTS: [&str; 2] = ["user_id", "type"];

/// The items of a file, one at a time. After an error on one row the next can still be read.
pub struct ItemFile {
    rows: Rows,
    progress: Progress,
}

/// An item of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnedItem {
    /// The line on which it is, from 1.
    pub line: u64,
    /// What is there.
    pub content: ItemContent,
}

/// An item as the file has it.
#[derive(Clone, Debug, PartialEq)]
pub enum ItemContent {
    /// An object of JSON, not looked into.
    Json(Vec<u8>),
    /// A row of CSV; [`Item::check`] says whether it is valid.
    Item(Item),
}

impl ItemFile {
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
        let file = source.name.clone();
        let rows = Rows::new(source, format, reading, &COLUMNS, &REQUIRED)?;
        if let Rows::Table(table) = &rows
            && let Some(field) = OF_EVENTS.into_iter().find(|field| table.has(field))
        {
            return Err(FileError::EventsAsItems { file, line: 1, field });
        }
        Ok(Self { rows, progress })
    }
}

impl Iterator for ItemFile {
    type Item = Result<OwnedItem, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(match &mut self.rows {
            Rows::Json(rows, renames) => {
                rows.next(renames)?.map(|(line, bytes)| OwnedItem { line, content: ItemContent::Json(bytes) })
            }
            Rows::Table(table) => table
                .next()?
                .and_then(|row| Ok(OwnedItem { line: row.line, content: ItemContent::Item(item(&row)?) })),
        })
    }
}

fn item(row: &Row<'_>) -> Result<Item, FileError> {
    let mut item = Item::new(row.required("item_id")?, row.list("categories")?);
    item.created_at = row.time("created_at")?;
    item.expires_at = row.time("expires_at")?;
    item.available = row.flag("available")?.unwrap_or(true);
    item.attributes = row.map("attributes")?;
    item.title = row.owned("title")?;
    Ok(item)
}
