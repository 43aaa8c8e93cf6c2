//! Files of plain lines, such as ids of users.

use std::path::Path;

use super::error::FileError;
use super::lines::Lines;
use super::source::{Progress, Source};

/// The lines of a file that are not blank, without what surrounds them.
pub struct TextFile {
    lines: Lines,
    progress: Progress,
    file: String,
}

impl TextFile {
    /// Opens a file; `-` is standard input.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let source = Source::open(path)?;
        let (file, progress) = (source.name.clone(), source.progress.clone());
        Ok(Self { lines: Lines::new(source), progress, file })
    }

    /// The number, from 1, of the line that was read last.
    pub fn line(&self) -> u64 {
        self.lines.number()
    }

    /// How far the file has been read.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }
}

impl Iterator for TextFile {
    type Item = Result<String, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        let file = &self.file;
        Some(self.lines.next()?.and_then(|(line, bytes)| match String::from_utf8(bytes) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(_) => Err(FileError::NotText { file: file.clone(), line }),
        }))
    }
}
