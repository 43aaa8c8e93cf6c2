//! JSON Lines: hands out each line as it is, so that what is published is what was in the file.

use std::io::{BufRead, Read};

use super::error::FileError;
use super::source::Source;

/// The longest line that is taken. The service takes far shorter ones; this bounds memory.
pub const MAX_LINE_BYTES: usize = 16 << 20;

/// The lines of a file that are not blank.
pub(super) struct Lines {
    source: Source,
    line: u64,
    ended: bool,
}

impl Lines {
    pub(super) fn new(source: Source) -> Self {
        Self::after(source, 0)
    }

    /// Those of a file of which so many were passed already.
    pub(super) fn after(source: Source, passed: u64) -> Self {
        Self { source, line: passed, ended: false }
    }

    /// The number of the line that was read last.
    pub(super) fn number(&self) -> u64 {
        self.line
    }

    /// The next line with its number, without its line feed.
    pub(super) fn next(&mut self) -> Option<Result<(u64, Vec<u8>), FileError>> {
        while !self.ended {
            match self.read() {
                Ok(Some(bytes)) if bytes.iter().all(u8::is_ascii_whitespace) => {}
                Ok(Some(bytes)) => return Some(Ok((self.line, bytes))),
                Ok(None) => self.ended = true,
                Err(error) => {
                    self.ended = error.is_final();
                    return Some(Err(error));
                }
            }
        }
        None
    }

    fn read(&mut self) -> Result<Option<Vec<u8>>, FileError> {
        let mut bytes = Vec::new();
        let count = self.read_some(&mut bytes)?;
        if count == 0 {
            return Ok(None);
        }
        self.line += 1;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        } else if count > MAX_LINE_BYTES {
            self.skip_line()?;
            let file = self.source.name.clone();
            return Err(FileError::LineTooLong { file, line: self.line, max: MAX_LINE_BYTES });
        }
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        if self.line == 1 && bytes.starts_with(b"\xef\xbb\xbf") {
            bytes.drain(..3);
        }
        Ok(Some(bytes))
    }

    fn skip_line(&mut self) -> Result<(), FileError> {
        self.source.bytes.skip_until(b'\n').map(|_| ()).map_err(|source| self.broken(source))
    }

    fn read_some(&mut self, bytes: &mut Vec<u8>) -> Result<usize, FileError> {
        let limit = MAX_LINE_BYTES as u64 + 1;
        let read = self.source.bytes.by_ref().take(limit).read_until(b'\n', bytes);
        read.map_err(|source| self.broken(source))
    }

    fn broken(&self, source: std::io::Error) -> FileError {
        FileError::Read { file: self.source.name.clone(), line: self.line, source }
    }
}
