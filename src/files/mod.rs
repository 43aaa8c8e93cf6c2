//! Files: those of events and items, for `publish` and `evaluate`, and `small.rs` for what the service reads by itself.
//!
//! JSON Lines, a JSON array or CSV, plain, gzip or zstd, from a path or standard input, one row at a time. A
//! row of JSON is handed out as it is; a row of CSV is taken apart here. In CSV the columns are the
//! fields of an event or an item, in any order: lists as `a|b`, `attributes` as
//! `key=value|key=value`, an empty cell means absent, unknown columns are ignored.

mod array;
mod error;
mod event;
mod fields;
mod item;
mod lines;
mod reading;
mod rename;
pub mod small;
mod source;
mod table;
mod text;

pub use error::FileError;
pub use event::{EventContent, EventFile, OwnedEvent};
pub use item::{ItemContent, ItemFile, OwnedItem};
pub use lines::MAX_LINE_BYTES;
pub use reading::{FileFormat, Reading};
pub use rename::Renames;
pub use source::Progress;
pub use text::TextFile;

use array::{Elements, begins};
use lines::Lines;
use source::Source;
use table::Table;

/// The rows of a file in any format.
enum Rows {
    Json(JsonRows, Renames),
    Table(Table),
}

/// The objects of a file of JSON.
enum JsonRows {
    Lines(Lines),
    Array(Elements),
}

impl Rows {
    /// Those of a file whose rows have the fields `known`, `required` ones among them.
    fn new(
        mut source: Source,
        format: FileFormat,
        reading: &Reading,
        known: &'static [&'static str],
        required: &[&'static str],
    ) -> Result<Self, FileError> {
        if format == FileFormat::Csv {
            return Ok(Self::Table(Table::new(source, reading, known, required)?));
        }
        let rows = match begins(&mut source) {
            Ok((passed, true)) => JsonRows::Array(Elements::new(source, passed)),
            Ok((passed, false)) => JsonRows::Lines(Lines::after(source, passed)),
            Err(error) => return Err(FileError::Read { file: source.name, line: 0, source: error }),
        };
        Ok(Self::Json(rows, reading.renames.clone()))
    }

    /// What is odd about the file, though it can be read.
    fn warnings(&self) -> &[String] {
        match self {
            Self::Json(..) => &[],
            Self::Table(table) => table.warnings(),
        }
    }
}

impl JsonRows {
    fn next(&mut self, renames: &Renames) -> Option<Result<(u64, Vec<u8>), FileError>> {
        let row = match self {
            Self::Lines(lines) => lines.next(),
            Self::Array(elements) => elements.next(),
        };
        Some(row?.map(|(line, bytes)| (line, renames.json(bytes))))
    }
}

#[cfg(test)]
mod tests;
