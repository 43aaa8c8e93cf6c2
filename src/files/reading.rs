//! How a file is to be read.

use std::path::Path;

use super::error::FileError;
use super::rename::Renames;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum FileFormat {
    /// One JSON object a line, or an array of them.
    Jsonl,
    /// Comma-separated values under a header row.
    Csv,
}

/// How a file is to be read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Without one the file's name tells it.
    pub format: Option<FileFormat>,
    /// What is between two cells of CSV.
    pub separator: u8,
    /// Fields that the file calls otherwise.
    pub renames: Renames,
}

impl Default for Reading {
    fn default() -> Self {
        Self { format: None, separator: b',', renames: Renames::default() }
    }
}

impl From<Option<FileFormat>> for Reading {
    fn from(format: Option<FileFormat>) -> Self {
        Self { format, ..Self::default() }
    }
}

impl FileFormat {
    /// The format that was given, or the one that the name tells.
    pub(super) fn of(path: &Path, given: Option<Self>) -> Result<Self, FileError> {
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
