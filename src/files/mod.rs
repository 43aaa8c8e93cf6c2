//! Files: those of events and items, for `publish` and `evaluate`, and `small.rs` for what the service reads by itself.
//!
//! JSON Lines or CSV, plain, gzip or zstd, from a path or standard input, one row at a time. A line
//! of JSON is handed out as it is; a row of CSV is taken apart here. In CSV the columns are the
//! fields of an event or an item, in any order: lists as `a|b`, `attributes` as
//! `key=value|key=value`, an empty cell means absent, unknown columns are ignored.

mod error;
mod event;
mod item;
mod lines;
pub mod small;
mod source;
mod table;

use std::path::Path;

pub use error::FileError;
pub use event::{EventContent, EventFile, OwnedEvent};
pub use item::{ItemContent, ItemFile, OwnedItem};
pub use lines::MAX_LINE_BYTES;
pub use source::Progress;

use lines::Lines;
use source::Source;
use table::Table;

/// How the rows of a file are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum FileFormat {
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated values under a header row.
    Csv,
}

impl FileFormat {
    /// The format that was given, or the one that the name tells.
    fn of(path: &Path, given: Option<Self>) -> Result<Self, FileError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let inner = [".gz", ".zst", ".zstd"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
        let named = || match inner.rsplit_once('.')?.1 {
            "jsonl" | "ndjson" | "json" => Some(Self::Jsonl),
            "csv" => Some(Self::Csv),
            _ => None,
        };
        let file = || if name == "-" { "standard input".to_owned() } else { path.display().to_string() };
        given.or_else(named).ok_or_else(|| FileError::UnknownFormat { file: file() })
    }
}

/// The rows of a file in either format.
enum Rows {
    Lines(Lines),
    Table(Table),
}

impl Rows {
    fn new(
        source: Source,
        format: FileFormat,
        known: &[&'static str],
        required: &[&'static str],
    ) -> Result<Self, FileError> {
        Ok(match format {
            FileFormat::Jsonl => Self::Lines(Lines::new(source)),
            FileFormat::Csv => Self::Table(Table::new(source, known, required)?),
        })
    }
}

#[cfg(test)]
mod tests;
