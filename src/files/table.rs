//! CSV: rows under a header, with cells that say where they are when they are wrong.

use std::io::{BufRead, Chain, Read};

use csv::ByteRecord;

use super::error::FileError;
use super::fields::nearest_field;
use super::reading::Reading;
use super::source::Source;
use crate::engine::text::shorten;
use crate::engine::time::Timestamp;

/// Separates the entries of a list in one cell.
const LIST_SEPARATOR: char = '|';

/// The rows of a CSV file.
pub(super) struct Table {
    name: String,
    rows: csv::Reader<Bytes>,
    columns: Columns,
    ended: bool,
}

/// The bytes of a file and a line feed, so that the last row ends like all others.
type Bytes = Chain<Box<dyn BufRead + Send>, &'static [u8]>;

/// Where the known columns are.
struct Columns {
    indices: Vec<(&'static str, usize)>,
    /// All of them, by our names where they are ours.
    names: Vec<String>,
    warnings: Vec<String>,
}

/// One row.
pub(super) struct Row<'t> {
    file: &'t str,
    columns: &'t Columns,
    cells: ByteRecord,
    pub(super) line: u64,
}

impl Table {
    /// Reads the header row. Columns that are not `known` are ignored.
    pub(super) fn new(
        source: Source,
        reading: &Reading,
        known: &[&'static str],
        required: &[&'static str],
    ) -> Result<Self, FileError> {
        let Source { name, bytes, .. } = source;
        // Rows end with the line feed alone, and `Row::text` drops a carriage return: the parser's
        // own notion of CRLF counts the line feed to the next row, and so names the wrong line.
        let mut rows = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(reading.separator)
            .terminator(csv::Terminator::Any(b'\n'))
            .from_reader(bytes.chain(&b"\n"[..]));
        let mut header = ByteRecord::new();
        match rows.read_byte_record(&mut header) {
            Ok(true) => {}
            Ok(false) => return Err(FileError::NoHeader { file: name, expected: quoted(required) }),
            Err(error) => return Err(broken(&name, 0, error)),
        }
        let columns = Columns::new(&name, &header, reading, known, required)?;
        Ok(Self { name, rows, columns, ended: false })
    }

    /// What is odd about its columns.
    pub(super) fn warnings(&self) -> &[String] {
        &self.columns.warnings
    }

    /// Whether it has a column, of ours or not.
    pub(super) fn has(&self, column: &str) -> bool {
        self.columns.names.iter().any(|name| name == column)
    }

    /// The next row.
    pub(super) fn next(&mut self) -> Option<Result<Row<'_>, FileError>> {
        if self.ended {
            return None;
        }
        let mut cells = ByteRecord::new();
        loop {
            match self.rows.read_byte_record(&mut cells) {
                Ok(true) if cells.len() == 1 && cells.get(0) == Some(b"\r") => {}
                Ok(true) => break,
                Ok(false) => {
                    self.ended = true;
                    return None;
                }
                Err(error) => {
                    self.ended = true;
                    let line = self.rows.position().line().saturating_sub(1);
                    return Some(Err(broken(&self.name, line, error)));
                }
            }
        }
        let line = self.first_line(&cells);
        let (found, expected) = (cells.len(), self.columns.names.len());
        if found != expected {
            return Some(Err(FileError::CellCount { file: self.name.clone(), line, found, expected }));
        }
        Some(Ok(Row { file: &self.name, columns: &self.columns, cells, line }))
    }

    /// The line on which a row begins that has just been read. The parser's position may be that of
    /// blank lines before it, so it is counted back from the end of the row.
    fn first_line(&self, cells: &ByteRecord) -> u64 {
        let inner = cells.as_slice().iter().filter(|&&byte| byte == b'\n').count() as u64;
        let before = cells.position().map_or(0, csv::Position::line);
        before.max(self.rows.position().line().saturating_sub(1 + inner))
    }
}

impl Columns {
    fn new(
        file: &str,
        header: &ByteRecord,
        reading: &Reading,
        known: &[&'static str],
        required: &[&'static str],
    ) -> Result<Self, FileError> {
        let theirs: Vec<String> =
            header.iter().map(|cell| String::from_utf8_lossy(cell).trim().to_owned()).collect();
        let names: Vec<String> = theirs.iter().map(|name| reading.renames.ours(name).to_owned()).collect();
        let mut indices: Vec<(&'static str, usize)> = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let Some(&column) = known.iter().find(|column| *column == name) else { continue };
            if indices.iter().any(|(taken, _)| *taken == column) {
                return Err(FileError::RepeatedColumn { file: file.to_owned(), column });
            }
            indices.push((column, index));
        }
        let is_absent = |column: &&'static str| !indices.iter().any(|(name, _)| name == column);
        let free: Vec<&'static str> = known.iter().copied().filter(|column| is_absent(column)).collect();
        let others = names.iter().filter(|name| !known.contains(&name.as_str()));
        let meant: Vec<(&str, &str)> =
            others.filter_map(|name| Some((name.as_str(), nearest_field(name, &free)?))).collect();
        let missing: Vec<&str> = required.iter().filter(|column| is_absent(column)).copied().collect();
        if missing.is_empty() {
            let warning = |(name, meant): &(&str, &str)| {
                let name = shorten(name);
                format!(
                    "{file}:1 has the column `{name}`, which is left out: did you mean `{meant}`? \
                     Say so with --map {name}={meant}"
                )
            };
            let warnings = meant.iter().map(warning).collect();
            return Ok(Self { indices, names, warnings });
        }
        let hint = match (theirs.as_slice(), meant.iter().find(|(_, meant)| missing.contains(meant))) {
            ([one], _) if one.contains([';', '\t', '|']) => {
                let separator = one.chars().find(|letter| [';', '\t', '|'].contains(letter)).unwrap_or(';');
                format!(
                    "; they seem to be separated otherwise: try --separator '{}'",
                    separator.escape_default()
                )
            }
            (_, Some((name, meant))) => {
                format!("; did you mean `{meant}` by `{name}`? Say so with --map {name}={meant}")
            }
            _ => String::new(),
        };
        let (file, missing, found) = (file.to_owned(), quoted(&missing), quoted(&theirs));
        Err(FileError::MissingColumns { file, missing, found, hint })
    }
}

impl Row<'_> {
    /// The text of a cell; an empty one is absent, and so is one whose column is not there.
    pub(super) fn text(&self, column: &'static str) -> Result<Option<&str>, FileError> {
        let index = self.columns.indices.iter().find(|(name, _)| *name == column);
        let cell = index.and_then(|&(_, index)| {
            let cell = self.cells.get(index)?;
            let is_last = index + 1 == self.cells.len();
            Some(cell.strip_suffix(b"\r").filter(|_| is_last).unwrap_or(cell))
        });
        match cell {
            None | Some([]) => Ok(None),
            Some(cell) => match std::str::from_utf8(cell) {
                Ok(text) => Ok(Some(text)),
                Err(_) => Err(self.wrong(column, &String::from_utf8_lossy(cell), "UTF-8 text")),
            },
        }
    }

    /// The text of a cell.
    pub(super) fn owned(&self, column: &'static str) -> Result<Option<String>, FileError> {
        Ok(self.text(column)?.map(str::to_owned))
    }

    /// The text of a cell that must not be empty.
    pub(super) fn required(&self, column: &'static str) -> Result<String, FileError> {
        self.owned(column)?.ok_or_else(|| self.wrong(column, "", "text that is not empty"))
    }

    /// A number.
    pub(super) fn number(&self, column: &'static str) -> Result<Option<f64>, FileError> {
        let parse = |text: &str| text.parse().ok().filter(|number: &f64| number.is_finite());
        self.parsed(column, parse, "a finite number")
    }

    /// An instant.
    pub(super) fn time(&self, column: &'static str) -> Result<Option<Timestamp>, FileError> {
        self.parsed(column, |text| text.parse().ok(), TIME)
    }

    /// An instant that must be there.
    pub(super) fn required_time(&self, column: &'static str) -> Result<Timestamp, FileError> {
        self.time(column)?.ok_or_else(|| self.wrong(column, "", TIME))
    }

    /// Yes or no.
    pub(super) fn flag(&self, column: &'static str) -> Result<Option<bool>, FileError> {
        let parse = |text: &str| match text {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        };
        self.parsed(column, parse, "true or false")
    }

    /// The entries of a list, `a|b|c`.
    pub(super) fn list(&self, column: &'static str) -> Result<Vec<&str>, FileError> {
        let entries = self.text(column)?.unwrap_or_default().split(LIST_SEPARATOR);
        Ok(entries.filter(|entry| !entry.is_empty()).collect())
    }

    /// The entries of a map, `key=value|key=value`.
    pub(super) fn map<M: FromIterator<(String, String)>>(
        &self,
        column: &'static str,
    ) -> Result<M, FileError> {
        let entries = self.list(column)?.into_iter().map(|entry| match entry.split_once('=') {
            Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
            None => Err(self.wrong(column, entry, "key=value, with | between entries")),
        });
        entries.collect()
    }

    fn parsed<T>(
        &self,
        column: &'static str,
        parse: impl Fn(&str) -> Option<T>,
        expected: &'static str,
    ) -> Result<Option<T>, FileError> {
        let parse = |text: &str| parse(text.trim()).ok_or_else(|| self.wrong(column, text, expected));
        self.text(column)?.map(parse).transpose()
    }

    fn wrong(&self, column: &'static str, found: &str, expected: &'static str) -> FileError {
        let (file, found) = (self.file.to_owned(), shorten(found).into_owned());
        FileError::Cell { file, line: self.line, column, found, expected }
    }
}

const TIME: &str = "milliseconds since 1970 or a time like 2026-01-31T12:00:00Z";

fn quoted(names: &[impl AsRef<str>]) -> String {
    names.iter().map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", ")
}

fn broken(file: &str, line: u64, error: csv::Error) -> FileError {
    FileError::Read { file: file.to_owned(), line, source: error.into() }
}
