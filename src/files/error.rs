//! What can be wrong with a file, said so that it can be put right.

use std::io;

/// Why a file or a row of it cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file cannot be opened.
    #[error("cannot open {file}: {source}")]
    Open {
        /// The file.
        file: String,
        /// What the system says.
        source: io::Error,
    },
    /// The name does not tell the format.
    #[error(
        "cannot tell the format of {file} from its name: expected .jsonl, .ndjson, .json or .csv \
         (before .gz or .zst), or --format jsonl or --format csv"
    )]
    UnknownFormat {
        /// The file.
        file: String,
    },
    /// Reading failed in the middle, as in a truncated archive. Nothing more will come.
    #[error("{file} breaks off after line {line}: {source}")]
    Read {
        /// The file.
        file: String,
        /// The last line that was read.
        line: u64,
        /// What the system or the decompressor says.
        source: io::Error,
    },
    /// A CSV file without a header row.
    #[error("{file} is empty, expected a header row with at least {expected}")]
    NoHeader {
        /// The file.
        file: String,
        /// The required columns.
        expected: String,
    },
    /// The header row lacks columns.
    #[error("{file}:1 has no column {missing}; its columns are {found}{hint}")]
    MissingColumns {
        /// The file.
        file: String,
        /// What is missing.
        missing: String,
        /// What is there.
        found: String,
        /// What may help, after a semicolon; may be empty.
        hint: String,
    },
    /// The header row names a column twice.
    #[error("{file}:1 has the column `{column}` twice, expected once")]
    RepeatedColumn {
        /// The file.
        file: String,
        /// The column.
        column: &'static str,
    },
    /// A row is longer or shorter than the header row.
    #[error("{file}:{line} has {found} cells, expected {expected} as in the header row")]
    CellCount {
        /// The file.
        file: String,
        /// The line on which the row begins.
        line: u64,
        /// How many cells the row has.
        found: usize,
        /// How many columns there are.
        expected: usize,
    },
    /// A cell holds something else than its column says.
    #[error("{file}:{line} `{column}` is `{found}`, expected {expected}")]
    Cell {
        /// The file.
        file: String,
        /// The line on which the row begins.
        line: u64,
        /// The column.
        column: &'static str,
        /// What is in the cell, shortened.
        found: String,
        /// What may be in it.
        expected: &'static str,
    },
    /// Rows that are said to be items have fields of events.
    #[error("{file}:{line} has `{field}`: these look like events, so name the file without --items")]
    EventsAsItems {
        /// The file.
        file: String,
        /// The line.
        line: u64,
        /// What only events have.
        field: &'static str,
    },
    /// A line is no text.
    #[error("{file}:{line} is not UTF-8, expected text")]
    NotText {
        /// The file.
        file: String,
        /// The line.
        line: u64,
    },
    /// A line is too long to be a record.
    #[error("{file}:{line} is longer than {max} bytes, expected one JSON object a line")]
    LineTooLong {
        /// The file.
        file: String,
        /// The line.
        line: u64,
        /// The longest that is taken.
        max: usize,
    },
}

impl FileError {
    /// Whether the file ends here. After any other error the next row can be read.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::CellCount { .. } | Self::Cell { .. } | Self::LineTooLong { .. })
    }
}
